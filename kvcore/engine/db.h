// Db: the storage engine of one directory, an LSM tree with blob files beside it.
//
// Owned by the node; at most one Db per directory (a lock file says who). Thread-
// safe. Reads and writes run on the caller's thread; the only thing that may wait
// is Admit and Sync, and those are awaitable. Background work (flush, compaction,
// blob rewriting, background sync) runs as tasks of env.scheduler.
//
// What a crash leaves: a prefix of the Write() calls, in their order, that holds at
// least everything before the last Sync() that returned OK (after the death of the
// process: all of them). A failed fsync makes the Db read-only until reopened; it is
// never retried. Formats: doc/formats/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/engine/blob_pointer.h"
#include "kvcore/engine/iterator.h"
#include "kvcore/engine/options.h"
#include "kvcore/engine/write_batch.h"
#include "kvcore/env/env.h"

namespace kvfs::engine {

// A place in the order of writes; later writes compare greater.
using Position = uint64_t;

// A frozen view. Holds back garbage collection: keep it short. Destroy before the Db.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
};

struct ReadOptions {
  const Snapshot* snapshot = nullptr;  // null = now
  Bytes lower_bound;                   // iterators: first key, inclusive; empty = none
  Bytes upper_bound;                   // iterators: end, exclusive; empty = none
  bool fill_cache = true;
};

struct LevelStats {
  uint64_t tables = 0;
  uint64_t bytes = 0;
};

struct Stats {
  std::vector<LevelStats> levels;
  uint64_t memtable_bytes = 0;
  uint64_t log_bytes = 0;  // log files on disk, spare ones included
  uint64_t blob_files = 0;
  uint64_t blob_bytes = 0;  // on disk
  uint64_t blob_garbage_bytes = 0;
  uint64_t other_bytes = 0;  // manifest and the like
  uint64_t user_bytes_written = 0;
  uint64_t disk_bytes_written = 0;  // log, flush, compaction, blobs
  uint64_t syncs = 0;               // fdatasync calls made for Sync()
  uint64_t cache_bytes = 0, cache_hits = 0, cache_misses = 0;
  uint64_t memory_bytes = 0;  // everything the engine holds
  uint64_t pending_compaction_bytes = 0;
  uint64_t needed_blob_bytes = 0;       // of blob_bytes
  uint64_t waiting_deletion_bytes = 0;  // files that are not needed any more
  // Since the store was opened.
  uint64_t flushes = 0, flushed_bytes = 0;
  uint64_t compactions = 0, compaction_read_bytes = 0, compaction_written_bytes = 0;
  uint64_t blob_rewrites = 0, blob_rewritten_bytes = 0;
  uint64_t delays = 0, delay_micros = 0;  // writers held back a little
  uint64_t stalls = 0, stall_micros = 0;  // writers stopped
  uint64_t running_compactions = 0;       // now
  Status background_error;                // not OK: why the Db is read-only

  uint64_t DiskBytes() const;
  // Bytes written to the disk for each byte users wrote; 0 if they wrote none.
  double WriteAmplification() const;
  // Tables and blob files ÷ what of them is needed: blobs exactly, tables as if all that lies above
  // the deepest level replaced something there. 0 for an empty store.
  double SpaceAmplification() const;
};

class Db {
 public:
  // Creates `directory` (one level) if need be. Errors: kBusy with the holder's words, kCorruption
  // naming file and offset, kInvalidArgument (options; not a kvfs store; a newer format).
  static Result<std::unique_ptr<Db>> Open(const Options& options, const env::Env& env,
                                          const std::string& directory);
  // Waits for running background tasks, flushes nothing: everything written is in the log.
  virtual ~Db() = default;

  // Waits until a writer of `bytes` may go on without running ahead of flush and compaction. To be
  // called before taking locks that others wait for. kNoSpace, kReadOnly.
  virtual Task<Status> Admit(uint64_t bytes) = 0;

  // Writes a large value into the current blob file: in the kernel when it returns. It belongs to
  // nobody until its pointer is written, which may be done once, under one key.
  virtual Result<BlobPointer> PutBlob(ByteView value) = 0;
  // Its pointer will never be written. Without this call the value's space is lost until the store
  // is next opened.
  virtual void ForgetBlob(const BlobPointer& pointer) = 0;

  // Appends the batch to the log (in the kernel when it returns) and makes it visible.
  virtual Result<Position> Write(const WriteBatch& batch) = 0;

  // Waits until everything up to `position`, blobs it refers to included, is durable. Concurrent
  // callers share one fdatasync.
  virtual Task<Status> Sync(Position position) = 0;
  virtual Position LastPosition() const = 0;
  // Whether syncs follow each other closely these moments. Every one of them waits for the blobs of
  // all batches before it, synced or not; so values that are small enough for a batch are then
  // better written in it.
  virtual bool SyncsOften() const = 0;

  // kNotFound; kCorruption. GetInto puts the value into a buffer, which costs less where one is
  // used for many large values in turn; after an error what is in it means nothing.
  Result<Bytes> Get(ByteView key, const ReadOptions& options = {});
  virtual Status GetInto(ByteView key, const ReadOptions& options, Bytes* value) = 0;
  // Bytes [offset, offset + size) of the value, cut at its end. For a blob only the sub-blocks
  // concerned are read and decompressed.
  virtual Result<Bytes> GetRange(ByteView key, uint64_t offset, uint64_t size,
                                 const ReadOptions& options = {}) = 0;
  virtual std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) = 0;
  virtual std::unique_ptr<Snapshot> GetSnapshot() = 0;
  // The stored form of a value: its pointer if it is a blob, else kNotFound for "inline or absent".
  virtual Result<BlobPointer> GetBlobPointer(ByteView key) = 0;

  // A copy of this moment in `directory` (must not exist): immutable files by hard link.
  virtual Task<Status> Checkpoint(const std::string& directory) = 0;
  // Flushes and compacts until nothing is left to do: for tests, benchmarks and `gc`.
  virtual Task<Status> CompactAll() = 0;
  // Reads and verifies every byte of every live file; the first damage found, file and offset
  // named.
  virtual Task<Status> Verify() = 0;
  virtual Stats GetStats() const = 0;
  // What may be written at all (the capacity, or the disk's size), and how much of it still may.
  virtual Result<env::SpaceInfo> GetSpace() const = 0;
};

}  // namespace kvfs::engine
