// Reads: lookups, iterators, snapshots.
#include <cassert>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/db_iterator.h"
#include "kvcore/engine/merging_iterator.h"

namespace kvfs::engine {

class DbImpl::SnapshotImpl final : public Snapshot {
 public:
  SnapshotImpl(DbImpl* db, uint64_t sequence) : db_(db), sequence_(sequence) {}
  ~SnapshotImpl() override {
    const std::lock_guard lock(db_->mutex_);
    db_->snapshots_.erase(db_->snapshots_.find(sequence_));
    db_->work_wanted_ = true;  // it may have held back deletes
    db_->Schedule();
  }
  uint64_t sequence() const { return sequence_; }

 private:
  DbImpl* const db_;
  const uint64_t sequence_;
};

std::unique_ptr<Snapshot> DbImpl::GetSnapshot() {
  const std::lock_guard lock(mutex_);
  const uint64_t sequence = last_sequence_.load(std::memory_order_acquire);
  snapshots_.insert(sequence);
  return std::make_unique<SnapshotImpl>(this, sequence);
}

// Both in one critical section: a view then has all files that entries up to the sequence refer to,
// and nothing the sequence should see has been merged away in it.
void DbImpl::PinView(const ReadOptions& options, std::shared_ptr<const ReadView>* view,
                     uint64_t* sequence) const {
  const std::lock_guard lock(mutex_);
  *view = view_;
  *sequence = options.snapshot != nullptr
                  ? static_cast<const SnapshotImpl*>(options.snapshot)->sequence()
                  : last_sequence_.load(std::memory_order_acquire);
}

Result<DbImpl::Entry> DbImpl::Find(ByteView key, const ReadOptions& options) {
  Entry entry;
  uint64_t sequence = 0;
  PinView(options, &entry.view, &sequence);
  std::optional<FoundEntry> found = entry.view->memtable->Get(key, sequence);
  for (size_t i = 0; !found && i < entry.view->immutable.size(); ++i) {
    found = entry.view->immutable[i]->Get(key, sequence);
  }
  if (!found) {
    KVFS_ASSIGN_OR_RETURN(found,
                          entry.view->version->Get(&tables_, key, sequence, options.fill_cache));
  }
  if (!found || found->type == EntryType::kDelete) {
    return Status::NotFound("no such key");
  }
  entry.found = std::move(*found);
  return entry;
}

namespace {

Result<BlobPointer> PointerOf(const FoundEntry& found) {
  BlobPointer pointer;
  ByteView in = found.value;
  if (!DecodeBlobPointer(&in, &pointer)) {
    return Status::Corruption("bad blob pointer of sequence " + std::to_string(found.sequence));
  }
  return pointer;
}

}  // namespace

Result<Bytes> Db::Get(ByteView key, const ReadOptions& options) {
  Bytes value;
  KVFS_RETURN_IF_ERROR(GetInto(key, options, &value));
  return value;
}

Status DbImpl::GetInto(ByteView key, const ReadOptions& options, Bytes* value) {
  KVFS_ASSIGN_OR_RETURN(Entry entry, Find(key, options));
  if (entry.found.type == EntryType::kValue) {
    *value = std::move(entry.found.value);
    return Status::Ok();
  }
  KVFS_ASSIGN_OR_RETURN(const BlobPointer pointer, PointerOf(entry.found));
  return entry.view->version->ReadBlob(&blob_files_, pointer, value);
}

Result<Bytes> DbImpl::GetRange(ByteView key, uint64_t offset, uint64_t size,
                               const ReadOptions& options) {
  KVFS_ASSIGN_OR_RETURN(Entry entry, Find(key, options));
  if (entry.found.type == EntryType::kValue) {
    const Bytes& value = entry.found.value;
    return offset >= value.size() ? Bytes() : value.substr(offset, size);
  }
  KVFS_ASSIGN_OR_RETURN(const BlobPointer pointer, PointerOf(entry.found));
  KVFS_ASSIGN_OR_RETURN(const auto file, entry.view->version->OpenBlob(&blob_files_, pointer.file));
  return file->ReadRange(pointer, offset, size);
}

Result<BlobPointer> DbImpl::GetBlobPointer(ByteView key) {
  KVFS_ASSIGN_OR_RETURN(const Entry entry, Find(key, {}));
  if (entry.found.type != EntryType::kBlobPointer) {
    return Status::NotFound("the value is inline");
  }
  return PointerOf(entry.found);
}

std::unique_ptr<Iterator> DbImpl::NewIterator(const ReadOptions& options) {
  std::shared_ptr<const ReadView> view;
  uint64_t sequence = 0;
  PinView(options, &view, &sequence);
  std::vector<std::unique_ptr<InternalIterator>> children;
  children.push_back(view->memtable->NewIterator());
  for (const auto& memtable : view->immutable) {
    children.push_back(memtable->NewIterator());
  }
  view->version->AddIterators(&tables_, options.fill_cache, &children);
  return NewDbIterator(NewMergingIterator(std::move(children)), std::move(view), sequence,
                       &blob_files_, options);
}

}  // namespace kvfs::engine
