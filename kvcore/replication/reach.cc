#include "kvcore/replication/reach.h"

#include <algorithm>

namespace kvfs::replication {
namespace {

// What was learnt so many retries ago says nothing any more.
constexpr int64_t kFreshRetries = 10;

}  // namespace

void Reach::Answered(env::NodeId peer, int64_t now) {
  Peer& record = peers_[peer];
  record.failures = 0;
  record.last_answer = now;
}

void Reach::Failed(env::NodeId peer, int64_t began, int64_t now) {
  Peer& record = peers_[peer];
  if (began < record.last_answer) {
    return;  // it has been heard since
  }
  if (record.failures++ == 0) {
    record.silent_since = began;
  }
  record.silent_since = std::min(record.silent_since, began);
  record.last_failure = now;
}

bool Reach::IsSilent(env::NodeId peer, int64_t now) const {
  const auto found = peers_.find(peer);
  return found != peers_.end() && found->second.failures > 1 &&
         now - found->second.silent_since >= options_.degrade_after_micros &&
         now - found->second.last_failure <= kFreshRetries * options_.retry_micros;
}

bool Reach::MayTry(env::NodeId peer, int64_t now) {
  if (!IsSilent(peer, now)) {
    return true;
  }
  Peer& record = peers_[peer];
  if (now < record.next_try) {
    return false;
  }
  record.next_try = now + options_.retry_micros;
  return true;
}

bool Reach::Asked(uint32_t partition, const Electorate& electorate, env::NodeId self,
                  const std::set<env::NodeId>& sound, int64_t began, int64_t now) {
  Partition& record = partitions_[partition];
  record.asked = now;
  if (electorate.HasMajority(
          [&](env::NodeId home) { return home == self || sound.contains(home); })) {
    record.is_without = false;
    return true;
  }
  if (!record.is_without) {
    // Since when none of those who did not answer has been heard; one that answers, but not for
    // this partition, may have done so until now.
    record.is_without = true;
    record.since = INT64_MIN;
    for (const env::NodeId home : electorate.homes) {
      if (home == self || sound.contains(home)) {
        continue;
      }
      const auto peer = peers_.find(home);
      const bool is_silent = peer != peers_.end() && peer->second.failures > 0;
      record.since = std::max(record.since, is_silent ? peer->second.silent_since : began);
    }
  }
  return false;
}

bool Reach::IsWithout(uint32_t partition, const Electorate& electorate, env::NodeId self,
                      int64_t now) const {
  if (!electorate.HasMajority(
          [&](env::NodeId home) { return home == self || !IsSilent(home, now); })) {
    return true;
  }
  const auto found = partitions_.find(partition);
  return found != partitions_.end() && found->second.is_without &&
         now - found->second.since >= options_.degrade_after_micros &&
         now - found->second.asked <= kFreshRetries * options_.retry_micros;
}

bool Reach::IsDue(uint32_t partition, int64_t now) const {
  const auto found = partitions_.find(partition);
  return found == partitions_.end() || now - found->second.asked >= options_.retry_micros;
}

}  // namespace kvfs::replication
