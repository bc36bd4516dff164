#include "kvcore/replication/store_items.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {
namespace {

constexpr uint32_t kMaxScanItems = 10'000;
constexpr char kFirstUserCk = '\x01';
constexpr char kEndOfUserCks = '\xff';

// Nothing where users are to see no item.
Result<std::optional<Item>> DecodeItem(ByteView ck, ByteView stored) {
  KVFS_ASSIGN_OR_RETURN(versioning::VersionedValue value, versioning::Decode(stored));
  if (IsAbsent(value)) {
    return std::optional<Item>();
  }
  Item item;
  item.ck = Bytes(ck);
  item.version = IdOf(value);
  item.siblings = std::move(value.siblings);
  return std::optional<Item>(std::move(item));
}

}  // namespace

const Bytes& Item::value() const { return versioning::Winner(siblings).value; }

Result<std::optional<Bytes>> StoreItems::Read(ByteView key) {
  Result<Bytes> stored = store_->Get(key);
  if (stored.ok()) {
    return std::optional<Bytes>(std::move(*stored));
  }
  if (stored.status().code() == Code::kNotFound) {
    return std::optional<Bytes>();
  }
  return stored.status();
}

Result<bool> StoreItems::Contains(ByteView key) { return store_->Contains(key); }

Result<bool> StoreItems::AnyKey(ByteView begin, ByteView end,
                                const std::function<bool(ByteView)>& accept) {
  if (begin >= end) {
    return false;
  }
  const auto keys = store_->Scan(begin, end);
  for (; keys->Valid(); keys->Next()) {
    if (accept(keys->key())) {
      return true;
    }
  }
  KVFS_RETURN_IF_ERROR(keys->status());
  return false;
}

Result<std::optional<Item>> StoreItems::Get(const ItemKey& key) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(key.pk));
  KVFS_RETURN_IF_ERROR(CheckUserCk(key.ck));
  KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, Read(PkPrefix(key.pk) + key.ck));
  if (!stored.has_value()) {
    return std::optional<Item>();
  }
  return DecodeItem(key.ck, *stored);
}

Result<ScanPage> StoreItems::Scan(ByteView pk, ByteView begin, ByteView end, uint32_t limit) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(pk));
  const Bytes prefix = PkPrefix(pk);
  const ByteView first = std::max(begin, ByteView(&kFirstUserCk, 1));
  const ByteView last =
      end.empty() ? ByteView(&kEndOfUserCks, 1) : std::min(end, ByteView(&kEndOfUserCks, 1));
  limit = std::clamp(limit, 1u, kMaxScanItems);
  ScanPage page;
  if (first >= last) {
    return page;
  }
  const auto stored = store_->Scan(prefix + Bytes(first), prefix + Bytes(last));
  for (; stored->Valid(); stored->Next()) {
    if (page.items.size() == limit) {
      page.more = true;
      break;
    }
    KVFS_ASSIGN_OR_RETURN(std::optional<Item> item,
                          DecodeItem(stored->key().substr(prefix.size()), stored->value()));
    if (item.has_value()) {
      page.items.push_back(std::move(*item));
    }
  }
  KVFS_RETURN_IF_ERROR(stored->status());
  return page;
}

Result<ChunkInfo> StoreItems::GetChunkInfo(const ChunkId& id) {
  ChunkInfo info;
  const auto size = store_->SizeOf(ChunkDataKey(id));
  if (size.ok()) {
    info.present = true;
    info.raw_bytes = size->raw_bytes;
    info.stored_bytes = size->stored_bytes;
  } else if (size.status().code() != Code::kNotFound) {
    return size.status();
  }
  const auto [begin, end] = ChunkRefRange(id);
  const auto refs = store_->Scan(begin, end);
  for (; refs->Valid(); refs->Next()) {
    ++info.references;
  }
  KVFS_RETURN_IF_ERROR(refs->status());
  return info;
}

}  // namespace kvfs::replication
