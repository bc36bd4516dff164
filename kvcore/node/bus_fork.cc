#include "kvcore/node/bus_fork.h"

#include <utility>

namespace kvfs::node {

class BusFork::UserBus final : public env::MessageBus {
 public:
  UserBus(BusFork* fork, uint16_t type) : fork_(fork), type_(type) {}

  void SetHandler(env::NodeId self, Handler handler) override {
    if (self != fork_->self_) {
      return;
    }
    const std::lock_guard lock(fork_->mutex_);
    fork_->handlers_[type_] =
        handler ? std::make_shared<const Handler>(std::move(handler)) : nullptr;
  }
  Status Send(env::Message message) override {
    message.type = type_;
    return fork_->bus_->Send(std::move(message));
  }

 private:
  BusFork* const fork_;
  const uint16_t type_;
};

BusFork::BusFork(env::MessageBus* bus, env::NodeId self) : bus_(bus), self_(self) {
  bus_->SetHandler(self_, [this](env::Message message) { Receive(std::move(message)); });
}

BusFork::~BusFork() { Close(); }

env::MessageBus* BusFork::Branch(uint16_t type) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<UserBus>& branch = branches_[type];
  if (branch == nullptr) {
    branch = std::make_unique<UserBus>(this, type);
  }
  return branch.get();
}

void BusFork::Close() {
  if (!closed_.exchange(true)) {
    bus_->SetHandler(self_, {});
  }
}

void BusFork::Receive(env::Message message) {
  std::shared_ptr<const env::MessageBus::Handler> handler;
  {
    const std::lock_guard lock(mutex_);
    const auto found = handlers_.find(message.type);
    if (found != handlers_.end()) {
      handler = found->second;
    }
  }
  if (handler != nullptr) {
    (*handler)(std::move(message));
  }
}

}  // namespace kvfs::node
