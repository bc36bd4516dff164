// Questions to a running daemon, through the socket in its data directory or, to a node of a
// cluster, over the network.
#pragma once

#include <memory>
#include <string>

#include "kvcore/ops/admin_service.h"
#include "tools/admin/commands.h"

namespace kvfs::tools {

// Sends the request to the daemon of the data directory and waits for the answer. kNotFound if no
// daemon serves it; the daemon's own error if it has one.
Result<ops::AdminResponse> Ask(const std::string& data_directory, const ops::AdminRequest& request);

// Whoever the flags name. Used by one thread.
class Asker {
 public:
  // kUnavailable: the peer does not answer.
  static Result<std::unique_ptr<Asker>> Open(const AdminFlags& flags);
  virtual ~Asker() = default;
  // The answer, or the error of whoever was asked.
  virtual Result<ops::AdminResponse> Ask(const ops::AdminRequest& request) = 0;
};

}  // namespace kvfs::tools
