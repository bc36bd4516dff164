// StoreItems: an ItemSource over a LocalStore, and the reading of items for users.
// Borrowed store; no state, so thread-safe.
#pragma once

#include "kvcore/replication/item_source.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

class StoreItems final : public ItemSource {
 public:
  explicit StoreItems(LocalStore* store) : store_(store) {}

  Result<std::optional<Bytes>> Read(ByteView key) override;
  Result<bool> Contains(ByteView key) override;
  Result<bool> AnyKey(ByteView begin, ByteView end,
                      const std::function<bool(ByteView)>& accept) override;

  // The item of a user's key, or nothing.
  Result<std::optional<Item>> Get(const ItemKey& key);
  // Items of pk with ck in [begin, end), an empty `end` meaning "to the last"; at most `limit`.
  Result<ScanPage> Scan(ByteView pk, ByteView begin, ByteView end, uint32_t limit);
  Result<ChunkInfo> GetChunkInfo(const ChunkId& id);

 private:
  LocalStore* const store_;
};

}  // namespace kvfs::replication
