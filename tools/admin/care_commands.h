// The commands of kvfs-admin that look after a cluster or a mount: hints, proof of convergence,
// scrub, options, log. Each prints its answer and returns an exit code, or the error to be printed.
#pragma once

#include <string>

#include "tools/admin/commands.h"

namespace kvfs::tools {

// What nodes keep for others that were away.
Result<int> HintsCommand(const AdminFlags& flags);
// kExitProblems if homes hold different things, or not all were heard. `strict`: also where they
// hold different references to chunks only.
Result<int> VerifyCommand(const AdminFlags& flags, bool strict);
// Waits until all homes hold the same and nothing is kept for others; kExitProblems if that is not
// so after `timeout_seconds`.
Result<int> WaitConvergedCommand(const AdminFlags& flags, double timeout_seconds);
// Reads and checks every byte of the store, of every node.
Result<int> ScrubCommand(const AdminFlags& flags);
// `name` empty: all of them.
Result<int> ConfigCommand(const AdminFlags& flags, const std::string& name);
// `level` empty: says which it is.
Result<int> LogLevelCommand(const AdminFlags& flags, const std::string& level);
// As on the HTTP port.
Result<int> MetricsCommand(const AdminFlags& flags);

}  // namespace kvfs::tools
