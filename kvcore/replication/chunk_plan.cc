#include "kvcore/replication/chunk_plan.h"

#include <algorithm>
#include <utility>

#include "kvcore/versioning/merge.h"

namespace kvfs::replication {
namespace {

using versioning::VersionedValue;

Bytes After(ByteView key) {
  Bytes next(key);
  next.push_back('\0');
  return next;
}

// Whether a reference stays when those with `dropped` (sorted keys) are gone. References are
// usually dropped in ascending order, so the search begins behind the last one: the keys before it
// may be the deleted ones of a thousand other files.
Result<bool> OthersRemain(const ChunkId& id, const std::vector<Bytes>& dropped, ItemSource* items) {
  const auto [begin, end] = ChunkRefRange(id);
  const auto stays = [&](ByteView key) {
    return !std::binary_search(dropped.begin(), dropped.end(), key);
  };
  KVFS_ASSIGN_OR_RETURN(const bool behind, items->AnyKey(After(dropped.back()), end, stays));
  if (behind) {
    return true;
  }
  return items->AnyKey(begin, dropped.back(), stays);
}

Status PutReference(Bytes key, const ChunkContext& context, ItemSource* items,
                    std::vector<StoreWrite>* writes) {
  Bytes encoded;
  if (context.one_actor) {
    versioning::EncodeLone(context.dot, context.time, context.reference, &encoded);
  } else {
    VersionedValue current;
    KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, items->Read(key));
    if (stored.has_value()) {
      KVFS_ASSIGN_OR_RETURN(current, versioning::Decode(*stored));
    }
    versioning::Encode(Supersede(current, {context.dot, context.time, false, context.reference}),
                       &encoded);
  }
  StoreWrite& write = writes->emplace_back();
  write.key = std::move(key);
  write.value = std::move(encoded);
  return Status::Ok();
}

void Delete(Bytes key, StoreWrite::Kind kind, std::vector<StoreWrite>* writes) {
  StoreWrite& write = writes->emplace_back();
  write.kind = kind;
  write.key = std::move(key);
}

std::vector<Bytes> SortedKeys(const ChunkId& id, const std::vector<ChunkRef>& refs) {
  std::vector<Bytes> keys;
  keys.reserve(refs.size());
  for (const ChunkRef& ref : refs) {
    keys.push_back(ChunkRefKey(id, ref));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

}  // namespace

std::vector<ChunkChange> GroupByChunk(const std::vector<ChunkPut>& puts,
                                      const std::vector<ChunkDrop>& drops) {
  // (id, position in puts, or past them in drops), sorted, brings each chunk's changes together.
  std::vector<std::pair<const ChunkId*, size_t>> order;
  order.reserve(puts.size() + drops.size());
  for (size_t i = 0; i < puts.size(); ++i) {
    order.emplace_back(&puts[i].id, i);
  }
  for (size_t i = 0; i < drops.size(); ++i) {
    order.emplace_back(&drops[i].id, puts.size() + i);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return *a.first != *b.first ? *a.first < *b.first : a.second < b.second;
  });
  std::vector<ChunkChange> changes;
  for (const auto& [id, at] : order) {
    if (changes.empty() || changes.back().id != *id) {
      changes.emplace_back().id = *id;
    }
    ChunkChange& change = changes.back();
    if (at < puts.size()) {
      change.puts.push_back(puts[at].ref);
      if (puts[at].data.has_value()) {
        change.data = puts[at].data;
      }
    } else {
      change.drops.push_back(drops[at - puts.size()].ref);
    }
  }
  return changes;
}

Status PlanChunk(const ChunkContext& context, ItemSource* items, ChunkChange* change,
                 std::vector<StoreWrite>* writes) {
  const std::vector<Bytes> dropped = SortedKeys(change->id, change->drops);
  bool keeps_reference = false;
  if (!change->puts.empty()) {
    KVFS_ASSIGN_OR_RETURN(const bool exists, items->Contains(ChunkDataKey(change->id)));
    if (!exists && !change->data.has_value()) {
      return Status::NotFound("chunk " + ToHex(AsBytes(change->id)) + " is not in the store");
    }
    for (Bytes& key : SortedKeys(change->id, change->puts)) {
      if (!std::binary_search(dropped.begin(), dropped.end(), key)) {
        KVFS_RETURN_IF_ERROR(PutReference(std::move(key), context, items, writes));
        keeps_reference = true;
      }
    }
    if (keeps_reference && !exists) {
      StoreWrite& write = writes->emplace_back();
      write.key = ChunkDataKey(change->id);
      if (change->staged.has_value()) {
        write.kind = StoreWrite::Kind::kPutStaged;
        write.value = *change->staged;
        change->staged_is_used = true;
      } else {
        write.kind = StoreWrite::Kind::kPutLarge;
        write.large = *change->data;
      }
    }
  }
  if (dropped.empty()) {
    return Status::Ok();
  }
  for (const Bytes& key : dropped) {
    Delete(key, StoreWrite::Kind::kDelete, writes);
  }
  if (keeps_reference) {
    return Status::Ok();
  }
  KVFS_ASSIGN_OR_RETURN(const bool others, OthersRemain(change->id, dropped, items));
  if (!others) {
    Delete(ChunkDataKey(change->id), StoreWrite::Kind::kDeleteLarge, writes);
  }
  return Status::Ok();
}

}  // namespace kvfs::replication
