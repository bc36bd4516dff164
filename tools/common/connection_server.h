// ConnectionServer: takes connections from a listening socket and serves each, bounded in number,
// on a thread of its own, since an answer may take long.
//
// Owned by the server that says what is answered; destroyed before what its answers need.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "tools/common/admin_channel.h"

namespace kvfs::tools {

class ConnectionServer {
 public:
  struct Options {
    size_t max_connections = 16;  // one more is closed at once
    // Prepares a new connection; false: it is closed. By the thread that accepts.
    std::function<bool(int fd)> admit;
    // Returns when the connection is over. By many threads.
    std::function<void(int fd)> serve;
  };
  ConnectionServer(Socket listener, Options options);
  // Reads nothing more, and waits for the answer under way on each connection.
  ~ConnectionServer();

 private:
  struct Connection {
    Socket socket;
    std::thread thread;
    bool done = false;  // guarded by mutex_
  };

  void Accept();
  void Serve(Connection* connection);
  void Reap(bool all);

  const Socket listener_;
  const Options options_;
  std::mutex mutex_;  // guards connections_ and their `done`
  std::list<Connection> connections_;
  std::thread acceptor_;
};

}  // namespace kvfs::tools
