// AdminServer: lets kvfs-admin ask a running daemon, through the socket in its data
// directory. Only root and the daemon's own user are heard.
//
// Owned by the composition root; destroyed before the service it asks.
#pragma once

#include <memory>
#include <string>

#include "kvcore/ops/admin_service.h"
#include "tools/common/admin_channel.h"
#include "tools/common/connection_server.h"

namespace kvfs::tools {

class AdminServer {
 public:
  static Result<std::unique_ptr<AdminServer>> Start(const std::string& directory,
                                                    ops::AdminService* service);
  // Waits for the answer under way on each connection.
  ~AdminServer();

 private:
  AdminServer(std::string directory, Socket listener, ops::AdminService* service);
  void Serve(int fd);

  const std::string directory_;
  ops::AdminService* const service_;
  ConnectionServer connections_;
};

}  // namespace kvfs::tools
