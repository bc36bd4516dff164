// The part of Home that deals with a loss of power: doc/replication.md.
#include <algorithm>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::replication {

Result<std::vector<uint32_t>> Home::Suspects() {
  std::vector<uint32_t> suspects;
  if (options_.boot_id.empty()) {
    return suspects;
  }
  const Bytes first = UnsyncedKey(0);
  const Bytes prefix = first.substr(0, first.size() - 2);
  const auto marks = store_->Scan(prefix, PrefixEnd(prefix));
  for (; marks->Valid(); marks->Next()) {
    ByteView number = marks->key().substr(prefix.size());
    uint16_t partition = 0;
    if (!GetBigEndian16(&number, &partition) || !number.empty() ||
        partition >= partitions_.size()) {
      return Status::Corruption("note of unsynced writes: malformed");
    }
    if (marks->value() != options_.boot_id) {
      suspects.push_back(partition);
    }
  }
  KVFS_RETURN_IF_ERROR(marks->status());
  return suspects;
}

Task<Result<pb::ListReply>> Home::List(pb::ListRequest request) {
  const uint32_t partition = request.partition();
  if (partition >= partitions_.size()) {
    co_return Status::InvalidArgument("no such partition");
  }
  Partition& here = At(partition);
  pb::ListReply reply;
  Epoch promised;
  Position position = 0;
  bool is_durable = false;
  {
    auto guard = co_await here.mutex.Lock();
    KVFS_CO_ASSIGN_OR_RETURN(promised, Load(partition));
    reply.set_suspect(here.suspect);
    if (request.promised_only()) {
      *reply.mutable_promised() = ToProto(promised);
      co_return reply;
    }
    const Epoch epoch = FromProto(request.epoch());
    position = store_->LastPosition();
    if (epoch > promised) {
      promised = epoch;
      std::vector<StoreWrite> writes(1, PromiseWrite(partition, epoch));
      KVFS_CO_ASSIGN_OR_RETURN(position, Write(partition, epoch, std::move(writes), true));
    }
    is_durable = promised <= here.durable;
  }
  if (!is_durable) {
    Status synced = co_await SyncPromise(partition, promised, position);
    KVFS_CO_RETURN_IF_ERROR(synced);
  }
  {
    // Only now: what a lower epoch wrote before the promise is seen, after it there is none.
    auto guard = co_await here.mutex.Lock();
    *reply.mutable_promised() = ToProto(*here.promised);
    KVFS_CO_RETURN_IF_ERROR(ListStates(request, &reply));
    position = store_->LastPosition();
  }
  Status safe = co_await Acknowledge(partition, position, false);
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

Status Home::ListStates(const pb::ListRequest& request, pb::ListReply* reply) {
  const auto add = [&](const Bytes& pk) -> Status {
    KVFS_ASSIGN_OR_RETURN(const PkState state, LocalState(pk));
    pb::PkOf* const one = reply->add_pks();
    one->set_pk(pk);
    *one->mutable_state() = ToProto(state);
    return Status::Ok();
  };
  if (!request.only().empty()) {
    return add(request.only());
  }
  auto [at, end] = PartitionRange(request.partition(), options_.partition_bits);
  if (!request.after().empty()) {
    at = std::max(at, PrefixEnd(PkPrefix(request.after())));
  }
  for (uint64_t bytes = 0;;) {
    const auto entries = store_->Scan(at, end);
    if (!entries->Valid()) {
      return entries->status();
    }
    if (bytes >= options_.page_bytes) {
      reply->set_more(true);
      return Status::Ok();
    }
    KVFS_ASSIGN_OR_RETURN(const ParsedKey parsed, ParseKey(entries->key(), false));
    if (CheckUserPk(parsed.pk).ok()) {
      KVFS_RETURN_IF_ERROR(add(Bytes(parsed.pk)));
      bytes += parsed.pk.size() + 32;
    }
    at = PrefixEnd(PkPrefix(parsed.place, parsed.pk));
  }
}

Task<Result<Epoch>> Home::BeginRebuild(uint32_t partition, env::NodeId self, uint64_t above) {
  Epoch epoch;
  Position position = 0;
  {
    auto guard = co_await At(partition).mutex.Lock();
    KVFS_CO_ASSIGN_OR_RETURN(const Epoch promised, Load(partition));
    epoch = {std::max(promised.number, above) + 1, self};
    std::vector<StoreWrite> writes(1, PromiseWrite(partition, epoch));
    KVFS_CO_ASSIGN_OR_RETURN(position, Write(partition, epoch, std::move(writes), true));
  }
  Status synced = co_await SyncPromise(partition, epoch, position);
  KVFS_CO_RETURN_IF_ERROR(synced);
  co_return epoch;
}

Task<Status> Home::TakeOver(Bytes pk, env::NodeId source, PkState from, PkState to) {
  const uint32_t partition = PartitionAt(pk);
  KVFS_CO_ASSIGN_OR_RETURN(auto content, co_await Fetch(pk, source, from));
  auto guard = co_await At(partition).mutex.Lock();
  KVFS_CO_ASSIGN_OR_RETURN(const Epoch promised, Load(partition));
  KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(pk));
  if (!At(partition).suspect || state >= to) {
    co_return Status::Ok();
  }
  // No acknowledgement, so a promise of a higher epoch does not stand against it.
  co_return Replace(pk, promised, to, std::move(content), {}, true).status();
}

Task<Status> Home::EndRebuild(uint32_t partition, Epoch promised) {
  Partition& here = At(partition);
  Position position = 0;
  {
    auto guard = co_await here.mutex.Lock();
    KVFS_CO_ASSIGN_OR_RETURN(const Epoch before, Load(partition));
    promised = std::max(promised, before);
    std::vector<StoreWrite> writes(1, PromiseWrite(partition, promised));
    StoreWrite& note = writes.emplace_back();
    note.key = UnsyncedKey(partition);
    note.value = options_.boot_id;
    KVFS_CO_ASSIGN_OR_RETURN(position, Write(partition, promised, std::move(writes), true));
  }
  Status synced = co_await store_->Sync(position);
  KVFS_CO_RETURN_IF_ERROR(synced);
  auto guard = co_await here.mutex.Lock();
  here.durable = std::max(here.durable, promised);
  here.suspect = false;
  here.marked = true;
  here.mark_position = position;
  here.mark_is_pending = false;
  co_return Status::Ok();
}

// ---- after a change of the layout ------------------------------------------

Task<Result<bool>> Home::Discard(uint32_t partition, Bytes prefix, Bytes pk,
                                 std::function<bool()> is_foreign) {
  auto guard = co_await At(partition).mutex.Lock();
  KVFS_CO_RETURN_IF_ERROR(Load(partition).status());
  if (!is_foreign()) {
    co_return false;
  }
  bool has_branch = false;
  if (CheckUserPk(pk).ok()) {
    KVFS_CO_ASSIGN_OR_RETURN(has_branch, HoldsBranch(pk));
  }
  if (has_branch) {
    co_return false;
  }
  // All in one batch: what is left is the whole of the pk in an older state, or nothing, as of any
  // home that lags.
  std::vector<StoreWrite> writes;
  const auto entries = store_->Scan(prefix, PrefixEnd(prefix));
  for (; entries->Valid(); entries->Next()) {
    StoreWrite& erase = writes.emplace_back();
    erase.kind = StoreWrite::Kind::kDelete;
    erase.key = Bytes(entries->key());
  }
  KVFS_CO_RETURN_IF_ERROR(entries->status());
  At(partition).latest.erase(pk);
  if (!writes.empty()) {
    KVFS_CO_RETURN_IF_ERROR(Write(partition, {}, std::move(writes), false).status());
  }
  co_return true;
}

Task<Status> Home::Tidy() {
  for (uint32_t partition = 0; partition < partitions_.size(); ++partition) {
    Partition& here = At(partition);
    Position last = 0;
    {
      auto guard = co_await here.mutex.Lock();
      last = here.last_write;
      const bool idle = here.tidied_write == last;
      here.tidied_write = last;
      if (!here.marked || !idle) {
        continue;
      }
    }
    Status synced = co_await store_->Sync(last);
    KVFS_CO_RETURN_IF_ERROR(synced);
    auto guard = co_await here.mutex.Lock();
    if (here.last_write != last || !here.marked) {
      continue;
    }
    std::vector<StoreWrite> writes(1);
    writes[0].kind = StoreWrite::Kind::kDelete;
    writes[0].key = UnsyncedKey(partition);
    KVFS_CO_RETURN_IF_ERROR(store_->Apply(std::move(writes), {}).status());
    here.marked = false;
    here.mark_is_pending = false;
  }
  co_return Status::Ok();
}

}  // namespace kvfs::replication
