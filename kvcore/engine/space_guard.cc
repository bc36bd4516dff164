#include "kvcore/engine/space_guard.h"

#include <algorithm>

namespace kvfs::engine {

namespace {
constexpr uint64_t kAskEveryBytes = 4u << 20;
constexpr int64_t kAskEveryMicros = 1'000'000;
// What may be written between two checks: so much, or this part of what is left.
constexpr uint64_t kMostCredit = 256u << 10;
constexpr uint64_t kCreditShare = 16;
// What a batch takes at most for each of its bytes, and besides: in the log and in memory.
constexpr uint64_t kCreditPerByte = 2;
constexpr uint64_t kCreditPerWrite = 128;
}  // namespace

SpaceGuard::SpaceGuard(const Options& options, const env::Env& env, std::string directory)
    : options_(options), env_(env), directory_(std::move(directory)) {}

// Within a bound the reserve is smaller where the bound is small.
uint64_t SpaceGuard::CapacityReserve() const {
  return std::min(options_.reserve_bytes, options_.capacity_bytes / 8);
}

void SpaceGuard::NoteWritten(uint64_t bytes) {
  written_since_.fetch_add(bytes, std::memory_order_relaxed);
}

bool SpaceGuard::TakeCredit(uint64_t bytes) {
  if (bytes > kMostCredit) {
    return false;
  }
  const auto cost = static_cast<int64_t>(bytes * kCreditPerByte + kCreditPerWrite);
  return credit_.load(std::memory_order_relaxed) >= cost &&
         credit_.fetch_sub(cost, std::memory_order_relaxed) >= cost;
}

Result<env::SpaceInfo> SpaceGuard::Disk() {
  const std::lock_guard lock(mutex_);
  const int64_t now = env_.clock->MonotonicMicros();
  if (!known_ || written_since_.load(std::memory_order_relaxed) >= kAskEveryBytes ||
      now - asked_at_ >= kAskEveryMicros) {
    const uint64_t before = written_since_.load(std::memory_order_relaxed);
    KVFS_ASSIGN_OR_RETURN(disk_, env_.files->Space(directory_));
    known_ = true;
    asked_at_ = now;
    written_since_.fetch_sub(before, std::memory_order_relaxed);
  }
  env::SpaceInfo disk = disk_;
  disk.available_bytes -=
      std::min(disk.available_bytes, written_since_.load(std::memory_order_relaxed));
  return disk;
}

Status SpaceGuard::Check(uint64_t bytes, bool may_use_reserve, uint64_t own, uint64_t promised) {
  if (may_use_reserve) {
    return Status::Ok();
  }
  uint64_t left = kMostCredit * kCreditShare;
  if (options_.capacity_bytes != 0) {
    const uint64_t wanted = own + promised + bytes + CapacityReserve();
    if (wanted > options_.capacity_bytes) {
      DropCredit();
      return Status::NoSpace("the store has reached its capacity of " +
                             std::to_string(options_.capacity_bytes) + " bytes");
    }
    left = std::min(left, options_.capacity_bytes - wanted);
  }
  if (options_.reserve_bytes != 0) {
    KVFS_ASSIGN_OR_RETURN(const env::SpaceInfo disk, Disk());
    const uint64_t wanted = options_.reserve_bytes + promised + bytes;
    if (disk.available_bytes < wanted) {
      DropCredit();
      const std::lock_guard lock(mutex_);
      known_ = false;  // ask again next time: space may have come back
      return Status::NoSpace("the disk of " + directory_ + " is full but for the reserve");
    }
    left = std::min(left, disk.available_bytes - wanted);
  }
  credit_.store(static_cast<int64_t>(left / kCreditShare), std::memory_order_relaxed);
  return Status::Ok();
}

Result<env::SpaceInfo> SpaceGuard::Space(uint64_t own, uint64_t promised) {
  KVFS_ASSIGN_OR_RETURN(env::SpaceInfo space, Disk());
  const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  space.available_bytes = less(space.available_bytes, options_.reserve_bytes + promised);
  if (options_.capacity_bytes != 0) {
    space.total_bytes = options_.capacity_bytes;
    space.available_bytes = std::min(
        space.available_bytes, less(options_.capacity_bytes, own + promised + CapacityReserve()));
  }
  return space;
}

}  // namespace kvfs::engine
