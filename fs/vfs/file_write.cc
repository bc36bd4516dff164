// FileManager: taking bytes into the write buffers.

#include <algorithm>

#include "fs/vfs/file_manager_impl.h"

namespace kvfs::fs {
namespace {

// A publish may have to assemble each chunk that is touched: this bounds what that takes.
constexpr uint64_t kMaxGenerationChunks = 256;

}  // namespace

Task<FsResult<uint64_t>> FileManagerImpl::Write(InodeRef ref, uint64_t offset, Bytes data,
                                                bool append) {
  if (!append && (offset > kMaxFileBytes || data.size() > kMaxFileBytes - offset)) {
    co_return Errno(EFBIG);
  }
  auto pin = co_await AcquireLoaded(ref);
  if (!pin.ok()) {
    co_return pin.error();
  }
  const Errno fits = co_await space_.Take(data.size());
  if (!fits.ok()) {
    co_return fits;
  }
  const Errno room = co_await MakeRoom(data.size());
  if (!room.ok()) {
    co_return room;
  }
  FileState* state = pin->get();
  auto ops = co_await state->ops.Lock();
  {
    std::lock_guard lock(state->mutex);
    if (state->gone) {
      co_return Errno(ESTALE);
    }
    if (append) {
      offset = state->EffectiveSize();
      if (data.size() > kMaxFileBytes - offset) {
        co_return Errno(EFBIG);
      }
    }
  }
  if (!data.empty()) {
    Buffer(*pin, offset, data);
  }
  co_return offset + data.size();
}

void FileManagerImpl::Buffer(const Pin& pin, uint64_t offset, ByteView data) {
  const int64_t now = env_.clock->MonotonicMicros();
  const TimeSpec mtime = Now();
  bool is_full = false;
  bool becomes_dirty = false;
  {
    std::lock_guard lock(pin->mutex);
    if (pin->dirty.empty() || pin->dirty.back()->sealed) {
      becomes_dirty = pin->dirty.empty();
      pin->dirty.push_back(std::make_shared<Generation>(chunks_.geometry().chunk_bytes));
      pin->dirty.back()->since_micros = now;
      pin->dirty.back()->number = pin->next_generation++;
    }
    Generation& generation = *pin->dirty.back();
    const int64_t before = static_cast<int64_t>(generation.buffer.memory_bytes());
    generation.buffer.Write(offset, data);
    files_.dirty_bytes.fetch_add(static_cast<int64_t>(generation.buffer.memory_bytes()) - before,
                                 std::memory_order_relaxed);
    generation.mtime = mtime;
    pin->last_write = mtime;
    pin->dirty_end = std::max(pin->dirty_end, offset + data.size());
    if (generation.buffer.memory_bytes() >= generation_bytes_ ||
        generation.buffer.chunk_count() >= kMaxGenerationChunks) {
      generation.sealed = true;
      is_full = !std::exchange(pin->background_publish, true);
    }
    if (becomes_dirty) {
      files_.SetDirty(pin.get(), now);
    }
  }
  if (is_full) {
    PostPublish(pin);
  }
  if (becomes_dirty) {
    ArmAgeTimer();
  }
}

Task<Errno> FileManagerImpl::MakeRoom(uint64_t bytes) {
  const int64_t bound = static_cast<int64_t>(options_.write_buffer_bytes);
  const int64_t wanted = static_cast<int64_t>(bytes);
  if (files_.dirty_bytes.load(std::memory_order_relaxed) + wanted <= bound) {
    co_return Errno();
  }
  Errno last;
  for (Pin& pin : files_.Dirty(INT64_MAX)) {
    FileState* state = pin.get();
    // A generation at a time, so that the writer waits no longer than it must.
    while (true) {
      if (files_.dirty_bytes.load(std::memory_order_relaxed) + wanted <= bound) {
        co_return Errno();
      }
      bool is_dirty = false;
      {
        std::lock_guard lock(state->mutex);
        is_dirty = !state->dirty.empty();
      }
      if (!is_dirty) {
        break;
      }
      const Errno published = co_await PublishOldest(state, false);
      if (!published.ok()) {
        last = published;
        break;
      }
    }
  }
  // Others may have filled the room again; the bound then holds to within their requests.
  co_return last;
}

}  // namespace kvfs::fs
