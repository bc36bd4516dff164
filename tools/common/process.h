// Processes: who lives, who holds a mount open, and running a helper.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace kvfs::tools {

// When the process began, in clock ticks since boot; 0 if there is no such process, or it has
// ended and only waits for its parent. With the pid it names a process for ever.
uint64_t StartTicks(pid_t pid);

struct Holder {
  pid_t pid = 0;
  std::string command;
  std::string what;  // "working directory", "file a/b", "mapping a/b"
};
// Processes with something below `mountpoint`, by the text of their links in /proc, which does not
// touch the mount. As far as this user may see. At most `limit`.
std::vector<Holder> FindHolders(const std::string& mountpoint, size_t limit);

struct Outcome {
  int exit_code = -1;  // -1: could not be run, or died of a signal
  std::string output;  // of both streams
};
// Runs argv[0], found through PATH, and waits.
Outcome RunCommand(const std::vector<std::string>& argv);

}  // namespace kvfs::tools
