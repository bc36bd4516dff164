// Launcher: runs a server in the background, watched by a supervisor process that
// starts it again after a crash.
//
//   kvfs mount  --fork-->  supervisor  --fork-->  server
//
// The command waits until the first server reports that it is ready, or why not. The
// supervisor ends when a server exits by itself, when it is told to stop (SIGTERM, passed
// on to the server), and when servers are killed by signals too often.
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

// The server: returns its exit code. Runs in a process of its own that has no other threads yet.
using Server = std::function<int(ReadyReport* report)>;

// Starts the server in the background. Returns in the calling process. `log_line` is the
// supervisor's voice.
Status Launch(const Server& server, const std::function<void(const std::string&)>& log_line);

}  // namespace kvfs::tools
