#include "kvcore/replication/chunk_home.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "kvcore/replication/chunk_plan.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/store_items.h"

namespace kvfs::replication {
namespace {

constexpr size_t kStripes = 64;
// Synced puts up to this go into the log with their reference: one fdatasync makes both durable.
constexpr size_t kInlineSyncBytes = 64u << 10;

Status Bad(const char* what) {
  return Status::InvalidArgument(std::string("message of a peer: ") + what);
}

}  // namespace

Result<PkState> StampOf(ByteView stored) {
  KVFS_ASSIGN_OR_RETURN(const versioning::VersionedValue value, versioning::Decode(stored));
  if (value.siblings.empty() || value.siblings[0].value.empty()) {
    return PkState{};
  }
  return DecodePkState(value.siblings[0].value);
}

pb::ChunkRef ToProto(const ChunkRef& ref) {
  pb::ChunkRef proto;
  proto.set_home(ref.home);
  proto.set_ino(ref.ino);
  proto.set_level(ref.level);
  proto.set_position(ref.position);
  return proto;
}

Result<ChunkId> ChunkIdOf(ByteView bytes) {
  ChunkId id;
  if (bytes.size() != id.size()) {
    return Bad("no hash of a chunk");
  }
  std::memcpy(id.data(), bytes.data(), id.size());
  return id;
}

Result<std::vector<ChunkRef>> RefsOf(const google::protobuf::RepeatedPtrField<pb::ChunkRef>& refs) {
  std::vector<ChunkRef> found;
  found.reserve(static_cast<size_t>(refs.size()));
  for (const pb::ChunkRef& ref : refs) {
    if (ref.level() > 0xff) {
      return Bad("a level that cannot be");
    }
    found.push_back({ref.home(), ref.ino(), static_cast<uint8_t>(ref.level()), ref.position()});
  }
  return found;
}

ChunkHome::ChunkHome(uint64_t storage_epoch, LocalStore* store, NumberSource* dots,
                     env::Scheduler* scheduler, const ChunkHomeOptions& options)
    : options_(options), storage_epoch_(storage_epoch), store_(store), dots_(dots) {
  for (size_t i = 0; i < kStripes; ++i) {
    stripes_.push_back(std::make_unique<env::AsyncMutex>(scheduler));
  }
}

Result<std::vector<ChunkRef>> ChunkHome::WithoutLater(const ChunkId& id,
                                                      const std::vector<ChunkRef>& refs,
                                                      const PkState& stamp, bool or_equal) {
  std::vector<ChunkRef> rest;
  for (const ChunkRef& ref : refs) {
    const auto stored = store_->Get(ChunkRefKey(id, ref));
    if (stored.ok()) {
      KVFS_ASSIGN_OR_RETURN(const PkState present, StampOf(*stored));
      if (present > stamp || (or_equal && present == stamp)) {
        continue;
      }
    } else if (stored.status().code() != Code::kNotFound) {
      return stored.status();
    }
    rest.push_back(ref);
  }
  return rest;
}

Task<Result<pb::PutChunkReply>> ChunkHome::Put(pb::PutChunkRequest request) {
  ChunkChange change;
  KVFS_CO_ASSIGN_OR_RETURN(change.id, ChunkIdOf(request.id()));
  KVFS_CO_ASSIGN_OR_RETURN(const auto refs, RefsOf(request.refs()));
  const PkState stamp = FromProto(request.stamp());
  if (refs.empty() || (request.has_data() && Sha256(request.data()) != change.id)) {
    co_return Bad(refs.empty() ? "a chunk that nobody refers to"
                               : "bytes of a chunk that do not have its hash");
  }
  Status admitted = co_await store_->Admit(request.data().size() + 200 * refs.size());
  KVFS_CO_RETURN_IF_ERROR(admitted);
  KVFS_CO_ASSIGN_OR_RETURN(const uint64_t counter, co_await dots_->Take(1));
  if (request.has_data()) {
    change.data = request.data();
    KVFS_CO_ASSIGN_OR_RETURN(const bool exists, store_->Contains(ChunkDataKey(change.id)));
    if (!exists && !(request.sync() && request.data().size() <= kInlineSyncBytes)) {
      KVFS_CO_ASSIGN_OR_RETURN(change.staged, store_->StageLarge(*change.data));
    }
  }
  Status planned;
  Position position = 0;
  {
    auto guard = co_await StripeOf(change.id).Lock();
    std::vector<StoreWrite> writes;
    auto missing = WithoutLater(change.id, refs, stamp, true);
    planned = missing.status();
    position = store_->LastPosition();
    if (planned.ok() && !missing->empty()) {
      change.puts = std::move(*missing);
      StoreItems items(store_);
      ChunkContext context;
      context.dot = {storage_epoch_, counter};
      context.one_actor = true;  // whatever else the reference was, it is replaced
      EncodePkState(stamp, &context.reference);
      planned = PlanChunk(context, &items, &change, &writes);
    }
    if (planned.ok() && request.hint()) {
      auto note = NoteHint(change.id, counter);
      planned = note.status();
      if (note.ok()) {
        writes.push_back(std::move(*note));
      }
    }
    if (planned.ok() && !writes.empty()) {
      const auto applied = store_->Apply(std::move(writes), {.will_sync = request.sync()});
      planned = applied.status();
      position = applied.ok() ? *applied : 0;
    }
  }
  if (change.staged.has_value() && !(planned.ok() && change.staged_is_used)) {
    store_->Unstage(*change.staged);
  }
  pb::PutChunkReply reply;
  if (planned.code() == Code::kNotFound) {
    co_return reply;
  }
  KVFS_CO_RETURN_IF_ERROR(planned);
  if (request.sync()) {
    Status synced = co_await store_->Sync(position);
    KVFS_CO_RETURN_IF_ERROR(synced);
  }
  reply.set_stored(true);
  co_return reply;
}

Task<Status> ChunkHome::Drop(pb::DropChunkRequest request) {
  ChunkChange change;
  KVFS_CO_ASSIGN_OR_RETURN(change.id, ChunkIdOf(request.id()));
  KVFS_CO_ASSIGN_OR_RETURN(const auto refs, RefsOf(request.refs()));
  auto guard = co_await StripeOf(change.id).Lock();
  KVFS_CO_ASSIGN_OR_RETURN(change.drops,
                           WithoutLater(change.id, refs, FromProto(request.stamp()), false));
  if (change.drops.empty()) {
    co_return Status::Ok();
  }
  std::vector<StoreWrite> writes;
  StoreItems items(store_);
  KVFS_CO_RETURN_IF_ERROR(PlanChunk({}, &items, &change, &writes));
  co_return store_->Apply(std::move(writes), {.may_use_reserve = true}).status();
}

Task<Result<bool>> ChunkHome::Discard(ChunkId id, std::function<bool()> is_foreign) {
  auto guard = co_await StripeOf(id).Lock();
  KVFS_CO_ASSIGN_OR_RETURN(const bool has_hint, HasHint(id));
  if (!is_foreign() || has_hint) {
    co_return false;
  }
  std::vector<StoreWrite> writes(1);
  writes[0].kind = StoreWrite::Kind::kDeleteLarge;
  writes[0].key = ChunkDataKey(id);
  const auto [first, end] = ChunkRefRange(id);
  const auto refs = store_->Scan(first, end);
  for (; refs->Valid(); refs->Next()) {
    StoreWrite& erase = writes.emplace_back();
    erase.kind = StoreWrite::Kind::kDelete;
    erase.key = Bytes(refs->key());
  }
  KVFS_CO_RETURN_IF_ERROR(refs->status());
  KVFS_CO_RETURN_IF_ERROR(store_->Apply(std::move(writes), {.may_use_reserve = true}).status());
  co_return true;
}

Task<Result<pb::ReadChunkReply>> ChunkHome::Read(ChunkId id) {
  pb::ReadChunkReply reply;
  auto stored = store_->Get(ChunkDataKey(id));
  if (stored.status().code() == Code::kNotFound) {
    co_return reply;
  }
  KVFS_CO_RETURN_IF_ERROR(stored.status());
  reply.set_present(true);
  reply.set_data(std::move(*stored));
  co_return reply;
}

namespace {

// Adds a reference to the list, unless it is that of a chunk for which there is no room.
Status AddReference(const StoreIterator& entry, const ParsedKey& key, uint32_t limit,
                    pb::ListChunksReply* reply, bool* is_full) {
  const Bytes id(AsBytes(ChunkIdOfPk(key.pk)));
  if (reply->chunks().empty() || reply->chunks(reply->chunks_size() - 1).id() != id) {
    if (static_cast<uint32_t>(reply->chunks_size()) >= limit) {
      *is_full = true;
      return Status::Ok();
    }
    reply->add_chunks()->set_id(id);
  }
  KVFS_ASSIGN_OR_RETURN(const ChunkRef ref, DecodeRefCk(key.ck));
  KVFS_ASSIGN_OR_RETURN(const PkState stamp, StampOf(entry.value()));
  auto* const listed = reply->mutable_chunks(reply->chunks_size() - 1)->add_refs();
  *listed->mutable_ref() = ToProto(ref);
  *listed->mutable_stamp() = ToProto(stamp);
  return Status::Ok();
}

}  // namespace

Result<pb::ListChunksReply> ChunkHome::List(const pb::ListChunksRequest& request,
                                            uint32_t partition_bits) {
  if (partition_bits < 32 && request.partition() >> partition_bits != 0) {
    return Bad("no such partition");
  }
  ChunkId after{};
  if (!request.after().empty()) {
    KVFS_ASSIGN_OR_RETURN(after, ChunkIdOf(request.after()));
  }
  const uint32_t first = FirstPlace(request.partition(), partition_bits);
  const uint32_t end = first + (65536u >> partition_bits);
  pb::ListChunksReply reply;
  // Place by place: what lies between their chunks are the items of other keys.
  for (uint32_t place = first; place < end; ++place) {
    ChunkId lowest{};
    lowest[0] = static_cast<unsigned char>(place >> 8);
    lowest[1] = static_cast<unsigned char>(place & 0xff);
    ChunkId highest = lowest;
    std::fill(highest.begin() + 2, highest.end(), static_cast<unsigned char>(0xff));
    if (!request.after().empty() && after >= highest) {
      continue;
    }
    const bool is_within = !request.after().empty() && after >= lowest;
    const Bytes begin = is_within ? PrefixEnd(ChunkPrefix(after)) : ChunkPrefix(lowest);
    const auto entries = store_->Scan(begin, PrefixEnd(ChunkPrefix(highest)));
    for (; entries->Valid(); entries->Next()) {
      KVFS_ASSIGN_OR_RETURN(const ParsedKey key, ParseKey(entries->key(), false));
      if (key.kind != KeyKind::kChunkRef) {
        continue;
      }
      bool is_full = false;
      KVFS_RETURN_IF_ERROR(AddReference(*entries, key, request.limit(), &reply, &is_full));
      if (is_full) {
        reply.set_more(true);
        return reply;
      }
    }
    KVFS_RETURN_IF_ERROR(entries->status());
  }
  return reply;
}

}  // namespace kvfs::replication
