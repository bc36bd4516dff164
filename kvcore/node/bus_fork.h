// BusFork: one message bus for several users in a node: each has the messages of one type
// (doc/formats/wire.md). Owned by the node, which closes it before its users go. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "kvcore/env/message_bus.h"

namespace kvfs::node {

// Types of the messages between nodes; env::kVersionRefused is the bus's own.
inline constexpr uint16_t kRpcType = 0;
inline constexpr uint16_t kMembershipType = 2;
inline constexpr uint16_t kAgreementType = 3;

class BusFork {
 public:
  BusFork(env::MessageBus* bus, env::NodeId self);
  BusFork(const BusFork&) = delete;
  BusFork& operator=(const BusFork&) = delete;
  ~BusFork();

  // A bus of the messages of this type; the same one each time.
  env::MessageBus* Branch(uint16_t type);
  // Nothing is received any more, by nobody; no handler runs when it returns. Once the users have
  // ended too, the bus is not touched any more.
  void Close();

 private:
  class UserBus;

  void Receive(env::Message message);

  env::MessageBus* const bus_;
  const env::NodeId self_;
  std::atomic<bool> closed_{false};
  std::mutex mutex_;  // guards the rest
  std::map<uint16_t, std::unique_ptr<UserBus>> branches_;
  std::map<uint16_t, std::shared_ptr<const env::MessageBus::Handler>> handlers_;
};

}  // namespace kvfs::node
