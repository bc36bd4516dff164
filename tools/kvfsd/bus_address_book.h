// BusAddressBook: the AddressBook of a node whose bus is a ZmqMessageBus. Knows the keys of the
// others, where there are some. Borrows the bus; thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "kvcore/node/address_book.h"
#include "tools/cluster/security.h"
#include "transport/zmq_message_bus.h"

namespace kvfs::tools {

class BusAddressBook final : public node::AddressBook {
 public:
  // Before anything else is called. `seeds`: which nodes are at addresses, for their keys.
  void Set(transport::ZmqMessageBus* bus, Security security,
           std::map<std::string, env::NodeId> seeds) {
    bus_ = bus;
    security_ = std::move(security);
    seeds_ = std::move(seeds);
  }

  void SetPeer(env::NodeId node, const std::string& address) override {
    if (const auto key = KeyOf(node)) {
      bus_->SetPeer(node, {.address = address, .public_key = *key});
    }
  }
  Status SendTo(const std::string& address, env::Message message) override {
    const auto seed = seeds_.find(address);
    const auto key = KeyOf(seed == seeds_.end() ? 0 : seed->second);
    if (!key) {
      return Status::Unavailable("the key of the node at " + address + " is not known");
    }
    return bus_->SendTo({.address = address, .public_key = *key}, std::move(message));
  }

 private:
  // Nothing: with keys, one that is not known cannot be spoken to.
  std::optional<transport::PublicKey> KeyOf(env::NodeId node) const {
    if (security_.keys == nullptr) {
      return transport::PublicKey{};
    }
    const auto found = security_.nodes.find(node);
    return found == security_.nodes.end() ? std::nullopt : std::optional(found->second);
  }

  transport::ZmqMessageBus* bus_ = nullptr;
  Security security_;
  std::map<std::string, env::NodeId> seeds_;
};

}  // namespace kvfs::tools
