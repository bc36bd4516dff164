#include "kvcore/engine/blob_index.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/engine/blob_format.h"

namespace kvfs::engine {
namespace {

bool OrdinalBefore(const BlobIndex::Entry& entry, uint32_t ordinal) {
  return entry.ordinal < ordinal;
}

}  // namespace

bool BlobIndex::Insert(const Entry& entry) {
  const std::unique_lock lock(mutex_);
  if (entries_.empty() || entries_.back().ordinal < entry.ordinal) {
    entries_.push_back(entry);
    return true;
  }
  // Writes end in nearly the order of their ordinals, so this is near the end.
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), entry.ordinal, OrdinalBefore);
  if (at->ordinal == entry.ordinal) {
    return false;
  }
  entries_.insert(at, entry);
  return true;
}

std::optional<BlobIndex::Entry> BlobIndex::Find(uint32_t ordinal) const {
  const std::shared_lock lock(mutex_);
  if (ordinal < entries_.size() && entries_[ordinal].ordinal == ordinal) {
    return entries_[ordinal];  // no gaps before it: the usual case
  }
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), ordinal, OrdinalBefore);
  if (at == entries_.end() || at->ordinal != ordinal) {
    return std::nullopt;
  }
  return *at;
}

std::vector<BlobIndex::Entry> BlobIndex::Entries() const {
  const std::shared_lock lock(mutex_);
  return entries_;
}

size_t BlobIndex::Count() const {
  const std::shared_lock lock(mutex_);
  return entries_.size();
}

uint64_t BlobIndex::MemoryBytes() const {
  const std::shared_lock lock(mutex_);
  return sizeof(*this) + entries_.capacity() * sizeof(Entry);
}

void BlobIndex::Encode(Bytes* out) const {
  const std::shared_lock lock(mutex_);
  out->reserve(out->size() + entries_.size() * kBlobIndexEntryBytes);
  for (const Entry& entry : entries_) {
    PutFixed32(out, entry.ordinal);
    PutFixed64(out, entry.offset);
    PutFixed32(out, entry.stored_size);
  }
}

bool BlobIndex::Decode(ByteView in) {
  if (in.size() % kBlobIndexEntryBytes != 0) {
    return false;
  }
  std::vector<Entry> entries;
  entries.reserve(in.size() / kBlobIndexEntryBytes);
  Entry entry;
  while (GetFixed32(&in, &entry.ordinal) && GetFixed64(&in, &entry.offset) &&
         GetFixed32(&in, &entry.stored_size)) {
    if (!entries.empty() && entries.back().ordinal >= entry.ordinal) {
      return false;
    }
    entries.push_back(entry);
  }
  const std::unique_lock lock(mutex_);
  entries_ = std::move(entries);
  return true;
}

}  // namespace kvfs::engine
