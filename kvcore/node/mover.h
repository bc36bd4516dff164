// Mover: while one layout takes the place of another, brings this node everything of the partitions
// that it is to keep, tells others how far it is, and finds out when all are so far that the old
// layout is needed no longer. Why nothing is lost: doc/ring.md, "From one layout to the next".
//
// It fetches from a majority of the old homes after these have learnt of the transition. What is
// here already is not fetched again, so one that was interrupted goes on where it was.
//
// Owned by the node; what it is built from is borrowed. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kvcore/client/ring_placement.h"
#include "kvcore/env/clock.h"
#include "kvcore/env/task_set.h"
#include "kvcore/proto/storage.pb.h"
#include "kvcore/replication/chunk_repair.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/rebuilder.h"

namespace kvfs::node {

struct MoverOptions {
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  int64_t look_micros = 200'000;      // between two looks at what there is to do
  int64_t call_micros = 5'000'000;    // what another node gets to answer
  int64_t bring_micros = 30'000'000;  // and to bring one partition key here
  size_t at_once = 4;                 // partitions; 1 .. 64
  // What is fetched at the most, so that clients are served meanwhile; 64 KiB .. 2^40.
  uint64_t bytes_per_second = 64u << 20;
};

class Mover {
 public:
  struct Parts {
    const client::RingPlacement* placement = nullptr;
    replication::Peers* peers = nullptr;
    replication::Home* home = nullptr;
    replication::ChunkRepair* chunks = nullptr;
    replication::LocalStore* store = nullptr;
    env::Clock* clock = nullptr;
    env::Scheduler* scheduler = nullptr;
    std::function<bool(env::NodeId)> is_alive{};
    // The transition to this layout is over; another node goes by newer layouts.
    std::function<Task<Status>(ring::LayoutId)> complete{};
    std::function<void(env::NodeId)> newer{};
  };
  Mover(const MoverOptions& options, Parts parts)
      : options_(options), parts_(std::move(parts)), tasks_(parts_.scheduler) {}

  void Start() { tasks_.Start(Run()); }
  replication::pb::TransfersReply Progress() const;
  // Returns when nothing runs.
  Task<void> Close();

 private:
  Task<void> Run();
  // One look: fetches what is missing, asks the others, and ends the transition if it is over.
  Task<void> Look(std::shared_ptr<const ring::RingView> view);
  Task<void> MoveMine(std::shared_ptr<const ring::RingView> view);
  Task<void> AskForNews(env::NodeId node);
  Task<void> AskOthers(std::shared_ptr<const ring::RingView> view);
  // OK: everything of the partition is here, on the disk.
  Task<Status> Move(uint32_t partition);
  Task<Status> MoveKeys(uint32_t partition, const replication::Electorate& electorate);
  Task<Status> MoveChunks(uint32_t partition);
  // Has whoever is the primary settle the pk and give it to this home.
  Task<Status> Bring(uint32_t partition, Bytes pk);
  // Waits as long as fetching so much takes.
  Task<void> Pace(uint64_t bytes);
  uint64_t BytesOf(const Bytes& pk) const;

  const MoverOptions options_;
  const Parts parts_;
  std::atomic<bool> closing_{false};
  mutable std::mutex mutex_;  // guards the rest but tasks_
  uint64_t version_ = 0;      // of the layouts that the rest is about
  std::set<uint32_t> wanted_;
  std::set<uint32_t> moved_;
  uint64_t keys_ = 0;
  uint64_t chunks_ = 0;
  uint64_t bytes_ = 0;
  std::string trouble_;
  int64_t free_at_micros_ = 0;  // when what was fetched so far is paid for
  env::TaskSet tasks_;
};

}  // namespace kvfs::node
