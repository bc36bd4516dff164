// One question to a running daemon.
#pragma once

#include <string>

#include "kvcore/ops/admin_service.h"

namespace kvfs::tools {

// Sends the request to the daemon of the data directory and waits for the answer. kNotFound if no
// daemon serves it; the daemon's own error if it has one.
Result<ops::AdminResponse> Ask(const std::string& data_directory, const ops::AdminRequest& request);

}  // namespace kvfs::tools
