// MemTable: the newest entries, ordered, in memory: a skip list in an arena.
//
// One writer at a time (the caller serialises Add); any number of readers beside it,
// without locks. Nothing is ever removed. Held by shared_ptr by the Db and by every
// iterator's owner; destroyed when the last lets go.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "kvcore/base/bytes.h"
#include "kvcore/engine/arena.h"
#include "kvcore/engine/internal_iterator.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

class MemTable {
 public:
  // `pool`: where its memory comes from and goes to; null for one of its own.
  explicit MemTable(std::shared_ptr<ArenaPool> pool = nullptr);
  ~MemTable();
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // REQUIRES: no equal (user key, sequence, type) in the table.
  void Add(uint64_t sequence, EntryType type, ByteView user_key, ByteView value);

  // The newest entry of `user_key` at or below `sequence`.
  std::optional<FoundEntry> Get(ByteView user_key, uint64_t sequence) const;

  // The memtable must outlive the iterator. It sees entries added after its creation; readers
  // filter by sequence.
  std::unique_ptr<InternalIterator> NewIterator() const;

  // Bytes taken by entries, which decides when it is flushed; and the memory behind them.
  size_t ApproximateBytes() const { return arena_.UsedBytes() - empty_bytes_; }
  size_t MemoryBytes() const { return arena_.MemoryBytes(); }
  uint64_t EntryCount() const { return count_.load(std::memory_order_relaxed); }

 private:
  class Iter;
  struct Node;
  static constexpr int kMaxHeight = 12;

  Node* NewNode(size_t key_bytes, size_t value_bytes, int height);
  int RandomHeight();
  // The first node >= key, null if there is none; fills prev[level] with the last node < key on
  // every level, unless null.
  Node* FindGreaterOrEqual(ByteView internal_key, Node** prev) const;
  Node* FindLessThan(ByteView internal_key) const;  // head_ if there is none
  Node* FindLast() const;                           // head_ if empty
  bool FollowsLast(ByteView internal_key) const;

  Arena arena_;
  Node* head_;
  size_t empty_bytes_;  // used by an empty table
  std::atomic<int> max_height_{1};
  std::atomic<uint64_t> count_{0};
  uint64_t random_state_ = 0x9e3779b97f4a7c15u;
  // The writer's: the last node added, and on every level the last node at or before it.
  Node* last_;
  Node* before_last_[kMaxHeight];
  bool in_order_ = false;  // the last key came right behind the one before it
};

}  // namespace kvfs::engine
