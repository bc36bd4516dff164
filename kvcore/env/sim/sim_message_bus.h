// SimMessageBus: the network between simulated nodes: it delays, loses, repeats
// and reorders messages per link, as drawn from its seed, and cuts links in one
// direction. Single-threaded; the scheduler outlives it.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "kvcore/env/message_bus.h"
#include "kvcore/env/scheduler.h"
#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {

// Uniform delays over a range reorder whatever is sent closer together than that.
struct LinkOptions {
  int64_t min_delay_micros = 50;
  int64_t max_delay_micros = 200;
  double loss = 0;
  double duplication = 0;
};

class SimMessageBus final : public MessageBus {
 public:
  SimMessageBus(Scheduler* scheduler, uint64_t seed) : scheduler_(scheduler), random_(seed) {}
  SimMessageBus(const SimMessageBus&) = delete;
  SimMessageBus& operator=(const SimMessageBus&) = delete;

  void SetHandler(NodeId self, Handler handler) override;
  // kUnavailable if no node of that name ever had a handler. Losses are silent.
  Status Send(Message message) override;

  // For the links that have no options of their own.
  void SetDefaultLink(LinkOptions options) { default_link_ = options; }
  void SetLink(NodeId from, NodeId to, LinkOptions options) { links_[{from, to}] = options; }
  // Nothing passes in this direction, what is under way included, until mended.
  void Cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }
  void Mend(NodeId from, NodeId to) { cuts_.erase({from, to}); }
  void MendAll() { cuts_.clear(); }

  uint64_t sent() const { return sent_; }
  uint64_t delivered() const { return delivered_; }

 private:
  using Link = std::pair<NodeId, NodeId>;

  void Schedule(const LinkOptions& link, Message message);
  void Deliver(Message message);

  Scheduler* const scheduler_;
  SimRandom random_;
  LinkOptions default_link_;
  std::map<Link, LinkOptions> links_;
  std::set<Link> cuts_;
  // Null: the node is known, but nobody listens.
  std::map<NodeId, std::shared_ptr<const Handler>> handlers_;
  uint64_t sent_ = 0;
  uint64_t delivered_ = 0;
};

}  // namespace kvfs::env::sim
