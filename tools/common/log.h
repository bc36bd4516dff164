// Logging of the daemon, through spdlog's default logger.
#pragma once

#include <string>

#include "kvcore/base/status.h"

namespace kvfs::tools {

// To a file that is rotated at 4 MiB, three old ones kept.
Status LogToFile(const std::string& path);
// Standard error goes to the end of that file from now on, so that the last words of a crash are
// found.
void RedirectStderr(const std::string& path);
// To stderr.
void LogToStderr();

// Appends one line without the logger, for a process that does not own the file. To the system's
// log if the file cannot be opened.
void AppendLogLine(const std::string& path, const std::string& text);

// On SIGSEGV, SIGABRT and their like: the stack to stderr, then the default action.
void InstallCrashTrace();

}  // namespace kvfs::tools
