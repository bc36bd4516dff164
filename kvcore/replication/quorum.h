// Quorum: counts what the homes of a partition answer until it is decided. Pure; the caller
// serialises.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "kvcore/env/message_bus.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/placement.h"

namespace kvfs::replication {

class Quorum {
 public:
  enum class Verdict : uint8_t {
    kOpen,
    kReached,  // a majority of each set said yes
    kDenied,   // somebody has promised a higher epoch: whoever asks reigns no more
    kFailed,   // so many failed that a majority cannot be reached
  };

  explicit Quorum(Electorate electorate) : electorate_(std::move(electorate)) {}

  void Grant(env::NodeId home) { granted_.insert(home); }
  void Fail(env::NodeId home) { failed_.insert(home); }
  void Deny(const Epoch& promised);

  // The first that was reached stays, but that a denial counts until a majority has said yes.
  Verdict verdict() const;
  const Epoch& highest_promised() const { return highest_promised_; }
  const Electorate& electorate() const { return electorate_; }

 private:
  Electorate electorate_;
  std::set<env::NodeId> granted_;  // once each, however often they answer
  std::set<env::NodeId> failed_;
  bool denied_ = false;
  Epoch highest_promised_;
};

}  // namespace kvfs::replication
