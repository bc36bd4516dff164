// LogWriter: appends records to a log file (log_format.h).
//
// Owned by the Db, one per log. AddRecord is serialised by the caller. The file may
// be new, pre-written with zeros, or a recycled log: records are written from offset 0
// over whatever it holds. MarkSynced and Offset may be called from any thread; syncing
// is done by the owner on file(), beside AddRecord.
//
// How to sync: read Offset() (after the writes that are to be covered), file()->Sync(),
// the blob files' Sync(), then MarkSynced(that offset). Rotation: sync the old log and its
// blobs before anything is marked synced in the new one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/log_format.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class LogWriter {
 public:
  // `written`: the size the file has already. `step`: where that is exceeded, and there was a sync
  // since it last was, zeros are written this far ahead, so that only one sync in many has to
  // record that the file grew; 0 = never.
  LogWriter(std::unique_ptr<env::WritableFile> file, uint64_t log_number, uint64_t written = 0,
            uint64_t step = 0)
      : file_(std::move(file)), log_number_(log_number), written_(written), step_(step) {}

  // Appends one record, the concatenation of `parts`, with a single WriteAt; returns the offset of
  // its end. After an error nothing is appended and the next record goes to the same place; but
  // the failed record may be on disk whole, so a caller that goes on must either write another
  // record there or treat the outcome as unknown.
  Result<uint64_t> AddRecord(std::span<const ByteView> parts);
  Result<uint64_t> AddRecord(ByteView payload) { return AddRecord(std::span(&payload, 1)); }

  // The end of the last record.
  uint64_t Offset() const { return offset_.load(std::memory_order_acquire); }
  // The size of the file.
  uint64_t FileBytes() const {
    return std::max(written_.load(std::memory_order_relaxed), Offset());
  }
  // The bytes AddRecord would add for a payload of `size`, at most.
  static uint64_t MaxRecordBytes(uint64_t size);

  // Everything below `offset` is durable, blobs included; later fragments will say so.
  void MarkSynced(uint64_t offset);
  uint64_t SyncedUpTo() const { return synced_up_to_.load(std::memory_order_acquire); }

  env::WritableFile* file() { return file_.get(); }
  uint64_t log_number() const { return log_number_; }
  // Gives the file up, for closing or recycling. No calls after it.
  std::unique_ptr<env::WritableFile> Release() { return std::move(file_); }

 private:
  void WriteAhead(uint64_t end);

  std::unique_ptr<env::WritableFile> file_;
  const uint64_t log_number_;
  std::atomic<uint64_t> written_;  // what the file holds, zeros and old records included
  const uint64_t step_;
  uint64_t synced_at_step_ = 0;  // SyncedUpTo when zeros were last written ahead
  std::atomic<uint64_t> offset_{0};
  std::atomic<uint64_t> synced_up_to_{0};
  Bytes buffer_;  // begins with the fragments of the record being written
};

// Makes a spare log: `bytes` of written zeros, synced, so that later writes within it change no
// metadata. The directory is not synced.
Status PrewriteLog(env::FileSystem* files, const std::string& path, uint64_t bytes);

}  // namespace kvfs::engine
