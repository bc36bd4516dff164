#include "tests/support/memory_local_store.h"

#include <utility>

namespace kvfs::testing {

using replication::Position;
using replication::StoreWrite;

class MemoryLocalStore::Iterator final : public replication::StoreIterator {
 public:
  Iterator(MemoryLocalStore* store, ByteView begin, ByteView end) : store_(store), end_(end) {
    std::lock_guard lock(store_->mutex_);
    position_ = store_->last_;
    store_->iterators_.insert(position_);
    Settle(store_->items_.lower_bound(begin));
  }
  ~Iterator() override {
    std::lock_guard lock(store_->mutex_);
    store_->iterators_.erase(store_->iterators_.find(position_));
  }
  bool Valid() const override { return valid_; }
  void Next() override {
    std::lock_guard lock(store_->mutex_);
    Settle(store_->items_.upper_bound(key_));
  }
  ByteView key() const override { return key_; }
  ByteView value() const override { return value_; }
  Status status() const override { return Status::Ok(); }

 private:
  void Settle(Items::const_iterator at) {
    for (valid_ = false; at != store_->items_.end() && (end_.empty() || at->first < end_); ++at) {
      const Version* visible = nullptr;
      for (const Version& version : at->second) {
        if (version.position <= position_) {
          visible = &version;
        }
      }
      if (visible != nullptr && visible->value.has_value()) {
        key_ = at->first;
        value_ = *visible->value;
        valid_ = true;
        return;
      }
    }
  }

  MemoryLocalStore* const store_;
  const Bytes end_;
  Position position_ = 0;
  bool valid_ = false;
  Bytes key_;
  Bytes value_;
};

Task<Status> MemoryLocalStore::Admit(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (bytes_ + bytes > capacity_) {
    co_return Status::NoSpace("the store in memory is full");
  }
  co_return Status::Ok();
}

Result<Bytes> MemoryLocalStore::StageLarge(ByteView value) {
  std::lock_guard lock(mutex_);
  ++staged_;
  return Bytes(value);
}

void MemoryLocalStore::Unstage(ByteView /*staged*/) {
  std::lock_guard lock(mutex_);
  --staged_;
}

Result<Position> MemoryLocalStore::Apply(std::vector<StoreWrite> writes,
                                         const replication::ApplyOptions& options) {
  std::lock_guard lock(mutex_);
  if (!apply_status_.ok() && applies_before_failure_-- <= 0) {
    return apply_status_;
  }
  uint64_t bytes = 0;
  for (const StoreWrite& write : writes) {
    bytes += write.value.size() + write.large.size();
  }
  if (bytes > 0 && bytes_ + bytes > capacity_ && !options.may_use_reserve) {
    return Status::NoSpace("the store in memory is full");
  }
  ++last_;
  ++batches_;
  for (StoreWrite& write : writes) {
    switch (write.kind) {
      case StoreWrite::Kind::kPut:
        Set(std::move(write.key), std::move(write.value));
        break;
      case StoreWrite::Kind::kPutStaged:
        --staged_;
        Set(std::move(write.key), std::move(write.value));
        break;
      case StoreWrite::Kind::kPutLarge:
        Set(std::move(write.key), Bytes(write.large));
        break;
      case StoreWrite::Kind::kDelete:
      case StoreWrite::Kind::kDeleteLarge:
        Set(std::move(write.key), std::nullopt);
        break;
    }
  }
  return last_;
}

void MemoryLocalStore::Set(Bytes key, std::optional<Bytes> value) {
  auto [at, inserted] = items_.try_emplace(std::move(key));
  std::vector<Version>& versions = at->second;
  if (!versions.empty() && versions.back().value.has_value()) {
    bytes_ -= versions.back().value->size();
  }
  if (value.has_value()) {
    bytes_ += value->size();
  }
  if (iterators_.empty()) {
    versions.clear();
    if (!value.has_value()) {
      items_.erase(at);
      return;
    }
  }
  versions.push_back({last_, std::move(value)});
}

Task<Status> MemoryLocalStore::Sync(Position /*position*/) {
  std::lock_guard lock(mutex_);
  ++syncs_;
  co_return sync_status_;
}

Position MemoryLocalStore::LastPosition() const {
  std::lock_guard lock(mutex_);
  return last_;
}

const Bytes* MemoryLocalStore::Find(ByteView key) const {
  const auto at = items_.find(key);
  if (at == items_.end() || !at->second.back().value.has_value()) {
    return nullptr;
  }
  return &*at->second.back().value;
}

Result<Bytes> MemoryLocalStore::Get(ByteView key) { return GetRange(key, 0, UINT64_MAX); }

Result<Bytes> MemoryLocalStore::GetRange(ByteView key, uint64_t offset, uint64_t size) {
  std::lock_guard lock(mutex_);
  const Bytes* value = Find(key);
  if (value == nullptr) {
    return Status::NotFound("no such key");
  }
  return offset >= value->size() ? Bytes() : value->substr(offset, size);
}

Result<bool> MemoryLocalStore::Contains(ByteView key) {
  std::lock_guard lock(mutex_);
  return Find(key) != nullptr;
}

Result<replication::LocalStore::ValueSize> MemoryLocalStore::SizeOf(ByteView key) {
  std::lock_guard lock(mutex_);
  const Bytes* value = Find(key);
  if (value == nullptr) {
    return Status::NotFound("no such key");
  }
  return ValueSize{value->size(), value->size()};
}

std::unique_ptr<replication::StoreIterator> MemoryLocalStore::Scan(ByteView begin, ByteView end) {
  return std::make_unique<Iterator>(this, begin, end);
}

Result<replication::LocalStore::Space> MemoryLocalStore::GetSpace() {
  std::lock_guard lock(mutex_);
  const uint64_t total = capacity_ == UINT64_MAX ? uint64_t{1} << 40 : capacity_;
  return Space{total, total - std::min(total, bytes_)};
}

void MemoryLocalStore::SetCapacity(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  capacity_ = bytes;
}
void MemoryLocalStore::FailApply(Status status, int after) {
  std::lock_guard lock(mutex_);
  apply_status_ = std::move(status);
  applies_before_failure_ = after;
}
void MemoryLocalStore::FailSync(Status status) {
  std::lock_guard lock(mutex_);
  sync_status_ = std::move(status);
}
uint64_t MemoryLocalStore::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}
uint64_t MemoryLocalStore::batches() const {
  std::lock_guard lock(mutex_);
  return batches_;
}
uint64_t MemoryLocalStore::syncs() const {
  std::lock_guard lock(mutex_);
  return syncs_;
}
int64_t MemoryLocalStore::staged() const {
  std::lock_guard lock(mutex_);
  return staged_;
}
std::map<Bytes, Bytes> MemoryLocalStore::Contents() const {
  std::lock_guard lock(mutex_);
  std::map<Bytes, Bytes> contents;
  for (const auto& [key, versions] : items_) {
    if (versions.back().value.has_value()) {
      contents.emplace(key, *versions.back().value);
    }
  }
  return contents;
}

}  // namespace kvfs::testing
