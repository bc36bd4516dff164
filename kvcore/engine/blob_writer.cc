#include "kvcore/engine/blob_writer.h"

#include <cassert>

namespace kvfs::engine {

Result<std::unique_ptr<BlobFileWriter>> BlobFileWriter::Create(
    std::unique_ptr<env::WritableFile> file, const BlobFileId& id) {
  std::unique_ptr<BlobFileWriter> writer(new BlobFileWriter(std::move(file), id));
  Bytes header;
  EncodeBlobFileHeader(id, &header);
  KVFS_RETURN_IF_ERROR(writer->file_->WriteAt(0, header));
  writer->next_offset_.store(header.size(), std::memory_order_relaxed);
  return writer;
}

Result<BlobPointer> BlobFileWriter::Append(PreparedBlob blob) {
  const uint64_t size = blob.record.size();
  uint32_t ordinal = 0;
  uint64_t offset = 0;
  {
    const std::lock_guard lock(mutex_);
    ordinal = next_ordinal_++;
    offset = next_offset_.fetch_add(size, std::memory_order_relaxed);
  }
  SealBlobRecord(id_, ordinal, offset, &blob);
  // If this fails, its place stays a hole, which readers pass over.
  KVFS_RETURN_IF_ERROR(file_->WriteAt(offset, blob.record));
  const auto stored_size = static_cast<uint32_t>(size);
  const bool inserted = index_->Insert({ordinal, stored_size, offset});
  assert(inserted);
  (void)inserted;
  return BlobPointer{id_.logical, ordinal, blob.raw_size, stored_size};
}

Status BlobFileWriter::CopyRecord(uint32_t ordinal, ByteView record) {
  assert(record.size() >= kBlobRecordHeaderBytes);
  assert(ordinal >= next_ordinal_);
  Bytes moved(record);
  const uint64_t offset = next_offset_.load(std::memory_order_relaxed);
  ResealBlobRecord(id_, offset, &moved);
  KVFS_RETURN_IF_ERROR(file_->WriteAt(offset, moved));
  index_->Insert({ordinal, static_cast<uint32_t>(moved.size()), offset});
  next_offset_.store(offset + moved.size(), std::memory_order_relaxed);
  next_ordinal_ = ordinal + 1;
  return {};
}

Status BlobFileWriter::Finish() {
  Bytes tail;
  EncodeBlobTail(id_, *index_, Size(), &tail);
  KVFS_RETURN_IF_ERROR(file_->WriteAt(Size(), tail));
  next_offset_.fetch_add(tail.size(), std::memory_order_relaxed);
  KVFS_RETURN_IF_ERROR(SyncFile(file_.get()));
  return file_->Close();
}

void EncodeBlobTail(const BlobFileId& id, const BlobIndex& index, uint64_t offset, Bytes* out) {
  const size_t start = out->size();
  index.Encode(out);
  const ByteView encoded = ByteView(*out).substr(start);
  BlobFooter footer;
  footer.index_offset = offset;
  footer.index_size = static_cast<uint32_t>(encoded.size());
  footer.count = static_cast<uint32_t>(encoded.size() / kBlobIndexEntryBytes);
  footer.index_checksum = SaltedChecksum(id.salt, encoded);
  EncodeBlobFooter(footer, id.salt, out);
}

}  // namespace kvfs::engine
