// Rebuilder: brings a home back to what it knew before the power failed, partition by partition:
// it has the other homes refuse every older epoch, learns in which state each pk is with them, and
// takes over what is ahead of its own. Which homes are enough is said, with the reasons, in
// doc/replication.md.
//
// Owned by the node; what it is built from is borrowed. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <vector>

#include "kvcore/env/random.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/placement.h"

namespace kvfs::replication {

struct RebuilderOptions {
  env::NodeId self = 0;
  int64_t call_timeout_micros = 1'000'000;
  int64_t retry_micros = 200'000;  // about; between two attempts at a partition
  size_t at_once = 32;             // partitions: what they wait for the disk for, they share
};

// What one home says of a partition.
struct Listing {
  Epoch promised;
  bool suspect = false;
  std::map<Bytes, PkState> states;
};
using Listings = std::map<env::NodeId, Listing>;

// All that a home says of a partition, page by page. kUnavailable: it has promised a higher epoch
// than the request's, which says so unless it is empty.
Task<Result<Listing>> ListAt(Peers* peers, env::NodeId home, pb::ListRequest request,
                             int64_t call_timeout_micros);

// Whether the homes that have answered, others than `self`, know everything that was decided: so
// many that have lost nothing that they meet every majority without us, or all there are. In a
// transition those of the old layout count: what was decided has a majority of them.
bool KnowEverything(const Listings& others, const Electorate& electorate, env::NodeId self);

// How a pk is to be made what it was; nothing where the own state is as late as any other.
struct Takeover {
  env::NodeId source = 0;
  PkState from;
  PkState to;
};
// `epoch` is the rebuilding home's own. kUnavailable: it is too low to call the state by.
Result<std::optional<Takeover>> PlanTakeover(const Bytes& pk, const PkState& own,
                                             const Listings& others, const Electorate& electorate,
                                             const Epoch& epoch);

class Rebuilder {
 public:
  Rebuilder(const RebuilderOptions& options, const Placement* placement, Home* home, Peers* peers,
            env::Random* random, env::Scheduler* scheduler);

  // Goes on until nothing is suspect any more.
  void Start() { tasks_.Start(Run()); }
  bool IsDone() const { return done_; }
  // Returns when nothing runs.
  Task<void> Close();

 private:
  struct Gathering;

  Task<void> Run();
  // OK: the partition is not suspect any more.
  Task<Status> Rebuild(uint32_t partition);
  // `plan` was made a moment ago, and is made anew where the pk has changed meanwhile.
  Task<Status> TakeOverOne(uint32_t partition, Bytes pk, Epoch epoch, Takeover plan);
  // Our epoch is too low; the next attempt takes one above all of these.
  void Outrank(uint32_t partition, const Listings& others);
  Task<Listings> AskAll(pb::ListRequest request);
  // An epoch of ours that nobody has heard of.
  Task<Result<Epoch>> NewEpoch(uint32_t partition);
  Task<void> AskOne(env::NodeId home, pb::ListRequest request,
                    std::shared_ptr<Gathering> gathering);

  const RebuilderOptions options_;
  const Placement* const placement_;
  Home* const home_;
  Peers* const peers_;
  env::Random* const random_;
  env::Scheduler* const scheduler_;
  // Kept from one attempt at a partition to the next: a new epoch stops whoever reigns.
  struct Standing {
    std::optional<Epoch> epoch;
    uint64_t outranked = 0;  // the number that the next epoch must be above
  };
  std::map<uint32_t, Standing> standings_;  // added to by Run alone; each used by one attempt
  std::atomic<bool> closing_{false};
  std::atomic<bool> done_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::replication
