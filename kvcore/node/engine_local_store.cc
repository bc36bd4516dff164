#include "kvcore/node/engine_local_store.h"

#include <cassert>
#include <utility>

namespace kvfs::node {
namespace {

using engine::BlobPointer;
using replication::StoreWrite;

// Large values of a synced batch that together are no larger go into the log itself.
constexpr uint64_t kInlineBytes = 64u << 10;

// What is staged begins with one of these: then follows the pointer, or the value itself, which is
// for the log.
constexpr char kStagedBlob = 'b';
constexpr char kStagedValue = 'v';

// REQUIRES: from StageLarge, and a blob.
BlobPointer StagedPointer(ByteView staged) {
  BlobPointer pointer;
  staged.remove_prefix(1);
  const bool decoded = DecodeBlobPointer(&staged, &pointer);
  assert(decoded);
  (void)decoded;
  return pointer;
}

class Scanner final : public replication::StoreIterator {
 public:
  explicit Scanner(std::unique_ptr<engine::Iterator> iterator) : iterator_(std::move(iterator)) {
    iterator_->SeekToFirst();
  }
  bool Valid() const override { return iterator_->Valid(); }
  void Next() override { iterator_->Next(); }
  ByteView key() const override { return iterator_->key(); }
  ByteView value() const override { return iterator_->value(); }
  Status status() const override { return iterator_->status(); }

 private:
  const std::unique_ptr<engine::Iterator> iterator_;
};

bool GoesIntoTheLog(const std::vector<StoreWrite>& writes,
                    const replication::ApplyOptions& options) {
  if (!options.will_sync) {
    return false;
  }
  uint64_t bytes = 0;
  for (const StoreWrite& write : writes) {
    bytes += write.large.size();
  }
  return bytes <= kInlineBytes;
}

}  // namespace

Result<Bytes> EngineLocalStore::StageLarge(ByteView value) {
  Bytes staged;
  if (value.size() <= kInlineBytes && db_->SyncsOften()) {
    staged.reserve(1 + value.size());
    staged += kStagedValue;
    staged.append(value);
    return staged;
  }
  KVFS_ASSIGN_OR_RETURN(const BlobPointer pointer, db_->PutBlob(value));
  staged += kStagedBlob;
  EncodeBlobPointer(pointer, &staged);
  return staged;
}

void EngineLocalStore::Unstage(ByteView staged) {
  if (staged.front() == kStagedBlob) {
    db_->ForgetBlob(StagedPointer(staged));
  }
}

Result<replication::Position> EngineLocalStore::Apply(std::vector<StoreWrite> writes,
                                                      const replication::ApplyOptions& options) {
  const bool inline_large = GoesIntoTheLog(writes, options);
  engine::WriteBatch batch;
  std::vector<BlobPointer> own;  // blobs written here
  const auto fill = [&]() -> Status {
    for (const StoreWrite& write : writes) {
      switch (write.kind) {
        case StoreWrite::Kind::kPut:
          batch.Put(write.key, write.value);
          break;
        case StoreWrite::Kind::kPutLarge:
          if (inline_large) {
            batch.Put(write.key, write.large);
          } else {
            KVFS_ASSIGN_OR_RETURN(const BlobPointer pointer, db_->PutBlob(write.large));
            own.push_back(pointer);
            batch.PutBlob(write.key, pointer);
          }
          break;
        case StoreWrite::Kind::kPutStaged:
          if (write.value.front() == kStagedBlob) {
            batch.PutBlob(write.key, StagedPointer(write.value));
          } else {
            batch.Put(write.key, ByteView(write.value).substr(1));
          }
          break;
        case StoreWrite::Kind::kDelete:
          batch.Delete(write.key);
          break;
        case StoreWrite::Kind::kDeleteLarge: {
          const Result<BlobPointer> pointer = db_->GetBlobPointer(write.key);
          if (pointer.ok()) {
            batch.DeleteBlob(write.key, *pointer);
            break;
          }
          if (pointer.status().code() != Code::kNotFound) {
            return pointer.status();
          }
          KVFS_ASSIGN_OR_RETURN(const bool there, Contains(write.key));
          if (there) {
            batch.Delete(write.key);
          }
          break;
        }
      }
    }
    return Status::Ok();
  };
  Status filled = fill();
  Result<replication::Position> written = replication::Position{0};
  if (filled.ok()) {
    if (options.may_use_reserve) {
      batch.AllowReserve();
    }
    if (batch.Empty()) {
      return db_->LastPosition();
    }
    written = db_->Write(batch);
    filled = written.status();
  }
  if (!filled.ok()) {
    for (const BlobPointer& pointer : own) {
      db_->ForgetBlob(pointer);
    }
    return filled;
  }
  return written;
}

Result<bool> EngineLocalStore::Contains(ByteView key) {
  const Result<ValueSize> size = SizeOf(key);
  if (size.ok()) {
    return true;
  }
  if (size.status().code() == Code::kNotFound) {
    return false;
  }
  return size.status();
}

Result<replication::LocalStore::ValueSize> EngineLocalStore::SizeOf(ByteView key) {
  const Result<BlobPointer> pointer = db_->GetBlobPointer(key);
  if (pointer.ok()) {
    return ValueSize{pointer->raw_size, pointer->stored_size};
  }
  if (pointer.status().code() != Code::kNotFound) {
    return pointer.status();
  }
  KVFS_ASSIGN_OR_RETURN(const Bytes value, db_->Get(key));  // inline, so not large
  return ValueSize{value.size(), value.size()};
}

std::unique_ptr<replication::StoreIterator> EngineLocalStore::Scan(ByteView begin, ByteView end) {
  engine::ReadOptions options;
  options.lower_bound = Bytes(begin);
  options.upper_bound = Bytes(end);
  return std::make_unique<Scanner>(db_->NewIterator(options));
}

Result<replication::LocalStore::Space> EngineLocalStore::GetSpace() {
  KVFS_ASSIGN_OR_RETURN(const env::SpaceInfo space, db_->GetSpace());
  return Space{space.total_bytes, space.available_bytes};
}

}  // namespace kvfs::node
