#include "kvcore/engine/blob_file.h"

#include <snappy.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/base/crc32c.h"
#include "kvcore/engine/blob_writer.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {
namespace {

// A range that ends this near to the record's beginning is read with the head, in one go.
constexpr uint64_t kReadTogetherBytes = 96u << 10;
constexpr size_t kSearchBytes = 256u << 10;

}  // namespace

BlobFile::BlobFile(std::unique_ptr<env::RandomAccessFile> file, std::string name)
    : file_(std::move(file)), name_(std::move(name)) {}

Status BlobFile::Damage(uint64_t offset, const std::string& what) const {
  return Status::Corruption(name_ + " at " + std::to_string(offset) + ": " + what);
}

Result<std::shared_ptr<const BlobFile>> BlobFile::Open(std::unique_ptr<env::RandomAccessFile> file,
                                                       std::string name, uint64_t physical) {
  std::shared_ptr<BlobFile> blob_file(new BlobFile(std::move(file), std::move(name)));
  auto index = std::make_shared<BlobIndex>();
  KVFS_RETURN_IF_ERROR(blob_file->Load(physical, index.get()));
  blob_file->index_ = std::move(index);
  return std::shared_ptr<const BlobFile>(std::move(blob_file));
}

std::shared_ptr<const BlobFile> BlobFile::OpenGrowing(std::unique_ptr<env::RandomAccessFile> file,
                                                      std::string name, const BlobFileId& id,
                                                      std::shared_ptr<const BlobIndex> index) {
  std::shared_ptr<BlobFile> blob_file(new BlobFile(std::move(file), std::move(name)));
  blob_file->id_ = id;
  blob_file->index_ = std::move(index);
  blob_file->growing_ = true;
  return blob_file;
}

Status BlobFile::Load(uint64_t physical, BlobIndex* index) {
  KVFS_ASSIGN_OR_RETURN(size_, file_->Size());
  Bytes header;
  KVFS_RETURN_IF_ERROR(file_->ReadAt(0, kBlobFileHeaderBytes, &header));
  if (Status status = DecodeBlobFileHeader(header, &id_); !status.ok()) {
    return status.Annotate(name_ + " at 0");
  }
  if (id_.physical != physical) {
    return Damage(0, "is the blob file " + std::to_string(id_.physical));
  }
  if (size_ >= kBlobFileHeaderBytes + kBlobFooterBytes) {
    Bytes tail;
    KVFS_RETURN_IF_ERROR(file_->ReadAt(size_ - kBlobFooterBytes, kBlobFooterBytes, &tail));
    BlobFooter footer;
    if (DecodeBlobFooter(tail, id_.salt, &footer)) {
      KVFS_ASSIGN_OR_RETURN(finished_, ReadIndex(footer, index));
    }
  }
  return finished_ ? Status() : Scan(index);
}

// False: the index is not what the footer says. A power loss may leave a footer without its index;
// in a file that must be finished it is damage, for VerifyAll to tell.
Result<bool> BlobFile::ReadIndex(const BlobFooter& footer, BlobIndex* index) {
  const uint64_t end = size_ - kBlobFooterBytes;
  if (footer.index_offset > end || footer.index_size != end - footer.index_offset) {
    return false;
  }
  Bytes encoded;
  KVFS_RETURN_IF_ERROR(file_->ReadAt(footer.index_offset, footer.index_size, &encoded));
  if (encoded.size() != footer.index_size ||
      SaltedChecksum(id_.salt, encoded) != footer.index_checksum || !index->Decode(encoded) ||
      index->Count() != footer.count) {
    return false;
  }
  records_end_ = footer.index_offset;
  return true;
}

Result<bool> BlobFile::ReadHead(uint64_t offset, BlobRecordHead* head) const {
  Bytes bytes;
  KVFS_RETURN_IF_ERROR(file_->ReadAt(offset, 256, &bytes));
  if (bytes.size() < kBlobRecordHeaderBytes) {
    return false;
  }
  const size_t whole = BlobHeadBytes(DecodeFixed32(bytes.data() + 12));
  if (DecodeFixed32(bytes.data()) == kBlobRecordMagic && whole > bytes.size() &&
      whole <= size_ - offset) {
    KVFS_RETURN_IF_ERROR(file_->ReadAt(offset, whole, &bytes));
  }
  return DecodeBlobRecordHead(bytes, id_.salt, offset, head);
}

Result<uint64_t> BlobFile::FindMagic(uint64_t offset) const {
  Bytes magic;
  PutFixed32(&magic, kBlobRecordMagic);
  Bytes bytes;
  while (offset < size_) {
    KVFS_RETURN_IF_ERROR(file_->ReadAt(offset, kSearchBytes, &bytes));
    if (const size_t at = bytes.find(magic); at != Bytes::npos) {
      return offset + at;
    }
    if (bytes.size() < kSearchBytes) {
      break;
    }
    offset += bytes.size() - (magic.size() - 1);
  }
  return size_;
}

Status BlobFile::Scan(BlobIndex* index) {
  uint64_t offset = kBlobFileHeaderBytes;
  records_end_ = offset;
  while (offset < size_) {
    BlobRecordHead head;
    KVFS_ASSIGN_OR_RETURN(const bool found, ReadHead(offset, &head));
    if (found && head.stored_size <= size_ - offset) {
      if (!index->Insert({head.ordinal, head.stored_size, offset})) {
        return Damage(offset, "ordinal " + std::to_string(head.ordinal) + " stands twice");
      }
      offset += head.stored_size;
      records_end_ = offset;
    } else {
      KVFS_ASSIGN_OR_RETURN(offset, FindMagic(offset + 1));
    }
  }
  return {};
}

Result<BlobIndex::Entry> BlobFile::Locate(const BlobPointer& pointer) const {
  assert(pointer.file == id_.logical);
  const auto entry = index_->Find(pointer.ordinal);
  if (!entry) {
    return Damage(0, "no record has ordinal " + std::to_string(pointer.ordinal));
  }
  if (entry->stored_size != pointer.stored_size ||
      BlobHeadBytes(pointer.raw_size) > pointer.stored_size) {
    return Damage(entry->offset, "the record's size is not that of its pointer");
  }
  KVFS_RETURN_IF_ERROR(CheckPlace(*entry));
  return *entry;
}

Status BlobFile::CheckPlace(const BlobIndex::Entry& entry) const {
  // A growing file has no known size; its index is our own, not read from a disk.
  if (!growing_ && (entry.offset > size_ || entry.stored_size > size_ - entry.offset)) {
    return Damage(entry.offset, "record lies outside the file");
  }
  return {};
}

Status BlobFile::DecodeHead(const BlobIndex::Entry& entry, ByteView bytes,
                            BlobRecordHead* head) const {
  if (!DecodeBlobRecordHead(bytes, id_.salt, entry.offset, head) ||
      head->ordinal != entry.ordinal || head->stored_size != entry.stored_size) {
    return Damage(entry.offset, "bad record head");
  }
  return {};
}

Status BlobFile::CheckWhole(const BlobIndex::Entry& entry, ByteView record,
                            BlobRecordHead* head) const {
  KVFS_RETURN_IF_ERROR(DecodeHead(entry, record, head));
  if (record.size() != entry.stored_size) {
    return Damage(entry.offset, "record is cut short");
  }
  return {};
}

Status BlobFile::CheckSubBlock(const BlobRecordHead& head, const BlobIndex::Entry& entry,
                               uint32_t number, ByteView stored) const {
  if (SubBlockChecksum(crc32c::Value(stored), id_.logical, head.ordinal, number) !=
      head.sub_blocks[number].checksum) {
    return Damage(entry.offset + head.sub_blocks[number].offset, "bad checksum of a sub-block");
  }
  return {};
}

Status BlobFile::DecodeSubBlock(const BlobRecordHead& head, const BlobIndex::Entry& entry,
                                uint32_t number, ByteView stored, char* out) const {
  KVFS_RETURN_IF_ERROR(CheckSubBlock(head, entry, number, stored));
  const SubBlock& sub = head.sub_blocks[number];
  if (sub.stored_size == sub.raw_size) {
    std::copy(stored.begin(), stored.end(), out);
    return {};
  }
  size_t raw_size = 0;
  if (head.codec != BlobCodec::kSnappy ||
      !snappy::GetUncompressedLength(stored.data(), stored.size(), &raw_size) ||
      raw_size != sub.raw_size || !snappy::RawUncompress(stored.data(), stored.size(), out)) {
    return Damage(entry.offset + sub.offset, "sub-block does not decompress");
  }
  return {};
}

Result<Bytes> BlobFile::Read(const BlobPointer& pointer) const {
  Bytes value;
  KVFS_RETURN_IF_ERROR(ReadInto(pointer, &value));
  return value;
}

Status BlobFile::ReadInto(const BlobPointer& pointer, Bytes* value) const {
  KVFS_ASSIGN_OR_RETURN(const BlobIndex::Entry entry, Locate(pointer));
  // Not a Bytes, which would be filled with zeros first.
  const auto buffer = std::make_unique_for_overwrite<char[]>(entry.stored_size);
  KVFS_ASSIGN_OR_RETURN(const size_t size,
                        file_->ReadInto(entry.offset, entry.stored_size, buffer.get()));
  const ByteView record(buffer.get(), size);
  BlobRecordHead head;
  KVFS_RETURN_IF_ERROR(CheckWhole(entry, record, &head));
  if (head.raw_size != pointer.raw_size) {
    return Damage(entry.offset, "the record's size is not that of its pointer");
  }
  value->resize(head.raw_size);
  char* out = value->data();
  for (uint32_t number = 0; number < head.sub_blocks.size(); ++number) {
    const SubBlock& sub = head.sub_blocks[number];
    KVFS_RETURN_IF_ERROR(
        DecodeSubBlock(head, entry, number, record.substr(sub.offset, sub.stored_size), out));
    out += sub.raw_size;
  }
  return {};
}

Result<Bytes> BlobFile::ReadRange(const BlobPointer& pointer, uint64_t offset,
                                  uint64_t size) const {
  if (offset >= pointer.raw_size || size == 0) {
    return Bytes();
  }
  size = std::min<uint64_t>(size, pointer.raw_size - offset);
  if (size == pointer.raw_size) {
    return Read(pointer);
  }
  KVFS_ASSIGN_OR_RETURN(const BlobIndex::Entry entry, Locate(pointer));
  const auto first = static_cast<uint32_t>(offset / kSubBlockBytes);
  const auto last = static_cast<uint32_t>((offset + size - 1) / kSubBlockBytes);
  const uint64_t head_size = BlobHeadBytes(pointer.raw_size);
  // Where the last sub-block ends at the latest.
  const uint64_t bound =
      std::min<uint64_t>(entry.stored_size, head_size + (last + uint64_t{1}) * kSubBlockBytes);
  const bool together = first == 0 || bound <= kReadTogetherBytes;
  Bytes bytes;
  KVFS_RETURN_IF_ERROR(file_->ReadAt(entry.offset, together ? bound : head_size, &bytes));
  BlobRecordHead head;
  KVFS_RETURN_IF_ERROR(DecodeHead(entry, bytes, &head));
  if (head.raw_size != pointer.raw_size) {
    return Damage(entry.offset, "the record's size is not that of its pointer");
  }
  uint64_t base = 0;  // the place in the record at which `bytes` begins
  const uint64_t end = head.sub_blocks[last].offset + uint64_t{head.sub_blocks[last].stored_size};
  if (!together) {
    base = head.sub_blocks[first].offset;
    KVFS_RETURN_IF_ERROR(file_->ReadAt(entry.offset + base, end - base, &bytes));
  }
  if (bytes.size() < end - base) {
    return Damage(entry.offset, "record is cut short");
  }
  Bytes raw;
  raw.reserve((last - first + uint64_t{1}) * kSubBlockBytes);
  for (uint32_t number = first; number <= last; ++number) {
    const SubBlock& sub = head.sub_blocks[number];
    const size_t at = raw.size();
    raw.resize(at + sub.raw_size);
    KVFS_RETURN_IF_ERROR(DecodeSubBlock(head, entry, number,
                                        ByteView(bytes).substr(sub.offset - base, sub.stored_size),
                                        raw.data() + at));
  }
  raw.erase(0, offset - uint64_t{first} * kSubBlockBytes);
  raw.resize(size);
  return raw;
}

Status BlobFile::Verify(const BlobPointer& pointer) const { return Read(pointer).status(); }

Result<Bytes> BlobFile::ReadRecord(uint32_t ordinal) const {
  const auto entry = index_->Find(ordinal);
  if (!entry) {
    return Damage(0, "no record has ordinal " + std::to_string(ordinal));
  }
  KVFS_RETURN_IF_ERROR(CheckPlace(*entry));
  Bytes record;
  BlobRecordHead head;
  KVFS_RETURN_IF_ERROR(file_->ReadAt(entry->offset, entry->stored_size, &record));
  KVFS_RETURN_IF_ERROR(CheckWhole(*entry, record, &head));
  for (uint32_t number = 0; number < head.sub_blocks.size(); ++number) {
    const SubBlock& sub = head.sub_blocks[number];
    KVFS_RETURN_IF_ERROR(
        CheckSubBlock(head, *entry, number, ByteView(record).substr(sub.offset, sub.stored_size)));
  }
  return record;
}

Status BlobFile::VerifyAll(bool must_be_finished) const {
  if (must_be_finished && !finished_) {
    return Damage(size_, "no good index and footer");
  }
  for (const BlobIndex::Entry& entry : index_->Entries()) {
    KVFS_RETURN_IF_ERROR(ReadRecord(entry.ordinal).status());
  }
  return {};
}

Status FinishBlobFile(env::FileSystem* files, const std::string& path, uint64_t physical,
                      const std::function<BlobUse(uint32_t ordinal)>& use) {
  KVFS_ASSIGN_OR_RETURN(auto random_access, files->OpenRandomAccess(path));
  KVFS_ASSIGN_OR_RETURN(const auto blob_file,
                        BlobFile::Open(std::move(random_access), path, physical));
  KVFS_ASSIGN_OR_RETURN(auto file, files->OpenWritable(path, env::FileSystem::Create::kKeep));
  BlobIndex index;
  for (const BlobIndex::Entry& entry : blob_file->index().Entries()) {
    const BlobUse used = use(entry.ordinal);
    if (used == BlobUse::kNone) {
      continue;
    }
    index.Insert(entry);
    if (used == BlobUse::kUnsure) {
      const auto record = blob_file->ReadRecord(entry.ordinal);
      if (record.ok()) {
        KVFS_RETURN_IF_ERROR(file->WriteAt(entry.offset, *record));
      } else if (record.error().code() != Code::kCorruption) {
        return record.error();
      }  // else it is damaged, and stays so: whoever reads it is told
    }
  }
  Bytes tail;
  EncodeBlobTail(blob_file->id(), index, blob_file->RecordsEnd(), &tail);
  KVFS_RETURN_IF_ERROR(file->Truncate(blob_file->RecordsEnd()));
  KVFS_RETURN_IF_ERROR(file->WriteAt(blob_file->RecordsEnd(), tail));
  KVFS_RETURN_IF_ERROR(SyncFile(file.get()));
  return file->Close();
}

}  // namespace kvfs::engine
