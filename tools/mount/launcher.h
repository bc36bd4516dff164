// Launcher: runs a server in the background, watched by a supervisor process that
// starts it again after a crash.
//
//   kvfs mount  --fork-->  supervisor  --fork-->  server
//
// The command waits until the first server reports that it is ready, or why not. After
// that, a server that is killed, or that cannot start again, is followed by another, with
// pauses that grow. The supervisor ends when a server that has served exits by its own
// decision, when one says that no other can do better, and when it is told to stop (SIGTERM,
// passed on to the server).
#pragma once

#include <functional>
#include <string>

#include "kvcore/base/status.h"

namespace kvfs::tools {

// How a server tells the waiting command what became of it. Used by one thread.
class ReadyReport {
 public:
  explicit ReadyReport(int fd, bool* served) : fd_(fd), served_(served) {}

  // Everything works: the command may return. Standard input and output are given up.
  void Ready();
  // It will not work; the server exits after this.
  void Failed(const std::string& reason);

 private:
  void Send(const std::string& text);

  int fd_;        // -1: nobody waits
  bool* served_;  // shared with the supervisor
};

// What a server returns besides the exit codes of the commands.
inline constexpr int kServerStartAgain = 10;  // it ended as if it had crashed
inline constexpr int kServerCannotHeal = 11;  // it could not start, and no other will

// The server: returns its exit code. Runs in a process of its own that has no other threads yet.
// `again`: another has served before.
using Server = std::function<int(ReadyReport* report, bool again)>;

// Starts the server in the background. Returns in the calling process. `log_line` is the
// supervisor's voice.
Status Launch(const Server& server, const std::function<void(const std::string&)>& log_line);

}  // namespace kvfs::tools
