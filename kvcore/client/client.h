// Client: the one face of the store that fs/ and tools/ see.
//
// Owned by the composition root, outlives its users. Thread-safe. Everything is
// awaitable and finishes inline, on the caller's thread, when the data is local.
// Arguments are taken by value because a call may outlive the caller's frame.
// Errors beside those named: kUnavailable, kOutcomeUnknown (commits), kCorruption,
// kIoError, kReadOnly, kNoSpace.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/client/types.h"

namespace kvfs::client {

// Told that others have changed items. Called by one thread or another; must not wait.
using ChangeListener = std::function<void(const std::vector<Change>& changes)>;

class Client {
 public:
  virtual ~Client() = default;

  virtual const StoreInfo& info() const = 0;

  virtual Task<CommitResult> Submit(Commit commit) = 0;

  // The item, or nothing.
  virtual Task<Result<std::optional<Item>>> Get(ItemKey key) = 0;
  // One answer per key, in order; one round of messages.
  virtual Task<Result<std::vector<std::optional<Item>>>> GetMany(std::vector<ItemKey> keys) = 0;
  // The same, perhaps as it was a moment ago, which may spare the messages: no longer ago than a
  // second, nor than what this client has done itself or has read otherwise. Of a pk that is strong:
  // as it is.
  virtual Task<Result<std::vector<std::optional<Item>>>> GetRecent(std::vector<ItemKey> keys) {
    return GetMany(std::move(keys));
  }
  // Items of pk with ck in [begin, end) in order; an empty `end` means "to the last". At most
  // `limit` of them (1..10,000).
  virtual Task<Result<ScanPage>> Scan(Bytes pk, Bytes begin, Bytes end, uint32_t limit) = 0;

  // Bytes [offset, offset + size) of a chunk, cut at its end. kNotFound if nobody has it.
  virtual Task<Result<Bytes>> ReadChunk(ChunkId id, uint64_t offset, uint64_t size) = 0;
  virtual Task<Result<ChunkInfo>> GetChunkInfo(ChunkId id) = 0;

  // Waits until everything this client has been acknowledged is durable.
  virtual Task<Status> Sync() = 0;

  // A number below 2^52, never given out before on any node: (grant << 32) + counter.
  virtual Task<Result<uint64_t>> AllocateInode() = 0;

  // Work items due at or before `now_millis`, at most `limit`, of any partition whose primary is
  // here; in order within a partition. Erased by the transaction that does the work.
  virtual Task<Result<std::vector<WorkItem>>> DueWork(int64_t now_millis, uint32_t limit) = 0;

  // Whether nobody can have changed pk without our knowing: all its homes answer and hold the same,
  // and none has a branch of it. The only home of all: always.
  virtual Task<Result<bool>> IsWhole(Bytes pk) {
    (void)pk;
    co_return true;
  }

  virtual Task<Result<SpaceInfo>> Space() = 0;

  // The present hybrid logical time.
  virtual HybridTime Now() = 0;

  // Whom to tell of what others change in the partitions that this client has used lately. An
  // empty one ends it. Never called where nobody else can change anything. No more than an
  // accelerator: what it tells is late, comes twice, or does not come.
  virtual void SetChangeListener(ChangeListener) {}
  // The pk counts as used, though nothing of it is asked for now.
  virtual void KeepWatching(Bytes /*pk*/) {}
};

}  // namespace kvfs::client
