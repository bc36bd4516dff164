// What the command lines of kvfs and kvfs-admin have in common.
#pragma once

#include <CLI/CLI.hpp>

#include "kvcore/base/status.h"

namespace kvfs::tools {

// CLI11 only says that a command is missing when it does not know the one that was given.
Status CheckCommandName(const CLI::App& app, int argc, const char* const* argv);

}  // namespace kvfs::tools
