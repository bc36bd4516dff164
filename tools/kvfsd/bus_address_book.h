// BusAddressBook: the AddressBook of a node whose bus is a ZmqMessageBus. Borrows the bus; thread-safe.
#pragma once

#include <string>
#include <utility>

#include "kvcore/node/address_book.h"
#include "transport/zmq_message_bus.h"

namespace kvfs::tools {

class BusAddressBook final : public node::AddressBook {
 public:
  // Before anything else is called.
  void SetBus(transport::ZmqMessageBus* bus) { bus_ = bus; }

  void SetPeer(env::NodeId node, const std::string& address) override {
    bus_->SetPeer(node, {.address = address, .public_key = {}});
  }
  Status SendTo(const std::string& address, env::Message message) override {
    return bus_->SendTo({.address = address, .public_key = {}}, std::move(message));
  }

 private:
  transport::ZmqMessageBus* bus_ = nullptr;
};

}  // namespace kvfs::tools
