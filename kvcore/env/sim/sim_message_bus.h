// SimMessageBus: the network between simulated nodes: it delays, loses, repeats
// and reorders messages per link, as drawn from its seed, cuts links in one
// direction, and holds back what goes over a clogged one. Single-threaded; the
// scheduler outlives it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "kvcore/env/message_bus.h"
#include "kvcore/env/sim/sim_random.h"
#include "kvcore/env/sim/sim_scheduler.h"

namespace kvfs::env::sim {

// Uniform delays over a range reorder whatever is sent closer together than that.
struct LinkOptions {
  int64_t min_delay_micros = 50;
  int64_t max_delay_micros = 200;
  double loss = 0;
  double duplication = 0;
  // So many messages are late by up to so much more: they are overtaken by many others.
  double lateness = 0;
  int64_t max_late_micros = 0;
};

class SimMessageBus final : public MessageBus {
 public:
  using Link = std::pair<NodeId, NodeId>;  // from, to

  SimMessageBus(SimScheduler* scheduler, uint64_t seed) : scheduler_(scheduler), random_(seed) {}
  SimMessageBus(const SimMessageBus&) = delete;
  SimMessageBus& operator=(const SimMessageBus&) = delete;

  void SetHandler(NodeId self, Handler handler) override;
  // kUnavailable if no node of that name ever had a handler. Losses are silent.
  Status Send(Message message) override;

  // Every node that ever had a handler, ascending.
  std::vector<NodeId> Nodes() const;

  // For the links that have no options of their own.
  void SetDefaultLink(LinkOptions options) { default_link_ = options; }
  void SetLink(NodeId from, NodeId to, LinkOptions options) { links_[{from, to}] = options; }
  // Nothing passes in this direction, what is under way included, until mended.
  void Cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }
  void Mend(NodeId from, NodeId to) { cuts_.erase({from, to}); }
  // Cuts both directions between these nodes and all the others; the links cut.
  std::vector<Link> Partition(const std::set<NodeId>& side);
  // What goes in this direction, under way included, arrives only when so much time has passed.
  void Clog(NodeId from, NodeId to, int64_t micros);
  // No link is cut or clogged any more.
  void MendAll();

  uint64_t sent() const { return sent_; }
  uint64_t delivered() const { return delivered_; }

 private:
  void Schedule(const LinkOptions& link, Message message);
  void DeliverAfter(int64_t delay_micros, std::shared_ptr<Message> message);
  void Deliver(std::shared_ptr<Message> message);

  SimScheduler* const scheduler_;
  SimRandom random_;
  LinkOptions default_link_;
  std::map<Link, LinkOptions> links_;
  std::set<Link> cuts_;
  std::map<Link, int64_t> clogs_;  // the moment they end
  // Null: the node is known, but nobody listens.
  std::map<NodeId, std::shared_ptr<const Handler>> handlers_;
  uint64_t sent_ = 0;
  uint64_t delivered_ = 0;
};

}  // namespace kvfs::env::sim
