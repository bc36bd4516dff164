// BlobStore: where puts of large values go: the blob file that grows, and those that
// are full but not finished yet. Owned by the Db. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/engine/blob_writer.h"
#include "kvcore/engine/options.h"
#include "kvcore/engine/version_set.h"
#include "kvcore/env/env.h"

namespace kvfs::engine {

class BlobStore {
 public:
  // `state_mutex` guards the version set's accounts; the rest is borrowed.
  BlobStore(const Options& options, const env::Env& env, std::string directory,
            VersionSet* versions, std::mutex* state_mutex);

  // The record is in the kernel and counts as unflushed when this returns. An error of the disk
  // other than kNoSpace is final: the caller must go read-only.
  Result<BlobPointer> Put(ByteView value);
  // No pointer to it will be written: garbage from now on. [takes the state mutex]
  void Forget(const BlobPointer& pointer);

  // A batch that is about to be logged refers to this file.
  void MarkReferred(uint64_t logical);
  // Whether SyncReferred has anything to do.
  bool HasReferred() const;
  // Makes every record durable that a logged batch refers to. Counts the fdatasyncs.
  Status SyncReferred(std::atomic<uint64_t>* syncs);
  // Makes every record of these files durable: for a flush.
  Status SyncFiles(const std::vector<uint64_t>& logical);

  // Whether a full file waits to be finished.
  bool HasFull() const;
  // Finishes full files: index and footer, synced, recorded in the manifest.
  Status FinishFull();
  // Whether the file that grows is so full that the next one should be made ready.
  bool WantsNext() const;
  // Makes it ready, so that no put has to wait for its syncs. Tried once for each file.
  Status PrepareNext();
  // Ends the file that grows, so that the next put begins another.
  void CloseCurrent();

  uint64_t GrowingBytes() const;  // of files not finished yet
  uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }

 private:
  struct Growing {
    std::unique_ptr<BlobFileWriter> writer;
    int users = 0;                      // puts under way [mutex_]
    bool full = false;                  // [mutex_]
    bool next_tried = false;            // [mutex_] PrepareNext has been called
    std::atomic<bool> referred{false};  // by a logged batch, since the last sync began
    std::mutex sync_mutex;              // Finish excludes Sync
    bool finished = false;              // [sync_mutex]
  };

  Result<std::shared_ptr<Growing>> Current();
  // The file to put into, counting one user more; null if there is none. REQUIRES: mutex_.
  std::shared_ptr<Growing> UseCurrent();
  Result<std::shared_ptr<Growing>> Create();
  Status SyncOne(Growing* file);

  const Options options_;
  const env::Env env_;
  const std::string directory_;
  VersionSet* const versions_;
  std::mutex* const state_mutex_;

  std::mutex create_mutex_;  // one creation at a time; before mutex_
  // One FinishFull at a time; before a file's sync_mutex. A second edit for a file would take back
  // what came between the two: that it was rewritten, or dropped.
  std::mutex finish_mutex_;
  mutable std::mutex mutex_;
  std::shared_ptr<Growing> next_;                // [mutex_] ready to become current_
  std::shared_ptr<Growing> current_;             // [mutex_]
  std::vector<std::shared_ptr<Growing>> files_;  // [mutex_] not finished, current_ included
  std::atomic<uint64_t> bytes_written_{0};
};

}  // namespace kvfs::engine
