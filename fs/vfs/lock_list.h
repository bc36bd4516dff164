// LockList: who holds which locks on one file, and what is allowed beside them: the rules of
// fcntl(2) and flock(2), as values. Locks of the two kinds never conflict. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace kvfs::fs {

enum class LockKind : uint8_t { kPosix, kFlock };

struct LockOwner {
  uint64_t session = 0;  // the mount
  uint64_t owner = 0;    // a process or an open file of it
  LockKind kind = LockKind::kPosix;

  auto operator<=>(const LockOwner&) const = default;
};

inline constexpr uint64_t kLastByte = INT64_MAX;

struct FileLock {
  LockOwner owner;
  bool exclusive = false;
  uint64_t begin = 0;         // first byte
  uint64_t last = kLastByte;  // last byte; at least `begin`. Of flock: the whole file
  uint32_t pid = 0;           // for people

  bool Overlaps(const FileLock& other) const { return begin <= other.last && other.begin <= last; }
  bool operator==(const FileLock&) const = default;
};

class LockList {
 public:
  LockList() = default;
  // As they are, from outside; may contradict each other (two sides of a broken network).
  explicit LockList(std::vector<FileLock> locks) : locks_(std::move(locks)) {}

  const std::vector<FileLock>& locks() const { return locks_; }
  bool empty() const { return locks_.empty(); }
  size_t size() const { return locks_.size(); }

  // A lock of somebody else that forbids `wanted`; of several the one that begins first.
  std::optional<FileLock> Conflict(const FileLock& wanted) const;
  // In place of what its owner holds of the range. REQUIRES: no conflict.
  void Set(const FileLock& lock);
  // What the owner holds of the range goes; a lock may fall into two.
  void Clear(const LockOwner& owner, uint64_t begin, uint64_t last);
  bool Holds(const LockOwner& owner, uint64_t begin, uint64_t last) const;
  bool Holds(const LockOwner& owner) const { return Holds(owner, 0, kLastByte); }

  // Those of one mount, and of all others.
  LockList Of(uint64_t session) const;
  LockList Without(uint64_t session) const;
  // All of both; what is in both once.
  void Add(const LockList& other);

 private:
  std::vector<FileLock> locks_;
};

}  // namespace kvfs::fs
