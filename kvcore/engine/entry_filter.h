// EntryFilter: which entries a flush or compaction keeps. Fed with every entry in
// order; an entry goes when a newer one of its key hides it from every snapshot and from
// now, a delete goes when besides nothing older of its key can lie below. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

class EntryFilter {
 public:
  // `snapshots`: the sequences in use, ascending.
  explicit EntryFilter(std::vector<uint64_t> snapshots) : snapshots_(std::move(snapshots)) {}

  // `nothing_below`: asked only for deletes that no snapshot needs: whether no older entry of
  // this key exists outside of what is being merged.
  template <typename NothingBelow>
  bool Keep(ByteView internal_key, const NothingBelow& nothing_below) {
    const ByteView user_key = UserKey(internal_key);
    const size_t stripe = StripeOf(Sequence(internal_key));
    if (any_ && user_key == last_user_key_ && stripe == last_stripe_) {
      return false;  // every reader sees the one before it
    }
    if (!any_ || user_key != last_user_key_) {
      last_user_key_.assign(user_key);
      any_ = true;
    }
    last_stripe_ = stripe;
    return !(TypeOf(internal_key) == EntryType::kDelete && stripe == 0 && nothing_below(user_key));
  }

 private:
  // Entries of one stripe are told apart by no snapshot. 0 is the oldest.
  size_t StripeOf(uint64_t sequence) const {
    size_t stripe = 0;
    while (stripe < snapshots_.size() && snapshots_[stripe] < sequence) {
      ++stripe;
    }
    return stripe;
  }

  const std::vector<uint64_t> snapshots_;
  Bytes last_user_key_;
  size_t last_stripe_ = 0;
  bool any_ = false;
};

}  // namespace kvfs::engine
