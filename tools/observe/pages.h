// The pages that a daemon shows over HTTP: what its AdminService answers, in the forms that
// scrapers, probes and a browser read. Nothing can be changed through them.
#pragma once

#include <functional>

#include "kvcore/ops/admin_service.h"
#include "tools/common/http_server.h"

namespace kvfs::tools {

// Called by several threads at once. Not OK: why not.
using Probe = std::function<Status()>;

// /metrics, /healthz, /readyz, /status.json, /ring.json and /conflicts.json (each where the service
// knows of it), and the web page. What the other nodes are asked for is asked at most once a
// second. `service` is borrowed, and outlives the server.
HttpServer::Pages ObservationPages(ops::AdminService* service, Probe health, Probe ready);

}  // namespace kvfs::tools
