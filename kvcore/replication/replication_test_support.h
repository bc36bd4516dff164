// What the tests of replication share.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/number_source.h"
#include "kvcore/replication/placement.h"
#include "kvcore/replication/service.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {

// Calls go straight to the services of the nodes; a node without one cannot be reached.
class DirectPeers final : public Peers {
 public:
  explicit DirectPeers(env::NodeId self) : self_(self) {}
  void Add(env::NodeId node, Service* service) { services_[node] = service; }
  void Remove(env::NodeId node) { services_.erase(node); }
  Task<Result<Bytes>> Call(env::NodeId to, Method method, Bytes body, int64_t) override {
    const auto found = services_.find(to);
    if (found == services_.end()) {
      co_return Status::Unavailable("no such node");
    }
    co_return co_await found->second->Handle(self_, method, std::move(body));
  }

 private:
  const env::NodeId self_;
  std::map<env::NodeId, Service*> services_;
};

// The same homes for every partition.
struct FixedHomes final : Placement {
  explicit FixedHomes(std::vector<env::NodeId> homes) : homes_of_all(std::move(homes)) {}
  std::vector<env::NodeId> HomesOf(uint32_t) const override { return homes_of_all; }
  const std::vector<env::NodeId> homes_of_all;
};

// One home with its primary. Whoever derives from it brings the peers, and awaits Closed() in its
// destructor, before these go.
class PrimaryFixture : public ::testing::Test {
 protected:
  PrimaryFixture(Peers* peers, const Placement* placement)
      : dots_(NumberSource::Open({.key = NodeLocalKey("dots"), .block = 1000}, &store_, &env_)
                  .value()),
        home_({}, &store_, peers, &env_),
        primary_({.self = 1, .storage_epoch = 7},
                 {.placement = placement,
                  .home = &home_,
                  .peers = peers,
                  .store = &store_,
                  .dots = dots_.get(),
                  .hybrid_clock = &hybrid_clock_,
                  .clock = &env_,
                  .scheduler = &env_,
                  .changed =
                      [this](const Bytes& pk, const std::vector<Bytes>& cks, uint64_t session) {
                        changes_.push_back({pk, cks, session});
                      }}),
        service_(&home_, &primary_) {}

  Task<bool> Closed() {
    co_await primary_.Close();
    co_return true;
  }

  struct Change {
    Bytes pk;
    std::vector<Bytes> cks;
    uint64_t session = 0;
  };

  testing::StepEnv env_;
  std::vector<Change> changes_;  // that the primary told of
  testing::MemoryLocalStore store_;
  versioning::HybridClock hybrid_clock_{60'000};
  std::unique_ptr<NumberSource> dots_;
  Home home_;
  ReplicatedPrimary primary_;
  Service service_;
};

// A transaction that writes `value` to item "a" of a pk.
inline pb::ApplyRequest ApplyOf(const Bytes& pk, const PkState& previous, const PkState& next,
                                const Bytes& value) {
  pb::ApplyRequest request;
  request.set_pk(pk);
  *request.mutable_epoch() = ToProto(next.epoch);
  *request.mutable_previous() = ToProto(previous);
  *request.mutable_next() = ToProto(next);
  pb::Entry* const entry = request.add_entries();
  entry->set_ck("a");
  entry->set_value(value);
  return request;
}

}  // namespace kvfs::replication
