#include "fs/vfs/file_table.h"

#include <cassert>

namespace kvfs::fs {

FileTable::Pin FileTable::Acquire(InodeRef ref) {
  std::lock_guard lock(mutex_);
  Slot& slot = slots_[ref.ino];
  if (!slot.state) {
    slot.state = std::make_unique<FileState>(ref, scheduler_);
  }
  ++slot.pins;
  return Pin(this, slot.state.get());
}

FileTable::Pin FileTable::Find(Ino ino) const {
  std::lock_guard lock(mutex_);
  auto it = slots_.find(ino);
  if (it == slots_.end()) {
    return {};
  }
  ++it->second.pins;
  return Pin(const_cast<FileTable*>(this), it->second.state.get());
}

FileTable::Pin FileTable::PinAgain(FileState* state) const {
  std::lock_guard lock(mutex_);
  ++slots_.at(state->ref.ino).pins;
  return Pin(const_cast<FileTable*>(this), state);
}

void FileTable::Unpin(FileState* state) {
  std::unique_ptr<FileState> last;  // destroyed after the lock
  std::lock_guard lock(mutex_);
  auto it = slots_.find(state->ref.ino);
  assert(it != slots_.end() && it->second.state.get() == state && it->second.pins > 0);
  if (--it->second.pins == 0) {
    last = std::move(it->second.state);
    slots_.erase(it);
    released_.fetch_add(1, std::memory_order_release);
  }
}

uint64_t FileTable::size() const {
  std::lock_guard lock(mutex_);
  return slots_.size();
}

void FileTable::SetDirty(FileState* state, std::optional<int64_t> since_micros) {
  Pin before;  // released after the lock
  std::lock_guard lock(dirty_mutex_);
  auto known = dirty_since_.find(state->ref.ino);
  if (known != dirty_since_.end()) {
    if (since_micros == known->second) {
      return;
    }
    auto it = by_age_.find({known->second, state->ref.ino});
    before = std::move(it->second);
    by_age_.erase(it);
    dirty_since_.erase(known);
  }
  if (since_micros) {
    by_age_.emplace(std::pair(*since_micros, state->ref.ino), PinAgain(state));
    dirty_since_[state->ref.ino] = *since_micros;
  }
}

bool FileTable::HasDirty() const {
  std::lock_guard lock(dirty_mutex_);
  return !by_age_.empty();
}

std::vector<FileTable::Pin> FileTable::Dirty(int64_t until_micros) const {
  std::vector<Pin> pins;
  std::lock_guard lock(dirty_mutex_);
  for (auto it = by_age_.begin(); it != by_age_.end() && it->first.first <= until_micros; ++it) {
    pins.push_back(it->second.Again());
  }
  return pins;
}

std::vector<InodeRef> FileTable::All() const {
  std::lock_guard lock(mutex_);
  std::vector<InodeRef> all;
  for (const auto& [ino, slot] : slots_) {
    all.push_back(slot.state->ref);
  }
  return all;
}

}  // namespace kvfs::fs
