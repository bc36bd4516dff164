// SocketThread: the thread that owns all sockets. It moves messages from the outboxes of the
// switchboard to the sockets and from the sockets to the inbox, and blocks nowhere but in poll.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "kvcore/env/clock.h"
#include "transport/inbox.h"
#include "transport/socket.h"
#include "transport/switchboard.h"

namespace kvfs::transport {

class SocketThread {
 public:
  SocketThread(const BusOptions& options, Switchboard* switchboard, std::shared_ptr<Inbox> inbox,
               env::Clock* clock, uint64_t session);
  SocketThread(const SocketThread&) = delete;
  SocketThread& operator=(const SocketThread&) = delete;
  ~SocketThread();

  // Makes the sockets, listens, starts the thread. kBusy: the address is in use; kInvalidArgument:
  // it is none; kIoError.
  Status Start();
  // There is something new at the switchboard. From any thread.
  void Wake();
  const std::string& listen_address() const { return listen_address_; }

 private:
  struct Link {
    uint64_t generation = 0;
    std::array<Socket, env::kLaneCount> dealers;
    std::array<bool, env::kLaneCount> blocked{};  // ready again when the socket says so
  };

  Status Listen();
  void SetUp(const std::string& address, Socket* socket) const;
  void Connect(const LinkKey& key, const Switchboard::Connection& connection);
  void Loop();
  void Poll();
  void Follow(const LinkKey& key);
  void Flush(const LinkKey& key, Link* link, env::Lane lane);
  void FlushVisitor(const LinkKey& key);
  void ReceiveFrom(const Socket& socket, bool is_router);
  void Take(std::vector<std::unique_ptr<Part>> parts, bool is_router);
  void RefuseVersion(const Bytes& routing_id);

  const BusOptions options_;
  Switchboard* const switchboard_;
  const std::shared_ptr<Inbox> inbox_;
  env::Clock* const clock_;
  const uint64_t session_;  // told apart from an earlier life of this node by its peers' ROUTERs

  void* context_ = nullptr;
  int wake_fd_ = -1;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  std::string listen_address_;

  // The thread's own:
  Socket zap_;
  Socket router_;
  std::map<LinkKey, Link> links_;
  std::set<LinkKey> full_visitors_;  // with answers that found no room
};

}  // namespace kvfs::transport
