#include "fs/vfs/chunk_reader.h"

namespace kvfs::fs {
namespace {

constexpr size_t kStripes = 64;

}  // namespace

ChunkReader::ChunkReader(client::Client* client, env::Scheduler* scheduler,
                         const Geometry& geometry, uint64_t cache_bytes)
    : client_(client), geometry_(geometry), cache_(cache_bytes) {
  for (size_t i = 0; i < kStripes; ++i) {
    reading_.push_back(std::make_unique<env::AsyncMutex>(scheduler));
  }
}

Task<Result<ChunkCache::Entry>> ChunkReader::ReadThrough(ChunkId id, uint32_t part) {
  auto guard = co_await reading_[id[0] % kStripes]->Lock();
  if (ChunkCache::Entry cached = cache_.Find(id, part)) {
    co_return cached;
  }
  const bool whole = part == ChunkCache::kWhole;
  auto bytes = co_await client_->ReadChunk(
      id, whole ? 0 : uint64_t{part} * ChunkCache::kPartBytes,
      whole ? std::max<uint64_t>(geometry_.chunk_bytes, geometry_.fan_out * sizeof(ChunkId))
            : ChunkCache::kPartBytes);
  if (!bytes.ok()) {
    co_return bytes.error();
  }
  auto entry = std::make_shared<const Bytes>(std::move(*bytes));
  cache_.Insert(id, part, entry);
  co_return ChunkCache::Entry(std::move(entry));
}

Task<Result<ChunkCache::Entry>> ChunkReader::ReadWhole(ChunkId id) {
  if (ChunkCache::Entry cached = cache_.Find(id, ChunkCache::kWhole)) {
    co_return cached;
  }
  auto read = co_await ReadThrough(id, ChunkCache::kWhole);
  co_return read;
}

Task<Result<ChunkReader::Part>> ChunkReader::ReadPart(ChunkId id, uint32_t part) {
  if (ChunkCache::Entry cached = cache_.Find(id, ChunkCache::kWhole)) {
    co_return Part{std::move(cached), 0};
  }
  const uint64_t offset = uint64_t{part} * ChunkCache::kPartBytes;
  if (ChunkCache::Entry cached = cache_.Find(id, part)) {
    co_return Part{std::move(cached), offset};
  }
  auto read = co_await ReadThrough(id, part);
  if (!read.ok()) {
    co_return read.error();
  }
  co_return Part{std::move(*read), offset};
}

Task<Status> ChunkReader::Fetch(NodeSet* nodes) {
  for (const ChunkId& id : nodes->missing()) {
    auto bytes = co_await ReadWhole(id);
    if (!bytes.ok()) {
      co_return bytes.error();
    }
    if (Status status = nodes->Add(id, std::move(*bytes)); !status.ok()) {
      co_return status;
    }
  }
  nodes->ClearMissing();
  co_return Status::Ok();
}

Task<Result<std::vector<ChunkId>>> ChunkReader::FindChunks(const ChunkTree* tree, uint64_t first,
                                                           uint64_t count) {
  NodeSet nodes(geometry_.fan_out);
  while (true) {
    auto found = fs::FindChunks(geometry_, *tree, first, count, &nodes);
    if (found) {
      co_return std::move(*found);
    }
    const Status status = co_await Fetch(&nodes);
    if (!status.ok()) {
      co_return status;
    }
  }
}

}  // namespace kvfs::fs
