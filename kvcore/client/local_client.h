// LocalClient: the Client where the primary of every partition is this process.
//
// Owned by the node; what it is built from is borrowed and outlives it. Thread-safe;
// reads never lock, they see what the last Apply left.
#pragma once

#include "kvcore/client/client.h"
#include "kvcore/env/clock.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/number_source.h"
#include "kvcore/replication/primary.h"
#include "kvcore/replication/store_items.h"
#include "kvcore/versioning/hybrid_clock.h"

namespace kvfs::client {

// Inode numbers are (grant << 32) + a counter of this node below 2^32. Grant 0 is nobody's, so the
// root's number, 1, is never given out.
inline constexpr int kInodeCounterBits = 32;

class LocalClient final : public Client {
 public:
  struct Parts {
    replication::LocalStore* store = nullptr;
    replication::Primary* primary = nullptr;
    replication::NumberSource* inodes = nullptr;
    versioning::HybridClock* hybrid_clock = nullptr;
    env::Clock* clock = nullptr;
  };
  LocalClient(StoreInfo info, const Parts& parts);

  const StoreInfo& info() const override { return info_; }
  Task<CommitResult> Submit(Commit commit) override;
  Task<Result<std::optional<Item>>> Get(ItemKey key) override;
  Task<Result<std::vector<std::optional<Item>>>> GetMany(std::vector<ItemKey> keys) override;
  Task<Result<ScanPage>> Scan(Bytes pk, Bytes begin, Bytes end, uint32_t limit) override;
  Task<Result<Bytes>> ReadChunk(ChunkId id, uint64_t offset, uint64_t size) override;
  Task<Result<ChunkInfo>> GetChunkInfo(ChunkId id) override;
  Task<Status> Sync() override;
  Task<Result<uint64_t>> AllocateInode() override;
  Task<Result<std::vector<WorkItem>>> DueWork(int64_t now_millis, uint32_t limit) override;
  Task<Result<SpaceInfo>> Space() override;
  HybridTime Now() override;

 private:
  const StoreInfo info_;
  const Parts parts_;
  replication::StoreItems items_;
};

}  // namespace kvfs::client
