// Reach: which peers have answered this node lately, and since when it has been without a majority
// of a partition's homes. Only silence makes a node go on without one, so what counts is how long
// nobody has been heard, not how often. Pure; the caller serialises and brings the time.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "kvcore/env/message_bus.h"
#include "kvcore/replication/placement.h"

namespace kvfs::replication {

struct ReachOptions {
  // Without a majority for this long, a home takes transactions in alone. 100 ms .. 1 min.
  int64_t degrade_after_micros = 1'500'000;
  // How often a peer that is silent, or a partition without a majority, is tried again. 50 ms ..
  // 10 s.
  int64_t retry_micros = 500'000;
};

class Reach {
 public:
  explicit Reach(const ReachOptions& options) : options_(options) {}

  void Answered(env::NodeId peer, int64_t now);
  // A call that began then got no answer.
  void Failed(env::NodeId peer, int64_t began, int64_t now);
  // Nothing heard for long, though it was asked more than once until lately.
  bool IsSilent(env::NodeId peer, int64_t now) const;
  // Whether to call it: of a silent one now and then, and whoever gets true is the one who tries.
  bool MayTry(env::NodeId peer, int64_t now);

  // All homes but `self` were asked at `began`; these said that they can answer for the partition.
  // True: with `self` they are a majority.
  bool Asked(uint32_t partition, const Electorate& electorate, env::NodeId self,
             const std::set<env::NodeId>& sound, int64_t began, int64_t now);
  // Without a majority for long enough, by what the homes answered to anybody lately.
  bool IsWithout(uint32_t partition, const Electorate& electorate, env::NodeId self,
                 int64_t now) const;
  // It is time to ask the homes of the partition again.
  bool IsDue(uint32_t partition, int64_t now) const;

 private:
  struct Peer {
    int failures = 0;  // in a row
    int64_t silent_since = 0;
    int64_t last_failure = 0;
    int64_t last_answer = INT64_MIN;
    int64_t next_try = 0;
  };
  struct Partition {
    bool is_without = false;
    int64_t since = 0;
    int64_t asked = INT64_MIN / 2;
  };

  const ReachOptions options_;
  std::map<env::NodeId, Peer> peers_;
  std::map<uint32_t, Partition> partitions_;
};

}  // namespace kvfs::replication
