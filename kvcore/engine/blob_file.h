// BlobFile: one blob file, for reading. Thread-safe; held by shared_ptr. Every byte
// handed out has been verified: record head, sub-block checksums, and that the record is the
// one the pointer names. kCorruption names file and offset.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/blob_format.h"
#include "kvcore/engine/blob_index.h"
#include "kvcore/engine/blob_pointer.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class BlobFile {
 public:
  // Reads header, footer and index. A file without a good index and footer (its writer died) is
  // scanned for its records instead, and Finished() is false. `physical` is the number in the
  // file's name; `name` is for messages.
  static Result<std::shared_ptr<const BlobFile>> Open(std::unique_ptr<env::RandomAccessFile> file,
                                                      std::string name, uint64_t physical);
  // The same file while BlobFileWriter (or a writer since finished) holds its index.
  static std::shared_ptr<const BlobFile> OpenGrowing(std::unique_ptr<env::RandomAccessFile> file,
                                                     std::string name, const BlobFileId& id,
                                                     std::shared_ptr<const BlobIndex> index);

  // REQUIRES of all five: pointer.file is id().logical. An ordinal that is not in the file, or a
  // record of other sizes than the pointer says, is kCorruption.
  Result<Bytes> Read(const BlobPointer& pointer) const;
  // Into a buffer that may be used again and again; after an error its bytes mean nothing.
  Status ReadInto(const BlobPointer& pointer, Bytes* value) const;
  // Bytes [offset, offset + size), cut at the value's end. At most two reads of the file.
  Result<Bytes> ReadRange(const BlobPointer& pointer, uint64_t offset, uint64_t size) const;
  // Recovery: whether the record is whole, every byte of it.
  Status Verify(const BlobPointer& pointer) const;
  // Rewriting: the record as it is stored, verified; for BlobFileWriter::CopyRecord.
  Result<Bytes> ReadRecord(uint32_t ordinal) const;

  // Verifies every record of the index; the first damage. With `must_be_finished`, the want of a
  // good index and footer is damage too.
  Status VerifyAll(bool must_be_finished) const;

  const BlobFileId& id() const { return id_; }
  bool Finished() const { return finished_; }
  const BlobIndex& index() const { return *index_; }
  uint64_t RecordsEnd() const { return records_end_; }  // where a scan or the footer ends them
  uint64_t FileSize() const { return size_; }           // when opened
  uint64_t MemoryBytes() const { return sizeof(*this) + index_->MemoryBytes(); }

 private:
  BlobFile(std::unique_ptr<env::RandomAccessFile> file, std::string name);

  Status Damage(uint64_t offset, const std::string& what) const;
  // Fills `index` from the footer, or by a scan.
  Status Load(uint64_t physical, BlobIndex* index);
  Result<bool> ReadIndex(const BlobFooter& footer, BlobIndex* index);
  // Finds the records by their heads; passes over holes.
  Status Scan(BlobIndex* index);
  // The next place at or after `offset` where a record may begin; size_ if there is none.
  Result<uint64_t> FindMagic(uint64_t offset) const;
  // The head of the record at `offset`; false if there is none, or not all of it.
  Result<bool> ReadHead(uint64_t offset, BlobRecordHead* head) const;

  Result<BlobIndex::Entry> Locate(const BlobPointer& pointer) const;
  // Nothing is read, or allocated, past the end of the file.
  Status CheckPlace(const BlobIndex::Entry& entry) const;
  // The head at the front of `bytes`, which were read at the entry's place.
  Status DecodeHead(const BlobIndex::Entry& entry, ByteView bytes, BlobRecordHead* head) const;
  // `record` was read at the entry's place: its head, and that it is all there.
  Status CheckWhole(const BlobIndex::Entry& entry, ByteView record, BlobRecordHead* head) const;
  Status CheckSubBlock(const BlobRecordHead& head, const BlobIndex::Entry& entry, uint32_t number,
                       ByteView stored) const;
  // Verifies sub-block `number`, whose stored bytes are given, and puts its raw bytes to `out`.
  Status DecodeSubBlock(const BlobRecordHead& head, const BlobIndex::Entry& entry, uint32_t number,
                        ByteView stored, char* out) const;

  const std::unique_ptr<env::RandomAccessFile> file_;
  const std::string name_;
  BlobFileId id_;
  std::shared_ptr<const BlobIndex> index_;
  bool finished_ = false;
  bool growing_ = false;
  uint64_t records_end_ = 0;
  uint64_t size_ = 0;
};

// How recovery stands to a record of a file whose writer died.
enum class BlobUse : uint8_t {
  kNone,    // nothing refers to it
  kSynced,  // its bytes are known to be durable
  kUnsure,  // the log refers to it, but its bytes may be in the kernel only
};

// Gives a file whose writer died its index and footer, in place, and syncs it: for recovery, once
// nothing more will be appended. Records of no use are left out of the index: their bytes may not
// all have reached the disk. Unsure ones are written again, in their place: after a failed sync
// the kernel may hold bytes as clean that are not on the disk, and no later sync would write them.
// What follows the last record is cut off. Doing it twice does no harm.
Status FinishBlobFile(env::FileSystem* files, const std::string& path, uint64_t physical,
                      const std::function<BlobUse(uint32_t ordinal)>& use);

}  // namespace kvfs::engine
