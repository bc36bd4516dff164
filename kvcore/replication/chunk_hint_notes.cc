// The part of ChunkHome that remembers which chunks other homes miss.
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

constexpr char kHintName[] = "chunk-hint";

Bytes HintKey(const ChunkId& id) { return NodeLocalKey(kHintName + Bytes(AsBytes(id))); }

Result<ChunkHome::Hint> DecodeHint(const StoreIterator& entry, size_t prefix_bytes) {
  ChunkHome::Hint hint;
  KVFS_ASSIGN_OR_RETURN(hint.id, ChunkIdOf(entry.key().substr(prefix_bytes)));
  ByteView value = entry.value();
  if (!GetFixed64(&value, &hint.number) || !value.empty()) {
    return Status::Corruption("note of a chunk that others miss: malformed");
  }
  return hint;
}

}  // namespace

Result<std::vector<ChunkHome::Hint>> ChunkHome::Hints(const ChunkId& after, size_t limit) {
  std::vector<Hint> hints;
  const Bytes prefix = NodeLocalKey(kHintName);
  const Bytes begin = after == ChunkId{} ? prefix : HintKey(after) + '\0';
  const auto entries = store_->Scan(begin, PrefixEnd(prefix));
  for (; entries->Valid() && hints.size() < limit; entries->Next()) {
    KVFS_ASSIGN_OR_RETURN(const Hint hint, DecodeHint(*entries, prefix.size()));
    hints.push_back(hint);
  }
  KVFS_RETURN_IF_ERROR(entries->status());
  return hints;
}

Result<bool> ChunkHome::HasHint(const ChunkId& id) { return store_->Contains(HintKey(id)); }

Result<uint64_t> ChunkHome::HintCount() {
  std::lock_guard lock(hints_mutex_);
  if (!hint_count_.has_value()) {
    uint64_t count = 0;
    const Bytes prefix = NodeLocalKey(kHintName);
    const auto entries = store_->Scan(prefix, PrefixEnd(prefix));
    for (; entries->Valid(); entries->Next()) {
      ++count;
    }
    KVFS_RETURN_IF_ERROR(entries->status());
    hint_count_ = count;
  }
  return *hint_count_;
}

Result<StoreWrite> ChunkHome::NoteHint(const ChunkId& id, uint64_t number) {
  KVFS_ASSIGN_OR_RETURN(const bool is_noted, store_->Contains(HintKey(id)));
  if (!is_noted) {
    KVFS_ASSIGN_OR_RETURN(const uint64_t count, HintCount());
    if (count >= options_.max_hints) {
      return Status::NoSpace(
          "no majority of a chunk's homes answers, and this one keeps as many "
          "for others as it may (max_hints)");
    }
    std::lock_guard lock(hints_mutex_);
    ++*hint_count_;
  }
  StoreWrite note;
  note.key = HintKey(id);
  PutFixed64(&note.value, number);
  return note;
}

Result<std::vector<pb::PutChunkRequest>> ChunkHome::PutsOf(const ChunkId& id) {
  std::map<PkState, pb::PutChunkRequest> puts;
  const auto [begin, end] = ChunkRefRange(id);
  const auto entries = store_->Scan(begin, end);
  for (; entries->Valid(); entries->Next()) {
    KVFS_ASSIGN_OR_RETURN(const ParsedKey key, ParseKey(entries->key(), false));
    KVFS_ASSIGN_OR_RETURN(const ChunkRef ref, DecodeRefCk(key.ck));
    KVFS_ASSIGN_OR_RETURN(const PkState stamp, StampOf(entries->value()));
    *puts[stamp].add_refs() = ToProto(ref);
  }
  KVFS_RETURN_IF_ERROR(entries->status());
  std::vector<pb::PutChunkRequest> requests;
  if (puts.empty()) {
    return requests;
  }
  KVFS_ASSIGN_OR_RETURN(const Bytes data, store_->Get(ChunkDataKey(id)));
  for (auto& [stamp, put] : puts) {
    put.set_id(Bytes(AsBytes(id)));
    put.set_data(data);
    put.set_has_data(true);
    *put.mutable_stamp() = ToProto(stamp);
    requests.push_back(std::move(put));
  }
  return requests;
}

Task<Status> ChunkHome::ForgetHint(Hint hint) {
  auto guard = co_await StripeOf(hint.id).Lock();
  const auto stored = store_->Get(HintKey(hint.id));
  if (!stored.ok()) {
    co_return stored.status().code() == Code::kNotFound ? Status::Ok() : stored.status();
  }
  ByteView value = *stored;
  uint64_t number = 0;
  if (!GetFixed64(&value, &number) || number != hint.number) {
    co_return Status::Ok();
  }
  std::vector<StoreWrite> writes(1);
  writes[0].kind = StoreWrite::Kind::kDelete;
  writes[0].key = HintKey(hint.id);
  KVFS_CO_RETURN_IF_ERROR(store_->Apply(std::move(writes), {.may_use_reserve = true}).status());
  std::lock_guard lock(hints_mutex_);
  if (hint_count_.has_value() && *hint_count_ > 0) {
    --*hint_count_;
  }
  co_return Status::Ok();
}

}  // namespace kvfs::replication
