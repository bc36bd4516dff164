#include "fs/vfs/content_reader.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "fs/meta/keys.h"

namespace kvfs::fs {

void AppendPiece(ReadPieces* pieces, std::shared_ptr<const Bytes> buffer, uint64_t offset,
                 uint64_t size) {
  const uint64_t there =
      buffer && offset < buffer->size() ? std::min<uint64_t>(size, buffer->size() - offset) : 0;
  if (there > 0) {
    pieces->push_back({std::move(buffer), offset, there});
  }
  if (there < size) {
    pieces->push_back({nullptr, 0, size - there});
  }
}

Bytes JoinPieces(const ReadPieces& pieces) {
  size_t size = 0;
  for (const ReadPiece& piece : pieces) {
    size += piece.size;
  }
  Bytes bytes;
  bytes.reserve(size);
  for (const ReadPiece& piece : pieces) {
    if (piece.buffer) {
      bytes.append(*piece.buffer, piece.offset, piece.size);
    } else {
      bytes.append(piece.size, '\0');
    }
  }
  return bytes;
}

Task<FsResult<ReadPieces>> ContentReader::Read(FileState* state, Snapshot snapshot, uint64_t begin,
                                               uint64_t end, bool whole) {
  const Geometry& geometry = chunks_->geometry();
  ReadPieces pieces;
  if (!snapshot.content->chunked) {
    AppendPiece(&pieces, snapshot.inline_bytes, begin, end - begin);
    co_return pieces;
  }
  const uint64_t first = geometry.ChunkOf(begin);
  const uint64_t count = geometry.ChunkCount(end) - first;
  auto ids = co_await chunks_->FindChunks(&snapshot.content->tree, first, count);
  if (!ids.ok()) {
    co_return ToErrno(ids.error());
  }
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t start = geometry.StartOf(first + i);
    const uint64_t from = std::max(begin, start);
    const uint64_t to = std::min(end, start + geometry.chunk_bytes);
    if ((*ids)[i] == kHole) {
      AppendPiece(&pieces, nullptr, 0, to - from);
      continue;
    }
    auto part = co_await ReadInChunk(state, snapshot, (*ids)[i], from, to, whole);
    if (!part.ok()) {
      co_return part.error();
    }
    pieces.insert(pieces.end(), std::make_move_iterator(part->begin()),
                  std::make_move_iterator(part->end()));
  }
  co_return pieces;
}

Task<FsResult<ReadPieces>> ContentReader::ReadInChunk(FileState* state, Snapshot snapshot,
                                                      ChunkId id, uint64_t begin, uint64_t end,
                                                      bool whole) {
  const Geometry& geometry = chunks_->geometry();
  const uint64_t chunk = geometry.ChunkOf(begin);
  const uint64_t start = geometry.StartOf(chunk);
  BlockSet blocks = 0;
  if (snapshot.content->overlay != 0) {
    auto found = co_await FindBlocks(state, snapshot, chunk);
    if (!found.ok()) {
      co_return found.error();
    }
    blocks = *found & BlocksOf(begin - start, end - start);
  }
  if (blocks == 0) {
    auto base = co_await ReadBase(id, begin - start, end - start, whole);
    co_return base;
  }
  auto items = co_await ReadBlocks(&snapshot, start / kBlockBytes, blocks);
  if (!items.ok()) {
    co_return items.error();
  }
  ReadPieces pieces;
  size_t next_item = 0;
  uint64_t at = begin - start;
  const uint64_t stop = end - start;
  while (at < stop) {
    const uint64_t block = at / kBlockBytes;
    if ((blocks >> block & 1) != 0) {
      const client::Item& item = (*items)[next_item++];
      const uint64_t to = std::min(stop, (block + 1) * kBlockBytes);
      AppendPiece(&pieces, std::make_shared<const Bytes>(item.value()), at - block * kBlockBytes,
                  to - at);
      at = to;
      continue;
    }
    uint64_t to = at;
    while (to < stop && (blocks >> (to / kBlockBytes) & 1) == 0) {
      to = std::min(stop, (to / kBlockBytes + 1) * kBlockBytes);
    }
    auto base = co_await ReadBase(id, at, to, whole);
    if (!base.ok()) {
      co_return base.error();
    }
    pieces.insert(pieces.end(), std::make_move_iterator(base->begin()),
                  std::make_move_iterator(base->end()));
    at = to;
  }
  co_return pieces;
}

Task<FsResult<std::vector<client::Item>>> ContentReader::ReadBlocks(const Snapshot* snapshot,
                                                                    uint64_t first_block,
                                                                    BlockSet blocks) {
  // From here on walking over them is cheaper than asking for each.
  constexpr int kScanned = 4;
  const auto key = [&](int block) {
    return keys::Block(snapshot->ref.ino, snapshot->content->overlay,
                       first_block + static_cast<uint64_t>(block));
  };
  const Bytes pk = keys::DirectoryPk(snapshot->ref.home);
  std::vector<client::Item> items;
  if (std::popcount(blocks) >= kScanned) {
    const uint32_t limit = chunks_->geometry().BlocksPerChunk() + 1;
    auto page = co_await client_->Scan(pk, key(std::countr_zero(blocks)),
                                       key(static_cast<int>(std::bit_width(blocks))), limit);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    for (client::Item& item : page->items) {
      const auto block = keys::ParseBlock(item.ck);
      if (!block) {
        co_return Errno(EIO);
      }
      if ((blocks >> (*block - first_block) & 1) != 0) {
        items.push_back(std::move(item));
      }
    }
  } else {
    std::vector<client::ItemKey> wanted;
    for (BlockSet left = blocks; left != 0; left &= left - 1) {
      wanted.push_back({pk, key(std::countr_zero(left))});
    }
    auto found = co_await client_->GetMany(std::move(wanted));
    if (!found.ok()) {
      co_return ToErrno(found.error());
    }
    for (std::optional<client::Item>& item : *found) {
      if (item) {
        items.push_back(std::move(*item));
      }
    }
  }
  if (static_cast<int>(items.size()) != std::popcount(blocks)) {
    co_return Errno(ENOENT);  // folded meanwhile
  }
  co_return items;
}

Task<FsResult<ReadPieces>> ContentReader::ReadBase(ChunkId id, uint64_t begin, uint64_t end,
                                                   bool whole) {
  ReadPieces pieces;
  if (whole || end - begin > ChunkCache::kPartBytes) {
    auto bytes = co_await chunks_->ReadWhole(id);
    if (!bytes.ok()) {
      co_return ToErrno(bytes.error());
    }
    AppendPiece(&pieces, std::move(*bytes), begin, end - begin);
    co_return pieces;
  }
  while (begin < end) {
    const uint32_t number = static_cast<uint32_t>(begin / ChunkCache::kPartBytes);
    const uint64_t to = std::min(end, (uint64_t{number} + 1) * ChunkCache::kPartBytes);
    auto part = co_await chunks_->ReadPart(id, number);
    if (!part.ok()) {
      co_return ToErrno(part.error());
    }
    AppendPiece(&pieces, std::move(part->bytes), begin - part->offset, to - begin);
    begin = to;
  }
  co_return pieces;
}

Task<FsResult<BlockSet>> ContentReader::FindBlocks(FileState* state, Snapshot snapshot,
                                                   uint64_t chunk) {
  {
    std::lock_guard lock(state->mutex);
    if (state->sequence == snapshot.sequence) {
      if (const auto known = state->overlay.Find(chunk)) {
        co_return *known;
      }
    }
  }
  const Geometry& geometry = chunks_->geometry();
  const uint64_t first = chunk * geometry.BlocksPerChunk();
  auto page = co_await client_->Scan(
      keys::DirectoryPk(snapshot.ref.home),
      keys::Block(snapshot.ref.ino, snapshot.content->overlay, first),
      keys::Block(snapshot.ref.ino, snapshot.content->overlay, first + geometry.BlocksPerChunk()),
      geometry.BlocksPerChunk() + 1);
  if (!page.ok()) {
    co_return ToErrno(page.error());
  }
  BlockSet blocks = 0;
  for (const client::Item& item : page->items) {
    const auto block = keys::ParseBlock(item.ck);
    if (!block) {
      co_return Errno(EIO);
    }
    blocks |= BlockSet{1} << (*block - first);
  }
  std::lock_guard lock(state->mutex);
  if (state->sequence == snapshot.sequence) {
    state->overlay.Set(chunk, blocks);
  }
  co_return blocks;
}

}  // namespace kvfs::fs
