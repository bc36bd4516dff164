// FileManager: changes of whole ranges: truncate, fallocate, copy_file_range.

#include <algorithm>

#include "fs/meta/posix.h"
#include "fs/vfs/file_manager_impl.h"

namespace kvfs::fs {
namespace {

// One call copies at most so much; the caller asks again for the rest.
constexpr uint64_t kMaxCopiedBytes = 64u << 20;
constexpr uint64_t kMaxSharedChunks = 4096;
constexpr uint64_t kCopyStepBytes = 1u << 20;

}  // namespace

// REQUIRES: ops held. What is buffered is published first.
Task<Errno> FileManagerImpl::ChangeContent(FileState* state, ContentChange change,
                                           bool frees_space) {
  auto guard = co_await state->publishing.Lock();
  if (change.set_size == std::optional<uint64_t>(0)) {
    DiscardDirty(state);  // nothing of it would remain
  }
  bool synced = false;
  const Errno drained = co_await PublishDirtyLocked(state, Extent::kAll, false, &synced);
  if (!drained.ok()) {
    co_return drained;
  }
  PublishOptions options;
  options.mtime = Now();
  options.may_use_reserve = frees_space;
  options.of_writer = true;
  std::function<void()> note = [state, mtime = *options.mtime] { state->last_write = mtime; };
  Errno changed = co_await publisher_.Publish(state, &change, options, note);
  while (changed.ok()) {
    {
      std::lock_guard lock(state->mutex);
      if (!state->content->NeedsTrim(chunks_.geometry())) {
        break;
      }
    }
    PublishOptions trim;
    trim.may_use_reserve = true;
    std::function<void()> no_action = [] {};
    changed = co_await publisher_.Publish(state, nullptr, trim, no_action);
  }
  co_return changed;
}

Task<FsResult<Attr>> FileManagerImpl::Truncate(InodeRef ref, uint64_t size) {
  if (size > kMaxFileBytes) {
    co_return Errno(EFBIG);
  }
  auto pin = co_await AcquireLoaded(ref);
  if (!pin.ok()) {
    co_return pin.error();
  }
  FileState* state = pin->get();
  auto ops = co_await state->ops.Lock();
  bool shrinks = false;
  {
    std::lock_guard lock(state->mutex);
    shrinks = size < state->EffectiveSize();
  }
  ContentChange change;
  change.set_size = size;
  Errno changed = co_await ChangeContent(state, std::move(change), shrinks);
  if (!changed.ok()) {
    co_return changed == Errno(ENOENT) ? Errno(EIO) : changed;
  }
  std::lock_guard lock(state->mutex);
  co_return AttrOf(state->inode.record);
}

Task<Errno> FileManagerImpl::Fallocate(InodeRef ref, int mode, uint64_t offset, uint64_t size) {
  const bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
  const bool zeroes = (mode & FALLOC_FL_ZERO_RANGE) != 0;
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0 ||
      (punches && zeroes) || (punches && !keeps_size)) {
    co_return Errno(EOPNOTSUPP);
  }
  if (size == 0) {
    co_return Errno(EINVAL);
  }
  if (offset > kMaxFileBytes || size > kMaxFileBytes - offset) {
    co_return Errno(EFBIG);
  }
  auto pin = co_await AcquireLoaded(ref);
  if (!pin.ok()) {
    co_return pin.error();
  }
  FileState* state = pin->get();
  if (!punches && !zeroes) {
    const Errno fits = co_await space_.Take(size);
    if (!fits.ok()) {
      co_return fits;
    }
  }
  auto ops = co_await state->ops.Lock();
  if (punches || zeroes) {
    const Errno erased = co_await EraseRange(state, offset, offset + size);
    if (!erased.ok()) {
      co_return erased == Errno(ENOENT) ? Errno(EIO) : erased;
    }
  }
  bool grows = false;
  {
    std::lock_guard lock(state->mutex);
    grows = !keeps_size && offset + size > state->EffectiveSize();
  }
  if (grows || (!punches && !zeroes)) {
    // Where nothing grows it is a change all the same: its times say so, as on other filesystems.
    ContentChange change;
    change.min_size = grows ? offset + size : 0;
    const Errno grown = co_await ChangeContent(state, std::move(change), false);
    co_return grown == Errno(ENOENT) ? Errno(EIO) : grown;
  }
  co_return Errno();
}

// REQUIRES: ops held. Zeros within the present size, as holes where whole chunks are concerned.
Task<Errno> FileManagerImpl::EraseRange(FileState* state, uint64_t begin, uint64_t end) {
  const Geometry& geometry = chunks_.geometry();
  const Errno published = co_await PublishDirty(state, Extent::kAll, false);
  if (!published.ok()) {
    co_return published;
  }
  std::shared_ptr<const Content> content;
  {
    std::lock_guard lock(state->mutex);
    content = state->content;
  }
  end = std::min(end, content->size);
  if (begin >= end) {
    const Errno touched = co_await ChangeContent(state, ContentChange(), true);
    co_return touched;
  }
  WriteBuffer edges(geometry.chunk_bytes);
  uint64_t first = geometry.ChunkCount(begin);
  uint64_t last = end == content->size ? geometry.ChunkCount(end) : geometry.ChunkOf(end);
  const auto zero = [&](uint64_t from, uint64_t to) {
    if (from < to) {
      edges.Write(from, Bytes(to - from, '\0'));
    }
  };
  if (first >= last) {
    zero(begin, end);
    last = first;
  } else {
    zero(begin, geometry.StartOf(first));
    zero(geometry.StartOf(last), end);
  }
  // Bounded commits, from the end.
  while (true) {
    ContentChange change;
    {
      std::lock_guard lock(state->mutex);
      content = state->content;
    }
    uint64_t cut = first;
    if (first < last) {
      NodeSet nodes(geometry.fan_out);
      std::optional<uint64_t> found;
      while (
          !(found = CutPoint(geometry, content->tree, first, last, kMaxDropsPerCommit, &nodes))) {
        const Status fetched = co_await chunks_.Fetch(&nodes);
        if (!fetched.ok()) {
          co_return ToErrno(fetched);
        }
      }
      cut = *found;
      change.erased.push_back({cut, last});
    }
    if (cut == first && !edges.empty()) {
      change.data = &edges;
    }
    const Errno changed = co_await ChangeContent(state, std::move(change), true);
    if (!changed.ok() || cut == first) {
      co_return changed;
    }
    last = cut;
  }
}

Task<FsResult<uint64_t>> FileManagerImpl::CopyRange(InodeRef from_ref, uint64_t from_offset,
                                                    InodeRef to_ref, uint64_t to_offset,
                                                    uint64_t size) {
  const Geometry& geometry = chunks_.geometry();
  if (from_offset > kMaxFileBytes || to_offset > kMaxFileBytes) {
    co_return Errno(EFBIG);
  }
  size = std::min(size, kMaxFileBytes);
  const bool is_same = from_ref.ino == to_ref.ino;
  if (is_same && from_offset < to_offset + size && to_offset < from_offset + size) {
    co_return Errno(EINVAL);
  }
  auto from = co_await AcquireLoaded(from_ref);
  if (!from.ok()) {
    co_return from.error();
  }
  auto to = co_await AcquireLoaded(to_ref);
  if (!to.ok()) {
    co_return to.error();
  }
  const bool from_first = from_ref.ino < to_ref.ino;
  Guard first_guard = co_await (from_first ? *from : *to)->ops.Lock();
  Guard second_guard;
  if (!is_same) {
    second_guard = co_await (from_first ? *to : *from)->ops.Lock();
  }
  const Errno published = co_await PublishDirty(from->get(), Extent::kAll, false);
  if (!published.ok()) {
    co_return published;
  }
  uint64_t from_size = 0;
  uint64_t to_size = 0;
  bool chunked = false;
  {
    std::lock_guard lock((*from)->mutex);
    from_size = (*from)->content->size;
    chunked = (*from)->content->chunked;
  }
  {
    std::lock_guard lock((*to)->mutex);
    to_size = (*to)->EffectiveSize();
  }
  if (from_offset >= from_size || size == 0) {
    co_return uint64_t{0};
  }
  size = std::min(size, from_size - from_offset);
  if (size > kMaxFileBytes - to_offset) {
    co_return Errno(EFBIG);
  }
  const uint64_t phase = from_offset % geometry.chunk_bytes;
  if (chunked && phase == to_offset % geometry.chunk_bytes) {
    if (phase != 0) {  // up to the next boundary by bytes; the caller asks for the rest
      const uint64_t head = std::min(size, geometry.chunk_bytes - phase);
      auto copied = co_await CopyBytes(*from, *to, from_offset, to_offset, head);
      co_return copied;
    }
    uint64_t count = std::min(size / geometry.chunk_bytes, kMaxSharedChunks);
    uint64_t shared = count * geometry.chunk_bytes;
    // The short chunk at the end may be shared if it will be the end of the other file too.
    const bool with_tail = count < kMaxSharedChunks && shared < size &&
                           from_offset + size == from_size && to_offset + size >= to_size;
    if (with_tail) {
      ++count;
      shared = size;
    }
    if (count > 0) {
      const Errno done =
          co_await ShareChunks(from->get(), to->get(), geometry.ChunkOf(from_offset),
                               geometry.ChunkOf(to_offset), count, to_offset + shared);
      if (done.ok()) {
        co_return shared;
      }
      if (done != Errno(ENOENT)) {
        co_return done;
      }
    }
  }
  auto copied = co_await CopyBytes(*from, *to, from_offset, to_offset, size);
  co_return copied;
}

// REQUIRES: both ops held, nothing buffered of `from`. Chunks with overlay blocks are copied.
Task<Errno> FileManagerImpl::ShareChunks(FileState* from, FileState* to, uint64_t from_chunk,
                                         uint64_t to_chunk, uint64_t count, uint64_t to_end) {
  const Geometry& geometry = chunks_.geometry();
  Snapshot snapshot;
  {
    std::lock_guard lock(from->mutex);
    snapshot = from->TakeSnapshot();
  }
  auto ids = co_await chunks_.FindChunks(&snapshot.content->tree, from_chunk, count);
  if (!ids.ok()) {
    co_return ToErrno(ids.error());
  }
  WriteBuffer copied(geometry.chunk_bytes);
  ContentChange change;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t place = to_chunk + i;
    if ((*ids)[i] == kHole) {
      if (!change.erased.empty() && change.erased.back().end == place) {
        ++change.erased.back().end;
      } else {
        change.erased.push_back({place, place + 1});
      }
      continue;
    }
    BlockSet blocks = 0;
    if (snapshot.content->overlay != 0) {
      auto found = co_await reader_.FindBlocks(from, snapshot, from_chunk + i);
      if (!found.ok()) {
        co_return found.error();
      }
      blocks = *found;
    }
    if (blocks == 0) {
      change.shared[place] = (*ids)[i];
      continue;
    }
    const uint64_t start = geometry.StartOf(from_chunk + i);
    const uint64_t length = geometry.LengthIn(from_chunk + i, snapshot.content->size);
    auto pieces = co_await reader_.Read(from, snapshot, start, start + length, true);
    if (!pieces.ok()) {
      co_return pieces.error();
    }
    copied.Write(geometry.StartOf(place), JoinPieces(*pieces));
  }
  change.min_size = to_end;
  if (!copied.empty()) {
    change.data = &copied;
  }
  const Errno changed = co_await ChangeContent(to, std::move(change), false);
  co_return changed;
}

Task<FsResult<uint64_t>> FileManagerImpl::CopyBytes(const Pin& from, const Pin& to,
                                                    uint64_t from_offset, uint64_t to_offset,
                                                    uint64_t size) {
  uint64_t copied = 0;
  size = std::min(size, kMaxCopiedBytes);
  while (copied < size) {
    const uint64_t step = std::min(size - copied, kCopyStepBytes);
    auto pieces = co_await TryRead(from.get(), from_offset + copied, step, true);
    if (!pieces.ok()) {
      if (copied > 0) {
        break;
      }
      co_return pieces.error() == Errno(EAGAIN) ? Errno(EIO) : pieces.error();
    }
    const Bytes bytes = JoinPieces(*pieces);
    if (bytes.empty()) {
      break;
    }
    Errno room = co_await space_.Take(bytes.size());
    if (room.ok()) {
      room = co_await MakeRoom(bytes.size());
    }
    if (!room.ok()) {
      if (copied > 0) {
        break;
      }
      co_return room;
    }
    Buffer(to, to_offset + copied, bytes);
    copied += bytes.size();
  }
  co_return copied;
}

}  // namespace kvfs::fs
