// Coordinator: carries the requests of clients to the homes of their partition: a
// transaction to the first that can decide it, a read to all of them at once. Any node can
// be one, home or not.
//
// Owned by the node; what it is built from is borrowed. Thread-safe, no locks.
#pragma once

#include <atomic>
#include <optional>
#include <set>
#include <vector>

#include "kvcore/env/clock.h"
#include "kvcore/env/scheduler.h"
#include "kvcore/env/task_set.h"
#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"
#include "kvcore/replication/read_round.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

struct CoordinatorOptions {
  uint32_t partition_bits = 8;
  int64_t attempt_micros = 2'000'000;   // what one primary gets to decide a transaction
  int64_t degraded_micros = 6'000'000;  // what a home gets to do it without a majority
  int64_t read_micros = 300'000;        // what the homes get to answer at once
  int64_t retry_micros = 20'000;        // before the homes are asked again
  int64_t hedge_micros = 30'000;        // before another home is asked for the values too
  int64_t repair_micros = 1'000'000;    // before the primary is told that a home lags
  // How long a majority is waited for where no home reaches one and the pk is strong.
  int64_t strong_micros = 5'000'000;
};

// What may be done where no majority answers.
struct Without {
  bool available = false;     // have it done by a home that reaches no majority
  uint32_t skip_asserts = 0;  // so many of the first need not hold then
  // Who has taken in earlier what the client must see, and cannot merge it yet; 0: nobody. Asked
  // before a majority is.
  env::NodeId first = 0;
};

class Coordinator {
 public:
  Coordinator(const CoordinatorOptions& options, const Placement* placement, Peers* peers,
              env::Clock* clock, env::Scheduler* scheduler);

  // `op` names the transaction: whoever submits it again with the same name learns what became of
  // it. `first_attempt` false: it may have been submitted before. kOutcomeUnknown after
  // `timeout_micros`: submit it again; kUnavailable: it certainly did not and will not happen.
  // `settled`: operations of the session with lower sequences are, and may be forgotten.
  Task<CommitResult> Submit(Txn txn, OpId op, bool first_attempt, bool sync, int64_t timeout_micros,
                            uint64_t settled = 0, Without without = {});

  // The items of some keys of one pk as they are at one moment, in the order of `cks`:
  // linearizable, unless `level` asks for less.
  Task<Result<std::vector<std::optional<Item>>>> Read(Bytes pk, std::vector<Bytes> cks,
                                                      int64_t timeout_micros,
                                                      ReadLevel level = ReadLevel::kQuorum,
                                                      Without without = {});
  // The same for items, outcomes and ranges, as they are stored. The reply is ok(). If no majority
  // answers, and where that is available, what one home and its branch have; then it is
  // degraded().
  Task<Result<pb::ReadReply>> Query(pb::ReadRequest request, int64_t timeout_micros,
                                    ReadLevel level = ReadLevel::kQuorum, Without without = {});

  struct Merged {
    bool merged = false;     // none of those that answer holds one any more
    bool all = false;        // and all homes have answered
    env::NodeId holder = 0;  // one that still does; 0: none has said so
  };
  // Has the homes that can be reached merge what they took into branches of the pk.
  Task<Merged> MergeNow(Bytes pk, int64_t timeout_micros);

  // Returns when nothing runs. No call may come afterwards.
  Task<void> Close() { return tasks_.Drain(); }

 private:
  struct Reading;
  struct Sweep;
  // What became of one request for a decision. True: that is all.
  bool Took(const Result<Bytes>& answer, Sweep* sweep, CommitResult* result) const;
  // Those that do not answer a question that takes no time. All at once.
  Task<std::set<env::NodeId>> SilentOf(std::vector<env::NodeId> homes, Bytes pk);
  // Enough for a strong pk.
  bool WaitedForStrong(int64_t began) const;
  // Who still holds a branch of the pk after a moment, though it was asked to merge it; 0: nobody.
  Task<env::NodeId> HolderOf(Bytes pk);
  // The same, having asked `home` to do it without a majority.
  Task<bool> TookDegraded(env::NodeId home, pb::SubmitRequest request, int64_t left, Sweep* sweep,
                          CommitResult* result);
  Task<Result<pb::ReadReply>> ReadDegraded(env::NodeId home, pb::ReadRequest request,
                                           int64_t timeout_micros);
  Task<Result<pb::MergeReply>> MergeAt(env::NodeId home, Bytes pk, int64_t timeout_micros);
  void Start(std::vector<ReadRound::Ask> asks, std::shared_ptr<Reading> reading);
  Task<void> ReadFrom(ReadRound::Ask ask, std::shared_ptr<Reading> reading);
  Task<void> HedgeLater(std::shared_ptr<Reading> reading);
  // A home was seen to lag: tells the primary, if it still may be so after a while.
  Task<void> RepairLater(Bytes pk);
  // What the homes tell in one round; nothing where they differ or cannot be reached.
  Task<std::optional<pb::ReadReply>> ReadAtOnce(pb::ReadRequest request, ReadLevel level);

  const CoordinatorOptions options_;
  const Placement* const placement_;
  Peers* const peers_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  std::atomic<bool> repairs_{false};  // one at a time; others are found by later reads
  env::TaskSet tasks_;
};

}  // namespace kvfs::replication
