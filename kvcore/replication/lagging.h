// Lagging: which partition keys which homes have missed something of, as far as their primary has
// noticed: it brings them up to date when they answer again. Bounded per home; what is beyond that
// is found when the key is next written or read. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/env/message_bus.h"

namespace kvfs::replication {

class Lagging {
 public:
  // 1 .. 2^32 keys per home.
  explicit Lagging(size_t max_hints) : max_hints_(max_hints) {}

  void Missed(env::NodeId home, const Bytes& pk) {
    std::lock_guard lock(mutex_);
    std::set<Bytes>& pks = pks_[home];
    if (pks.size() < max_hints_) {
      pks.insert(pk);
    }
  }
  // Some that the home has missed, which are forgotten unless they are missed again.
  std::vector<Bytes> Take(env::NodeId home, size_t limit) {
    std::lock_guard lock(mutex_);
    std::vector<Bytes> taken;
    const auto found = pks_.find(home);
    while (found != pks_.end() && taken.size() < limit && !found->second.empty()) {
      taken.push_back(std::move(found->second.extract(found->second.begin()).value()));
    }
    return taken;
  }
  // How many per home; none where there are none.
  std::map<env::NodeId, size_t> Counts() const {
    std::lock_guard lock(mutex_);
    std::map<env::NodeId, size_t> counts;
    for (const auto& [home, pks] : pks_) {
      if (!pks.empty()) {
        counts[home] = pks.size();
      }
    }
    return counts;
  }

 private:
  const size_t max_hints_;
  mutable std::mutex mutex_;  // guards pks_
  std::map<env::NodeId, std::set<Bytes>> pks_;
};

}  // namespace kvfs::replication
