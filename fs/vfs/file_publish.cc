// FileManager: from the write buffers to the store.

#include <algorithm>

#include "fs/vfs/file_manager_impl.h"

namespace kvfs::fs {

Task<Errno> FileManagerImpl::PublishOldest(FileState* state, bool sync) {
  auto guard = co_await state->publishing.Lock();
  const Errno published = co_await PublishOldestLocked(state, sync);
  co_return published;
}

Task<Errno> FileManagerImpl::PublishOldestLocked(FileState* state, bool sync) {
  std::shared_ptr<Generation> generation;
  {
    std::lock_guard lock(state->mutex);
    if (state->dirty.empty()) {
      co_return Errno();
    }
    generation = state->dirty.front();
    generation->sealed = true;
  }
  ContentChange change;
  change.data = &generation->buffer;
  change.min_size = generation->buffer.end();
  change.may_leave_blocks = !options_.is_shared;
  PublishOptions options;
  options.mtime = generation->mtime;
  options.sync = sync;
  options.of_writer = true;
  std::function<void()> pop = [this, state] {
    files_.dirty_bytes.fetch_sub(static_cast<int64_t>(state->dirty.front()->buffer.memory_bytes()),
                                 std::memory_order_relaxed);
    state->dirty.pop_front();
    UpdateDirtyMark(state);
  };
  Errno published = co_await publisher_.Publish(state, &change, options, pop);
  if (published.ok()) {
    co_return published;
  }
  if (published == Errno(ESTALE)) {  // deleted: nobody can read it any more
    DiscardDirty(state);
    co_return Errno();
  }
  if (published == Errno(ENOENT)) {  // a chunk of the old content is missing
    published = EIO;
  }
  // The buffer stays, and is tried again; whoever has the file open is told.
  std::lock_guard lock(state->mutex);
  state->SetError(published);
  co_return published;
}

Task<Errno> FileManagerImpl::PublishDirtyLocked(FileState* state, Extent extent, bool sync,
                                                bool* synced) {
  uint64_t last = 0;
  {
    std::lock_guard lock(state->mutex);
    for (const auto& generation : state->dirty) {
      if (extent == Extent::kAll || generation->sealed) {
        last = generation->number;
      }
    }
  }
  while (true) {
    bool is_last = false;
    {
      std::lock_guard lock(state->mutex);
      if (state->dirty.empty() || state->dirty.front()->number > last) {
        co_return Errno();
      }
      is_last = state->dirty.front()->number == last;
    }
    const Errno published = co_await PublishOldestLocked(state, sync && is_last);
    if (!published.ok()) {
      co_return published;
    }
    *synced |= sync && is_last;
  }
}

Task<Errno> FileManagerImpl::PublishDirty(FileState* state, Extent extent, bool sync) {
  bool synced = false;
  {
    auto guard = co_await state->publishing.Lock();
    const Errno published = co_await PublishDirtyLocked(state, extent, sync, &synced);
    if (!published.ok()) {
      co_return published;
    }
  }
  if (sync && !synced) {
    // All is in the store already, with the record's other changes; one sync covers them.
    const Status status = co_await client_->Sync();
    if (!status.ok()) {
      co_return ToErrno(status);
    }
  }
  co_return Errno();
}

void FileManagerImpl::DiscardDirty(FileState* state) {
  std::lock_guard lock(state->mutex);
  for (const auto& generation : state->dirty) {
    files_.dirty_bytes.fetch_sub(static_cast<int64_t>(generation->buffer.memory_bytes()),
                                 std::memory_order_relaxed);
  }
  state->dirty.clear();
  UpdateDirtyMark(state);
}

// REQUIRES: state->mutex held, and the state pinned by the caller.
void FileManagerImpl::UpdateDirtyMark(FileState* state) {
  if (state->dirty.empty()) {
    state->dirty_end = 0;
    state->background_publish = false;
    files_.SetDirty(state, std::nullopt);
  } else {
    files_.SetDirty(state, state->dirty.front()->since_micros);
  }
}

void FileManagerImpl::PostPublish(const Pin& pin) {
  auto shared_pin = std::make_shared<Pin>(pin.Again());
  background_.Post(env::Priority::kFlush, [this, shared_pin]() -> Task<void> {
    return PublishSealed(std::move(*shared_pin));
  });
}

Task<void> FileManagerImpl::PublishSealed(Pin pin) {
  {
    std::lock_guard lock(pin->mutex);
    pin->background_publish = false;
  }
  const Errno published = co_await PublishDirty(pin.get(), Extent::kSealed, false);
  (void)published;  // noted in the state for its handles
}

void FileManagerImpl::ArmAgeTimer() {
  // A buffer is published when it has reached half the bound, looked at every quarter.
  if (!timer_armed_.exchange(true)) {
    background_.PostAfter(options_.max_dirty_micros / 4, env::Priority::kFlush,
                          [this] { return PublishAged(); });
  }
}

Task<void> FileManagerImpl::PublishAged() {
  timer_armed_.store(false);
  const int64_t until = env_.clock->MonotonicMicros() - options_.max_dirty_micros / 2;
  bool any = false;
  for (Pin& pin : files_.Dirty(until)) {
    const Errno published = co_await PublishDirty(pin.get(), Extent::kAll, false);
    any = any || published.ok();  // else it is noted in the state for its handles
  }
  if (any) {  // the bytes are old already, and the store would sync them at its own time
    const Status synced = co_await client_->Sync();
    (void)synced;  // the store takes no more writes then, which says it to all
  }
  if (files_.HasDirty()) {
    ArmAgeTimer();
  }
}

// What a handle is to be told: the error of this very call, or one it has not heard of.
Errno FileManagerImpl::TakeError(FileState* state, FileHandle handle, Errno direct) {
  std::lock_guard lock(state->mutex);
  auto it = state->handles.find(handle);
  if (it != state->handles.end()) {
    const bool is_news = std::exchange(it->second, state->error_sequence) != state->error_sequence;
    if (direct.ok() && is_news) {
      return state->last_error;
    }
  }
  return direct;
}

Task<Errno> FileManagerImpl::Flush(InodeRef ref, FileHandle handle) {
  Pin pin = files_.Find(ref.ino);
  if (!pin) {
    co_return Errno();
  }
  bool is_dirty = false;
  {
    std::lock_guard lock(pin->mutex);
    is_dirty = !pin->dirty.empty();
  }
  Errno published;
  if (is_dirty) {
    published = co_await PublishDirty(pin.get(), Extent::kAll, false);
  }
  co_return TakeError(pin.get(), handle, published);
}

Task<Errno> FileManagerImpl::Fsync(InodeRef ref, FileHandle handle) {
  Pin pin = files_.Acquire(ref);
  const Errno published = co_await PublishDirty(pin.get(), Extent::kAll, true);
  co_return TakeError(pin.get(), handle, published);
}

Task<Errno> FileManagerImpl::Publish(InodeRef ref) {
  Pin pin = files_.Find(ref.ino);
  if (!pin) {
    co_return Errno();
  }
  const Errno published = co_await PublishDirty(pin.get(), Extent::kAll, false);
  co_return published;
}

Task<Errno> FileManagerImpl::Drain(bool sync) {
  co_await background_.Drain();
  timer_armed_.store(false);
  Errno first;
  for (Pin& pin : files_.Dirty(INT64_MAX)) {
    const Errno published = co_await PublishDirty(pin.get(), Extent::kAll, false);
    if (first.ok()) {
      first = published;
    }
  }
  if (sync) {
    const Status status = co_await client_->Sync();
    if (first.ok() && !status.ok()) {
      first = ToErrno(status);
    }
  }
  if (files_.HasDirty()) {
    ArmAgeTimer();
  }
  co_return first;
}

}  // namespace kvfs::fs
