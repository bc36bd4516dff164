// DbImpl: the Db. Its parts lie in db_*.cc; this is the state they share.
//
// Locks, in this order: write_mutex_ (one writer appends at a time), then the version
// set's own (one manifest change at a time), then mutex_ (everything marked so below;
// never held across I/O). Readers take mutex_ only to copy the view.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kvcore/engine/blob_cache.h"
#include "kvcore/engine/blob_rewrite.h"
#include "kvcore/engine/blob_store.h"
#include "kvcore/engine/compaction.h"
#include "kvcore/engine/db.h"
#include "kvcore/engine/log_writer.h"
#include "kvcore/engine/memtable.h"
#include "kvcore/engine/meters.h"
#include "kvcore/engine/obsolete_deleter.h"
#include "kvcore/engine/space_guard.h"
#include "kvcore/engine/sync_group.h"
#include "kvcore/engine/table_cache.h"
#include "kvcore/engine/task_group.h"
#include "kvcore/engine/version_set.h"
#include "kvcore/engine/waiters.h"
#include "kvcore/engine/write_delay.h"

namespace kvfs::engine {

// A memtable and the log that holds the same writes.
struct MemLog {
  std::shared_ptr<MemTable> memtable;
  std::shared_ptr<LogWriter> log;  // null in a read-only store
  uint64_t last_sequence = 0;      // of its last write; known once it is immutable
  uint64_t next_log_number = 0;    // the log after it; likewise
  std::atomic<uint64_t> deletes{0};
  std::atomic<uint64_t> hidden_bytes{0};  // of blobs its deletes hide
  // How far the log is durable (with what it refers to); one leader at a time changes it.
  std::atomic<uint64_t> synced_offset{0};
};

class DbImpl final : public Db {
 public:
  DbImpl(const Options& options, const env::Env& env, std::string directory);
  ~DbImpl() override;

  // db_open.cc
  Status OpenStore();

  // db_admit.cc
  Task<Status> Admit(uint64_t bytes) override;

  // db_write.cc
  Result<BlobPointer> PutBlob(ByteView value) override;
  void ForgetBlob(const BlobPointer& pointer) override;
  Result<Position> Write(const WriteBatch& batch) override;
  Task<Status> Sync(Position position) override;
  Position LastPosition() const override { return last_sequence_.load(std::memory_order_acquire); }
  bool SyncsOften() const override;

  // db_read.cc
  Status GetInto(ByteView key, const ReadOptions& options, Bytes* value) override;
  Result<Bytes> GetRange(ByteView key, uint64_t offset, uint64_t size,
                         const ReadOptions& options) override;
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) override;
  std::unique_ptr<Snapshot> GetSnapshot() override;
  Result<BlobPointer> GetBlobPointer(ByteView key) override;

  // db_maintenance.cc
  Task<Status> Checkpoint(const std::string& directory) override;
  Task<Status> CompactAll() override;
  Task<Status> Verify() override;
  Stats GetStats() const override;
  Result<env::SpaceInfo> GetSpace() const override;

 private:
  class SnapshotImpl;
  class LogSync;
  struct Entry {  // what a key holds, its version pinned so that a blob can be read
    FoundEntry found;
    std::shared_ptr<const ReadView> view;
  };

  // Deletes in a memtable from which on it is flushed without waiting until it is full.
  static constexpr uint64_t kManyDeletes = 1000;
  // The same after a minute.
  static constexpr uint64_t kSomeDeletes = 128;
  // Memtables waiting for their flush at which writers wait.
  static constexpr size_t kMaxImmutable = 2;

  std::string Path(FileKind kind, uint64_t number = 0) const {
    return FilePath(directory_, kind, number);
  }

  // db_open.cc
  Status CheckDirectory();  // refuses what is not ours; changes nothing
  Status TakeUp();          // an existing store: its manifest, and that its files are there
  Status CreateStore();
  Status WriteFormat(const std::string& directory);
  void StartBackground();
  // At a clean end: so that a log that is cut later is found out.
  void NoteDurableEnd();

  // db_recovery.cc
  Status ReplayLogs();
  Status ReplayLog(uint64_t number, bool* ended);
  Status ApplyRecovered(const struct LogPayload& payload);
  Status FinishRecovery();
  Status FinishBlobFiles();
  Result<BlobFileMeta> CopyBlobFile(const BlobState& state);
  Result<BlobFileMeta> FinishInPlace(const BlobState& state);
  Status RemoveLeftovers(bool is_recovered);

  // db_write.cc
  Status CheckWritable(uint64_t bytes, bool may_use_reserve);
  Status CheckPointers(const WriteBatch& batch);
  // REQUIRES: write_mutex_. Makes the memtable immutable and goes on in a new log.
  Status Rotate();
  Result<std::shared_ptr<LogWriter>> OpenLog();
  Result<uint64_t> SyncLogs();                      // SyncGroup's work
  void PublishView();                               // [mutex_] view_ from its parts
  Status SetBackgroundError(const Status& status);  // returns what callers get
  Status BackgroundError() const;

  // db_admit.cc
  Task<Status> AdmitUnderLoad(uint64_t bytes);
  int64_t WriteDelayMicros(uint64_t bytes);
  WriteLoad Load() const;  // [mutex_]
  bool MustWait() const;   // [mutex_]

  // db_read.cc
  void PinView(const ReadOptions& options, std::shared_ptr<const ReadView>* view,
               uint64_t* sequence) const;
  Result<Entry> Find(ByteView key, const ReadOptions& options);  // kNotFound for deletes too

  // db_maintenance.cc
  Status CopyFiles(const std::string& directory, const VersionEdit& state);
  void RemoveCopy(const std::string& directory);
  uint64_t LogBytes() const;  // [mutex_]
  // Size of the directory, blob files that grow left out; what is in memory and will be written.
  uint64_t OwnBytes() const;       // [mutex_]
  uint64_t MemtableBytes() const;  // [mutex_]

  // db_background.cc
  void Schedule();    // [mutex_] posts what there is to do
  bool Busy() const;  // [mutex_]
  void HandleBackgroundStatus(const Status& status, bool* retry);
  void RetryLater();
  void ForgetFile(const FileName& file);            // in caches: it is about to be deleted
  std::vector<uint64_t> SnapshotSequences() const;  // [mutex_]

  // db_flush.cc
  void FlushTask();
  Status FlushOldest(const std::shared_ptr<MemLog>& memlog);
  void RetireLog(const std::shared_ptr<MemLog>& memlog);  // [mutex_] keeps it as a spare
  Status FlushMemtable();                                 // rotates, if there is anything in it

  // db_compaction.cc
  void PickTask();
  bool StartCompaction();  // false if there is none to start now
  void PostCompaction(CompactionJob* job);
  void CompactionTask(CompactionJob* job);
  Status InstallCompaction(CompactionJob* job);

  // db_blob_gc.cc
  void CollectTask();
  Result<bool> CollectGarbage();  // true while there is more to do
  Result<bool> PickBlobWork();
  Status DropEmptyBlobFiles(std::vector<uint64_t> logical);
  Status FinishRewrite();

  // db_tidy.cc
  void ArmTidy();
  void Tidy(bool aged);
  uint64_t HiddenBytes() const;           // [mutex_] by all deletes
  uint64_t NeededBlobBytes() const;       // [mutex_]
  bool HidesMuch(uint64_t hidden) const;  // [mutex_] it is time to see to it

  // db_sync.cc
  void BackgroundSync();
  void BackgroundSyncRound();
  void ArmBackgroundSync();

  const Options options_;
  const env::Env env_;
  const std::string directory_;
  std::unique_ptr<env::FileLock> lock_;
  const std::shared_ptr<ArenaPool> arena_pool_;
  BlockCache block_cache_;
  TableCache tables_;
  BlobFileCache blob_files_;

  mutable std::mutex mutex_;
  VersionSet versions_;
  mutable SpaceGuard space_;
  BlobStore blobs_;
  std::shared_ptr<const ReadView> view_;           // [mutex_]
  std::shared_ptr<MemLog> active_;                 // [mutex_], changed with write_mutex_ held too
  std::deque<std::shared_ptr<MemLog>> immutable_;  // [mutex_] oldest first
  std::multiset<uint64_t> snapshots_;              // [mutex_]
  std::vector<std::pair<uint64_t, uint64_t>> spare_logs_;  // [mutex_] number, size
  Status background_error_;                                // [mutex_]
  WaitList waiters_;                                       // [mutex_]
  bool flushing_ = false;                                  // [mutex_]
  bool picking_ = false;                                   // [mutex_] a PickTask is posted or runs
  bool collecting_ = false;               // [mutex_] a CollectTask is posted or runs
  bool work_wanted_ = false;              // [mutex_] something changed since the last pick
  std::atomic<bool> retry_armed_{false};  // set with mutex_: out of space, waiting to try again
  bool space_short_ = false;  // [mutex_] since the last work for which there was no room
  bool tidy_armed_ = false;   // [mutex_]
  bool tidy_posted_ = false;  // [mutex_]
  bool tidy_aging_ = false;   // [mutex_]
  bool shed_hidden_ = false;  // [mutex_] however little deletes hide
  int compact_all_ = 0;       // [mutex_] callers of CompactAll
  uint64_t debt_bytes_ = 0;   // [mutex_] of the version, for the write delay
  // Set with mutex_, with the view: no memtable waits for its flush and nothing for compaction, so
  // that no writer has to wait.
  std::atomic<bool> at_ease_{false};
  int64_t paced_until_ = 0;  // [mutex_] admitted writes are paid for up to there
  RateMeter flush_rate_;     // [mutex_]
  RateMeter level0_rate_;    // [mutex_]
  Meter delays_;             // microseconds
  Meter stalls_;             // microseconds
  Meter flushes_;
  Meter compaction_reads_;
  Meter compaction_writes_;
  Meter blob_rewrites_;
  // Under way, each used by its own task alone. [mutex_]
  std::vector<std::unique_ptr<CompactionJob>> compactions_;
  std::unique_ptr<BlobRewrite> rewrite_;  // the CollectTask's
  CompactionCursors cursors_;             // the PickTask's

  std::mutex write_mutex_;
  Bytes log_header_;  // [write_mutex_]
  std::atomic<uint64_t> last_sequence_{0};
  std::atomic<bool> failed_{false};           // background_error_ is set
  std::atomic<bool> directory_dirty_{false};  // a log's name may not be durable yet
  std::atomic<uint64_t> user_bytes_{0};
  std::atomic<uint64_t> disk_bytes_{0};
  std::atomic<uint64_t> syncs_{0};
  std::atomic<int64_t> last_sync_micros_{INT64_MIN / 2};   // when somebody last asked for one
  std::atomic<int64_t> syncs_often_until_{INT64_MIN / 2};  // SyncsOften
  bool opened_ = false;                                    // set once, before anybody has the Db
  SyncGroup sync_;
  ObsoleteDeleter deleter_;
  TaskGroup tasks_;  // last: ends before what its tasks use
};

}  // namespace kvfs::engine
