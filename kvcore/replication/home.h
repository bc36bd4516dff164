// Home: what a node does as one of the homes of a partition: it promises epochs, applies
// transactions without a gap, and hands out or takes over whole partition keys. The rules
// are in doc/replication.md.
//
// Owned by the node; what it is built from is borrowed. Thread-safe. One lock per partition,
// held over reads and one Apply of the store, never over a wait for the disk or a peer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/peers.h"

namespace kvfs::replication {

struct HomeOptions {
  uint32_t partition_bits = 8;              // 0..16
  uint64_t max_install_bytes = 256u << 20;  // of one pk, held in memory while it is taken over
  uint64_t page_bytes = 1u << 20;           // of a pk sent at a time
  int64_t page_timeout_micros = 1'000'000;
};

class Home {
 public:
  Home(const HomeOptions& options, LocalStore* store, Peers* peers, env::Scheduler* scheduler);
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  // From a promise on, lower epochs are refused; it is durable before it is given.
  Task<Result<pb::HomeReply>> Promise(uint32_t partition, Epoch epoch);
  // The state of pk, and a promise with it.
  Task<Result<pb::HomeReply>> State(Bytes pk, Epoch epoch);
  Task<Result<pb::HomeReply>> Apply(pb::ApplyRequest request);
  // Makes the pk what it is at `source` in state `from`, and calls that state `to`: in one batch,
  // so the old content counts until the new one does. `sync`: durable before it is answered.
  Task<Result<pb::HomeReply>> Install(Bytes pk, Epoch epoch, env::NodeId source, PkState from,
                                      PkState to, bool sync);
  Task<Result<pb::PageReply>> Page(pb::PageRequest request);
  // What this home holds, committed or not.
  Task<Result<pb::ReadReply>> Read(pb::ReadRequest request);

  Result<PkState> LocalState(ByteView pk);
  // The highest epoch promised or obeyed in the partition.
  Task<Result<Epoch>> Promised(uint32_t partition);

 private:
  struct Partition {
    explicit Partition(env::Scheduler* scheduler) : mutex(scheduler) {}
    env::AsyncMutex mutex;
    // Both guarded by mutex.
    std::optional<Epoch> promised;  // read from the store when first asked for
    Epoch durable;                  // the highest promised that is known to be on the disk
  };

  uint32_t PartitionAt(ByteView pk) const;
  Partition& At(uint32_t partition) { return *partitions_[partition]; }
  // With the partition locked.
  Result<Epoch> LoadPromise(uint32_t partition);
  // Adds the write that makes `epoch` the promised one, if it is higher; `reply` says whether it is
  // not lower. With the partition locked.
  Status Obey(uint32_t partition, const Epoch& epoch, std::vector<StoreWrite>* writes,
              pb::HomeReply* reply);
  Result<Position> Write(uint32_t partition, const Epoch& epoch, std::vector<StoreWrite> writes,
                         bool will_sync);
  // Makes `content` (whole keys) the pk's, in state `to`, beside `writes`. With the partition
  // locked.
  Result<Position> Replace(ByteView pk, const Epoch& epoch, const PkState& to,
                           std::map<Bytes, Bytes> content, std::vector<StoreWrite> writes,
                           bool will_sync);
  // Every entry of the pk at `source` but its state.
  Task<Result<std::vector<pb::Entry>>> Fetch(Bytes pk, env::NodeId source, PkState state);

  const HomeOptions options_;
  LocalStore* const store_;
  Peers* const peers_;
  std::vector<std::unique_ptr<Partition>> partitions_;
};

// The write that brings the pk with this prefix into a state.
StoreWrite StateWrite(ByteView prefix, const PkState& state);

}  // namespace kvfs::replication
