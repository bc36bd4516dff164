// FileManager: reading, seeking, read-ahead.

#include <algorithm>

#include "fs/meta/posix.h"
#include "fs/vfs/file_manager_impl.h"

namespace kvfs::fs {
namespace {

// A published version can be replaced while it is read; after so many, changes have to wait.
constexpr int kUnlockedReads = 4;

}  // namespace

Task<FsResult<ReadPieces>> FileManagerImpl::Read(InodeRef ref, uint64_t offset, uint64_t size) {
  auto pin = co_await AcquireLoaded(ref);
  if (!pin.ok()) {
    co_return pin.error();
  }
  FileState* state = pin->get();
  const bool in_order = NoteRead(*pin, offset, offset + size);
  for (int attempt = 0; attempt < kUnlockedReads; ++attempt) {
    auto pieces = co_await TryRead(state, offset, size, in_order);
    if (pieces.ok() || pieces.error() != Errno(EAGAIN)) {
      co_return pieces;
    }
  }
  auto guard = co_await state->publishing.Lock();
  // Perhaps it is another mount that has replaced it.
  const Errno reloaded = co_await publisher_.Reload(state);
  if (!reloaded.ok()) {
    co_return reloaded;
  }
  auto pieces = co_await TryRead(state, offset, size, in_order);
  if (!pieces.ok() && pieces.error() == Errno(EAGAIN)) {
    co_return Errno(EIO);  // nothing moves any more, and a chunk is still missing
  }
  co_return pieces;
}

// EAGAIN: the content changed meanwhile, read again.
Task<FsResult<ReadPieces>> FileManagerImpl::TryRead(FileState* state, uint64_t offset,
                                                    uint64_t size, bool whole) {
  // Buffered bytes by place; the newest generation wins.
  WriteBuffer buffered(chunks_.geometry().chunk_bytes);
  Snapshot snapshot;
  uint64_t end = 0;
  {
    std::lock_guard lock(state->mutex);
    if (state->gone) {
      co_return Errno(ESTALE);
    }
    end = std::min(offset + size, state->EffectiveSize());
    if (offset >= end) {
      co_return ReadPieces();
    }
    for (const auto& generation : state->dirty) {
      generation->buffer.ForEach(offset, end,
                                 [&](uint64_t at, ByteView bytes) { buffered.Write(at, bytes); });
    }
    snapshot = state->TakeSnapshot();
  }
  std::vector<ReadPiece> runs;  // buffered, ascending
  std::vector<uint64_t> starts;
  buffered.ForEach(offset, end, [&](uint64_t at, ByteView bytes) {
    runs.push_back({std::make_shared<const Bytes>(bytes), 0, bytes.size()});
    starts.push_back(at);
  });
  ReadPieces pieces;
  uint64_t at = offset;
  for (size_t next = 0; at < end;) {
    if (next < runs.size() && starts[next] == at) {
      at += runs[next].size;
      pieces.push_back(std::move(runs[next++]));
      continue;
    }
    const uint64_t gap_end = next < runs.size() ? starts[next] : end;
    auto part = co_await reader_.Read(state, snapshot, at, gap_end, whole);
    if (!part.ok()) {
      co_return part.error() == Errno(ENOENT) ? Errno(EAGAIN) : part.error();
    }
    pieces.insert(pieces.end(), std::make_move_iterator(part->begin()),
                  std::make_move_iterator(part->end()));
    at = gap_end;
  }
  if (snapshot.content->overlay != 0) {
    // Blocks are replaced in place: what was read is one version only if nothing was published.
    std::lock_guard lock(state->mutex);
    if (state->sequence != snapshot.sequence) {
      co_return Errno(EAGAIN);
    }
  }
  co_return pieces;
}

// Notes the read; true if the file is being read in order. Starts read-ahead then.
bool FileManagerImpl::NoteRead(const Pin& pin, uint64_t offset, uint64_t end) {
  const Geometry& geometry = chunks_.geometry();
  uint64_t first = 0;
  uint64_t count = 0;
  {
    std::lock_guard lock(pin->mutex);
    // The kernel's own read-ahead may ask slightly out of order.
    const uint64_t slack = geometry.chunk_bytes;
    const bool follows = offset + slack >= pin->next_read && offset <= pin->next_read + slack;
    pin->reads_in_order = follows ? pin->reads_in_order + 1 : 0;
    pin->next_read = end;
    if (!follows) {
      pin->fetched_up_to = 0;
    }
    const bool from_start = offset == 0 && end >= geometry.chunk_bytes;
    if (pin->reads_in_order < 2 && !from_start) {
      return false;
    }
    if (options_.read_ahead_chunks == 0 || !pin->content->chunked) {
      return true;
    }
    const uint64_t chunks = geometry.ChunkCount(pin->content->size);
    first = std::max(pin->fetched_up_to, geometry.ChunkCount(end));
    const uint64_t until = std::min(chunks, geometry.ChunkCount(end) + options_.read_ahead_chunks);
    if (first >= until) {
      return true;
    }
    count = until - first;
    pin->fetched_up_to = until;
  }
  auto shared_pin = std::make_shared<Pin>(pin.Again());
  background_.Post(env::Priority::kBackground, [this, shared_pin, first, count] {
    return ReadAhead(std::move(*shared_pin), first, count);
  });
  return true;
}

Task<void> FileManagerImpl::ReadAhead(Pin pin, uint64_t first, uint64_t count) {
  Snapshot snapshot;
  {
    std::lock_guard lock(pin->mutex);
    snapshot = pin->TakeSnapshot();
  }
  auto ids = co_await chunks_.FindChunks(&snapshot.content->tree, first, count);
  if (!ids.ok()) {
    co_return;  // whoever reads will be told
  }
  for (const ChunkId& id : *ids) {
    if (id != kHole) {
      auto bytes = co_await chunks_.ReadWhole(id);
      if (!bytes.ok()) {
        co_return;
      }
    }
  }
}

Task<FsResult<uint64_t>> FileManagerImpl::Seek(InodeRef ref, uint64_t offset, int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    co_return Errno(EINVAL);
  }
  auto pin = co_await AcquireLoaded(ref);
  if (!pin.ok()) {
    co_return pin.error();
  }
  FileState* state = pin->get();
  auto ops = co_await state->ops.Lock();
  {
    std::lock_guard lock(state->mutex);
    if (offset >= state->EffectiveSize()) {
      co_return Errno(ENXIO);
    }
  }
  // What is buffered counts as data; published, it has one form to be searched.
  const Errno published = co_await PublishDirty(state, Extent::kAll, false);
  if (!published.ok()) {
    co_return published;
  }
  auto found = co_await SeekPublished(state, offset, whence);
  co_return found;
}

// REQUIRES: ops held, nothing buffered.
Task<FsResult<uint64_t>> FileManagerImpl::SeekPublished(FileState* state, uint64_t offset,
                                                        int whence) {
  const Geometry& geometry = chunks_.geometry();
  Snapshot snapshot;
  {
    std::lock_guard lock(state->mutex);
    snapshot = state->TakeSnapshot();
  }
  const Content& content = *snapshot.content;
  if (offset >= content.size) {
    co_return Errno(ENXIO);
  }
  if (!content.chunked) {
    co_return whence == SEEK_DATA ? offset : content.size;
  }
  NodeSet nodes(geometry.fan_out);
  const uint64_t from = geometry.ChunkOf(offset);
  while (true) {
    const auto found = whence == SEEK_DATA ? NextData(geometry, content.tree, from, &nodes)
                                           : NextHole(geometry, content.tree, from, &nodes);
    if (found) {
      const uint64_t at =
          *found == kNoChunk ? content.size : std::max(offset, geometry.StartOf(*found));
      if (whence == SEEK_DATA && at >= content.size) {
        co_return Errno(ENXIO);
      }
      co_return std::min(at, content.size);
    }
    const Status fetched = co_await chunks_.Fetch(&nodes);
    if (!fetched.ok()) {
      co_return ToErrno(fetched) == Errno(ENOENT) ? Errno(EIO) : ToErrno(fetched);
    }
  }
}

}  // namespace kvfs::fs
