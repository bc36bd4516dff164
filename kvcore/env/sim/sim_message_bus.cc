#include "kvcore/env/sim/sim_message_bus.h"

#include <string>
#include <utility>

namespace kvfs::env::sim {

void SimMessageBus::SetHandler(NodeId self, Handler handler) {
  handlers_[self] = handler ? std::make_shared<const Handler>(std::move(handler)) : nullptr;
}

Status SimMessageBus::Send(Message message) {
  if (!handlers_.contains(message.to)) {
    return Status::Unavailable("node " + std::to_string(message.to) + ": unknown peer");
  }
  ++sent_;
  const Link key{message.from, message.to};
  const auto it = links_.find(key);
  const LinkOptions& link = it == links_.end() ? default_link_ : it->second;
  if (cuts_.contains(key) || Happens(random_, link.loss)) {
    return {};
  }
  if (Happens(random_, link.duplication)) {
    Schedule(link, message);
  }
  Schedule(link, std::move(message));
  return {};
}

void SimMessageBus::Schedule(const LinkOptions& link, Message message) {
  const auto spread = static_cast<uint64_t>(link.max_delay_micros - link.min_delay_micros);
  const auto delay = link.min_delay_micros + static_cast<int64_t>(Uniform(random_, spread + 1));
  scheduler_->PostAfter(
      delay, Priority::kForeground,
      [this, m = std::make_shared<Message>(std::move(message))] { Deliver(std::move(*m)); });
}

void SimMessageBus::Deliver(Message message) {
  if (cuts_.contains({message.from, message.to})) {
    return;
  }
  // Shared, because the handler may replace itself.
  const std::shared_ptr<const Handler> handler = handlers_[message.to];
  if (handler != nullptr) {
    ++delivered_;
    (*handler)(std::move(message));
  }
}

}  // namespace kvfs::env::sim
