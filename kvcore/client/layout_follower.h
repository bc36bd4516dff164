// LayoutFollower: keeps a client's placement with the layouts of its cluster: when a message says
// that its sender goes by newer ones, it asks a node for them.
//
// Owned by whoever owns the client; borrowed parts. Thread-safe.
#pragma once

#include <atomic>
#include <functional>

#include "kvcore/client/ring_placement.h"
#include "kvcore/client/told_layouts.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/peers.h"

namespace kvfs::client {

class LayoutFollower {
 public:
  struct Parts {
    RingPlacement* placement = nullptr;
    replication::Peers* peers = nullptr;
    env::Scheduler* scheduler = nullptr;
    // Where nodes are reached, told before the layouts count, and these when they do.
    std::function<void(const ToldLayouts&)> reach{};
    std::function<void(const ring::LayoutStage&)> changed{};
  };
  explicit LayoutFollower(Parts parts) : parts_(std::move(parts)), tasks_(parts_.scheduler) {}

  // `from` goes by newer layouts.
  void Seen(env::NodeId from);
  // Returns when nothing runs.
  Task<void> Close();

 private:
  Task<void> Follow(env::NodeId from);
  Task<bool> AskAt(env::NodeId node);

  const Parts parts_;
  std::atomic<bool> asking_{false};
  std::atomic<bool> closing_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::client
