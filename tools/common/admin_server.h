// AdminServer: lets kvfs-admin ask a running daemon, through the socket in its data
// directory. Only root and the daemon's own user are heard. A thread accepts, and each
// connection (bounded in number) has one of its own, since an answer may take long.
//
// Owned by the composition root; destroyed before the service it asks.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "kvcore/ops/admin_service.h"
#include "tools/common/admin_channel.h"

namespace kvfs::tools {

class AdminServer {
 public:
  static Result<std::unique_ptr<AdminServer>> Start(const std::string& directory,
                                                    ops::AdminService* service);
  // Waits for the answer under way on each connection.
  ~AdminServer();

 private:
  struct Connection {
    Socket socket;
    std::thread thread;
    bool done = false;  // guarded by mutex_
  };

  AdminServer(std::string directory, Socket listener, ops::AdminService* service);
  void Accept();
  void Serve(Connection* connection);
  void Reap(bool all);

  const std::string directory_;
  const Socket listener_;
  ops::AdminService* const service_;
  std::mutex mutex_;  // guards connections_ and their `done`
  std::list<Connection> connections_;
  std::thread acceptor_;
};

}  // namespace kvfs::tools
