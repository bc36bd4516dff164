// Pusher: brings the questions and transactions of a primary to all homes of a partition. A
// transaction is sent to each home again and again until a majority has applied it, or one
// home has promised a higher epoch; a home that missed earlier ones is given them first.
//
// Owned by the primary; what it is built from is borrowed. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/env/task_set.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/round.h"

namespace kvfs::replication {

struct PusherOptions {
  int64_t call_timeout_micros = 300'000;  // of one question to one home
  int64_t install_timeout_micros = 10'000'000;
  int64_t retry_micros = 50'000;  // between two attempts at one home
  size_t tail = 64;               // latest transactions of a pk kept for homes that missed some
};

// The latest transactions of one pk under one epoch, each planned on what the one before it left.
// Of one epoch, because no home may come into a state of an older one any more: whoever finds a
// majority in it would take it for decided.
class Tail {
 public:
  using Entry = std::shared_ptr<const pb::ApplyRequest>;
  void Add(Entry entry, size_t limit);
  // Those behind `state`, in order; none if it is too old or unknown.
  std::vector<Entry> Behind(const PkState& state) const;

 private:
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
};

// Under which epoch a primary asks.
struct Reign {
  uint32_t partition = 0;
  Epoch epoch;
};

class Pusher {
 public:
  // A home has promised a higher epoch; told whenever that is learnt, also when a majority has
  // answered already: such a home takes nothing more under the old one.
  using Denied = std::function<void(const Reign& reign, const Epoch& promised)>;
  // A majority has a transaction of the pk, and this home did not take it in time.
  using Missed = std::function<void(env::NodeId home, const Bytes& pk)>;
  // Whether it is known by now that no majority of the partition's homes answers. A push ends
  // then: who waits for it can be told, and whoever settles the pk next takes it up.
  using Hopeless = std::function<bool(uint32_t partition)>;

  Pusher(const PusherOptions& options, env::NodeId self, Peers* peers, env::Scheduler* scheduler,
         Denied denied, Missed missed = {}, Hopeless hopeless = {});

  // One question, once to each home. Every answer that is no HomeReply is a failure.
  Task<Quorum::Verdict> Ask(std::vector<env::NodeId> homes, Reign reign, Method method, Bytes body,
                            std::shared_ptr<Round> round);
  // The transaction, which this node has applied already. kOpen: given up, while closing or as
  // hopeless.
  Task<Quorum::Verdict> Push(std::vector<env::NodeId> homes, Reign reign, Tail::Entry entry,
                             std::shared_ptr<Tail> tail, std::shared_ptr<Round> round);
  // Gives the pk, which is in the decided state `state` here, to those of the homes that are
  // behind. Each once; one that does not answer stays as it is. Ends when `are_homes` says that
  // they are those of the partition no more.
  Task<void> Repair(std::vector<env::NodeId> homes, Reign reign, Bytes pk, PkState state,
                    std::function<bool()> are_homes);
  // Gives up every push; returns when nothing runs.
  Task<void> Close();

 private:
  Task<void> AskOne(env::NodeId home, Reign reign, Method method, std::shared_ptr<const Bytes> body,
                    std::shared_ptr<Round> round);
  Task<void> PushTo(env::NodeId home, Reign reign, Tail::Entry entry,
                    std::shared_ptr<const Tail> tail, std::shared_ptr<Round> round);
  void Answer(env::NodeId home, const Reign& reign, const pb::HomeReply& reply, Round* round);
  Task<Result<pb::HomeReply>> Call(env::NodeId home, Method method, Bytes body, int64_t timeout);
  Task<Result<pb::HomeReply>> CatchUp(env::NodeId home, Tail::Entry entry,
                                      std::shared_ptr<const Tail> tail, PkState state);

  const PusherOptions options_;
  const env::NodeId self_;
  Peers* const peers_;
  env::Scheduler* const scheduler_;
  const Denied denied_;
  const Missed missed_;
  const Hopeless hopeless_;
  std::mutex mutex_;  // guards the three below
  bool closing_ = false;
  uint64_t last_push_ = 0;
  std::map<uint64_t, std::shared_ptr<Round>> rounds_;  // of pushes, in the order they began
  env::TaskSet tasks_;
};

}  // namespace kvfs::replication
