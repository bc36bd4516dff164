// RingPlacement: the homes of partitions by the layouts in force, which may be replaced by newer
// ones at any time. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/replication/placement.h"
#include "kvcore/ring/ring_view.h"

namespace kvfs::client {

class RingPlacement final : public replication::Placement {
 public:
  explicit RingPlacement(ring::RingView view)
      : view_(std::make_shared<const ring::RingView>(std::move(view))) {}

  std::vector<env::NodeId> HomesOf(uint32_t partition) const override {
    return view()->PreferenceList(partition);
  }
  replication::Electorate ElectorateOf(uint32_t partition) const override;
  uint64_t Version() const override { return view()->stage().version(); }

  std::shared_ptr<const ring::RingView> view() const {
    std::lock_guard lock(mutex_);
    return view_;
  }
  // False: those that are in force are as new, and stay.
  bool Replace(ring::RingView view);

 private:
  mutable std::mutex mutex_;  // guards the next
  std::shared_ptr<const ring::RingView> view_;
};

}  // namespace kvfs::client
