#include "kvcore/client/local_client.h"

#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::client {

LocalClient::LocalClient(StoreInfo info, const Parts& parts)
    : info_(std::move(info)), parts_(parts), items_(parts.store) {}

Task<CommitResult> LocalClient::Submit(Commit commit) {
  return parts_.primary->Submit(std::move(commit));
}

Task<Result<std::optional<Item>>> LocalClient::Get(ItemKey key) { co_return items_.Get(key); }

Task<Result<std::vector<std::optional<Item>>>> LocalClient::GetMany(std::vector<ItemKey> keys) {
  std::vector<std::optional<Item>> found;
  found.reserve(keys.size());
  for (const ItemKey& key : keys) {
    KVFS_CO_ASSIGN_OR_RETURN(auto item, items_.Get(key));
    found.push_back(std::move(item));
  }
  co_return found;
}

Task<Result<ScanPage>> LocalClient::Scan(Bytes pk, Bytes begin, Bytes end, uint32_t limit) {
  co_return items_.Scan(pk, begin, end, limit);
}

Task<Result<Bytes>> LocalClient::ReadChunk(ChunkId id, uint64_t offset, uint64_t size) {
  co_return parts_.store->GetRange(replication::ChunkDataKey(id), offset, size);
}

Task<Result<ChunkInfo>> LocalClient::GetChunkInfo(ChunkId id) { co_return items_.GetChunkInfo(id); }

Task<Status> LocalClient::Sync() { return parts_.store->Sync(parts_.store->LastPosition()); }

Task<Result<uint64_t>> LocalClient::AllocateInode() { return parts_.inodes->Take(1); }

Task<Result<std::vector<WorkItem>>> LocalClient::DueWork(int64_t now_millis, uint32_t limit) {
  return parts_.primary->DueWork(now_millis, limit);
}

Task<Result<SpaceInfo>> LocalClient::Space() {
  KVFS_CO_ASSIGN_OR_RETURN(const auto space, parts_.store->GetSpace());
  co_return SpaceInfo{space.total_bytes, space.available_bytes};
}

HybridTime LocalClient::Now() {
  return parts_.hybrid_clock->Now(parts_.clock->WallNanos() / 1'000'000);
}

}  // namespace kvfs::client
