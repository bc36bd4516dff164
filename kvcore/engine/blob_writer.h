// BlobFileWriter: appends large values to one blob file. Thread-safe: threads put at
// once, a short mutex gives each its place, writes run outside it. Owned by the Db (the
// file puts go to) or by a flush or rewriting task.
//
// Put returns when the value is in the kernel. Durability is the owner's: Sync() covers
// every Put that returned before it began. The owner records the file in the manifest, and
// syncs the directory, before anything durable refers to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/blob_format.h"
#include "kvcore/engine/blob_index.h"
#include "kvcore/engine/blob_pointer.h"
#include "kvcore/engine/durable.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class BlobFileWriter {
 public:
  // `file` is empty; writes its header.
  static Result<std::unique_ptr<BlobFileWriter>> Create(std::unique_ptr<env::WritableFile> file,
                                                        const BlobFileId& id);

  // Give Append what PrepareBlob made; preparing costs the time and needs no lock.
  Result<BlobPointer> Append(PreparedBlob blob);
  Result<BlobPointer> Put(ByteView value) { return Append(PrepareBlob(value)); }

  // For rewriting: places a record read by BlobFile::ReadRecord, under its old ordinal. Ordinals
  // ascend, and are not mixed with Append.
  Status CopyRecord(uint32_t ordinal, ByteView record);

  // Every Put that returned before this call is durable when it returns OK.
  Status Sync() { return SyncFile(file_.get()); }
  // Starts the write-out of a range without waiting, so that a later Sync finds little to do.
  void StartWriteback(uint64_t offset, uint64_t size) { file_->StartWriteback(offset, size); }
  // Writes index and footer, syncs and closes. REQUIRES: no call beside or after it, but Size, id
  // and index.
  Status Finish();

  // Bytes given out so far; the owner goes on to another file at blob_file_bytes.
  uint64_t Size() const { return next_offset_.load(std::memory_order_relaxed); }
  const BlobFileId& id() const { return id_; }
  // For reading while the file grows: BlobFile::OpenGrowing.
  const std::shared_ptr<BlobIndex>& index() const { return index_; }

 private:
  BlobFileWriter(std::unique_ptr<env::WritableFile> file, const BlobFileId& id)
      : file_(std::move(file)), id_(id) {}

  const std::unique_ptr<env::WritableFile> file_;
  const BlobFileId id_;
  const std::shared_ptr<BlobIndex> index_ = std::make_shared<BlobIndex>();
  std::mutex mutex_;  // next_ordinal_ and next_offset_ move together
  uint32_t next_ordinal_ = 0;
  std::atomic<uint64_t> next_offset_{0};
};

// Index and footer for a file whose records end at `offset`.
void EncodeBlobTail(const BlobFileId& id, const BlobIndex& index, uint64_t offset, Bytes* out);

}  // namespace kvfs::engine
