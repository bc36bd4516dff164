#include "kvcore/env/sim/sim_message_bus.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kvcore/base/hash.h"

namespace kvfs::env::sim {
namespace {

uint64_t HashOf(const Message& message) {
  uint64_t hash = SipHash24({message.from, message.to}, message.header);
  for (const Bytes& frame : message.data) {
    hash = SipHash24({hash, frame.size()}, frame);
  }
  return hash;
}

int64_t Between(Random& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(Uniform(random, static_cast<uint64_t>(high - low) + 1));
}

}  // namespace

void SimMessageBus::SetHandler(NodeId self, Handler handler) {
  handlers_[self] = handler ? std::make_shared<const Handler>(std::move(handler)) : nullptr;
}

std::vector<NodeId> SimMessageBus::Nodes() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, handler] : handlers_) {
    nodes.push_back(node);
  }
  return nodes;
}

std::vector<SimMessageBus::Link> SimMessageBus::Partition(const std::set<NodeId>& side) {
  std::vector<Link> links;
  for (const NodeId a : Nodes()) {
    for (const NodeId b : Nodes()) {
      if (side.contains(a) != side.contains(b)) {
        links.emplace_back(a, b);
      }
    }
  }
  cuts_.insert(links.begin(), links.end());
  return links;
}

void SimMessageBus::Clog(NodeId from, NodeId to, int64_t micros) {
  int64_t& end = clogs_[{from, to}];
  end = std::max(end, scheduler_->NowMicros() + micros);
}

void SimMessageBus::MendAll() {
  cuts_.clear();
  clogs_.clear();
}

Status SimMessageBus::Send(Message message) {
  if (!handlers_.contains(message.to)) {
    return Status::Unavailable("node " + std::to_string(message.to) + ": unknown peer");
  }
  ++sent_;
  scheduler_->Note(HashOf(message));
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
  int64_t delay = Between(random_, link.min_delay_micros, link.max_delay_micros);
  if (Happens(random_, link.lateness)) {
    delay += Between(random_, 0, link.max_late_micros);
  }
  DeliverAfter(delay, std::make_shared<Message>(std::move(message)));
}

void SimMessageBus::DeliverAfter(int64_t delay_micros, std::shared_ptr<Message> message) {
  scheduler_->PostAfter(delay_micros, Priority::kForeground,
                        [this, m = std::move(message)] { Deliver(m); });
}

void SimMessageBus::Deliver(std::shared_ptr<Message> message) {
  const Link key{message->from, message->to};
  if (cuts_.contains(key)) {
    return;
  }
  if (const auto clog = clogs_.find(key); clog != clogs_.end()) {
    const int64_t rest = clog->second - scheduler_->NowMicros();
    if (rest > 0) {
      DeliverAfter(rest, std::move(message));
      return;
    }
    clogs_.erase(clog);
  }
  // Shared, because the handler may replace itself.
  const std::shared_ptr<const Handler> handler = handlers_[message->to];
  if (handler != nullptr) {
    ++delivered_;
    (*handler)(std::move(*message));
  }
}

}  // namespace kvfs::env::sim
