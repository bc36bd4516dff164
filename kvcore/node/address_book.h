// AddressBook: how nodes are reached whose number or address has only just been learnt. The
// composition root has one beside its message bus. Thread-safe.
#pragma once

#include <string>

#include "kvcore/env/message_bus.h"

namespace kvfs::node {

class AddressBook {
 public:
  virtual ~AddressBook() = default;

  // From now on messages to `node` go to this address ("host:port").
  virtual void SetPeer(env::NodeId node, const std::string& address) = 0;
  // To whoever answers there. kUnavailable as of MessageBus::Send.
  virtual Status SendTo(const std::string& address, env::Message message) = 0;
};

}  // namespace kvfs::node
