#include "kvcore/replication/home.h"

#include <cassert>
#include <map>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/pk_items.h"

namespace kvfs::replication {
namespace {

Bytes PromiseKey(uint32_t partition) {
  Bytes name = "promise";
  PutBigEndian16(&name, static_cast<uint16_t>(partition));
  return NodeLocalKey(name);
}

}  // namespace

StoreWrite PromiseWrite(uint32_t partition, const Epoch& epoch) {
  StoreWrite write;
  write.key = PromiseKey(partition);
  PutFixed64(&write.value, epoch.number);
  PutFixed64(&write.value, epoch.node);
  return write;
}

Bytes UnsyncedKey(uint32_t partition) {
  Bytes name = "unsynced";
  PutBigEndian16(&name, static_cast<uint16_t>(partition));
  return NodeLocalKey(name);
}

StoreWrite SuspectWrite(uint32_t partition) {
  StoreWrite write;
  write.key = UnsyncedKey(partition);
  write.value = "new";  // no boot has this name
  return write;
}

StoreWrite StateWrite(ByteView prefix, const PkState& state) {
  StoreWrite write;
  write.key = Bytes(prefix) + kStateCk;
  EncodePkState(state, &write.value);
  return write;
}

Home::Home(const HomeOptions& options, LocalStore* store, Peers* peers, env::Scheduler* scheduler)
    : options_(options), store_(store), peers_(peers) {
  assert(options.partition_bits <= 16);
  const size_t count = size_t{1} << options.partition_bits;
  partitions_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    partitions_.push_back(std::make_unique<Partition>(scheduler));
  }
}

uint32_t Home::PartitionAt(ByteView pk) const {
  return PartitionOf(PlaceOf(pk), options_.partition_bits);
}

Result<Epoch> Home::Load(uint32_t partition) {
  Partition& here = At(partition);
  if (here.promised.has_value()) {
    return *here.promised;
  }
  const auto stored = store_->Get(PromiseKey(partition));
  Epoch epoch;
  if (stored.ok()) {
    ByteView in = *stored;
    if (!GetFixed64(&in, &epoch.number) || !GetFixed64(&in, &epoch.node) || !in.empty()) {
      return Status::Corruption("note of a promised epoch: malformed");
    }
  } else if (stored.status().code() != Code::kNotFound) {
    return stored.status();
  }
  if (!options_.boot_id.empty()) {
    const auto mark = store_->Get(UnsyncedKey(partition));
    if (!mark.ok() && mark.status().code() != Code::kNotFound) {
      return mark.status();
    }
    here.marked = mark.ok() && *mark == options_.boot_id;
    here.suspect = mark.ok() && !here.marked;
    here.mark_position = store_->LastPosition();
    here.mark_is_pending = here.marked;  // it may be in the kernel only
  }
  here.promised = epoch;
  return epoch;
}

Result<Epoch> Home::LoadSound(uint32_t partition) {
  KVFS_ASSIGN_OR_RETURN(const Epoch promised, Load(partition));
  if (At(partition).suspect) {
    return Status::Unavailable("what this home held may have been lost with the power");
  }
  return promised;
}

Task<Result<Epoch>> Home::Promised(uint32_t partition) {
  auto guard = co_await At(partition).mutex.Lock();
  co_return LoadSound(partition);
}

Result<PkState> Home::LocalState(ByteView pk) {
  const auto stored = store_->Get(PkPrefix(pk) + kStateCk);
  if (stored.status().code() == Code::kNotFound) {
    return PkState{};
  }
  KVFS_RETURN_IF_ERROR(stored.status());
  return DecodePkState(*stored);
}

Status Home::Obey(uint32_t partition, const Epoch& epoch, std::vector<StoreWrite>* writes,
                  pb::HomeReply* reply) {
  KVFS_ASSIGN_OR_RETURN(const Epoch promised, LoadSound(partition));
  reply->set_granted(epoch >= promised);
  *reply->mutable_promised() = ToProto(std::max(epoch, promised));
  if (epoch > promised) {
    writes->push_back(PromiseWrite(partition, epoch));
  }
  return Status::Ok();
}

Result<Position> Home::Write(uint32_t partition, const Epoch& epoch, std::vector<StoreWrite> writes,
                             bool will_sync) {
  IndexWork(FirstPlace(partition, options_.partition_bits), &writes);
  Partition& here = At(partition);
  const bool mark = !options_.boot_id.empty() && !here.marked && !here.suspect;
  if (mark) {
    StoreWrite& note = writes.emplace_back();
    note.key = UnsyncedKey(partition);
    note.value = options_.boot_id;
  }
  KVFS_ASSIGN_OR_RETURN(const Position position,
                        store_->Apply(std::move(writes), {.will_sync = will_sync || mark}));
  if (mark) {
    here.marked = true;
    here.mark_position = position;
    here.mark_is_pending = true;
  }
  here.last_write = position;
  here.promised = std::max(*here.promised, epoch);
  return position;
}

Task<Status> Home::Acknowledge(uint32_t partition, Position position, bool sync) {
  Partition& here = At(partition);
  if (!sync && !here.mark_is_pending) {
    co_return Status::Ok();
  }
  Status synced = co_await store_->Sync(position);
  KVFS_CO_RETURN_IF_ERROR(synced);
  auto guard = co_await here.mutex.Lock();
  if (here.mark_position <= position) {
    here.mark_is_pending = false;
  }
  co_return Status::Ok();
}

Task<Status> Home::SyncPromise(uint32_t partition, const Epoch& epoch, Position position) {
  const Epoch promised = epoch;
  Status synced = co_await Acknowledge(partition, position, true);
  KVFS_CO_RETURN_IF_ERROR(synced);
  auto guard = co_await At(partition).mutex.Lock();
  At(partition).durable = std::max(At(partition).durable, promised);
  co_return Status::Ok();
}

Task<Result<pb::HomeReply>> Home::Promise(uint32_t partition, Epoch epoch) {
  if (partition >= partitions_.size()) {
    co_return Status::InvalidArgument("no such partition");
  }
  pb::HomeReply reply;
  Position position = 0;
  {
    auto guard = co_await At(partition).mutex.Lock();
    std::vector<StoreWrite> writes;
    KVFS_CO_RETURN_IF_ERROR(Obey(partition, epoch, &writes, &reply));
    if (!reply.granted() || epoch <= At(partition).durable) {
      co_return reply;
    }
    // What was promised before may have come with a transaction that nobody synced.
    position = store_->LastPosition();
    if (!writes.empty()) {
      KVFS_CO_ASSIGN_OR_RETURN(position, Write(partition, epoch, std::move(writes), true));
    }
  }
  Status synced = co_await SyncPromise(partition, epoch, position);
  KVFS_CO_RETURN_IF_ERROR(synced);
  co_return reply;
}

Task<Result<pb::HomeReply>> Home::State(Bytes pk, Epoch epoch) {
  const uint32_t partition = PartitionAt(pk);
  KVFS_CO_ASSIGN_OR_RETURN(pb::HomeReply reply, co_await Promise(partition, epoch));
  if (!reply.granted()) {
    co_return reply;
  }
  Position position = 0;
  {
    // Under the lock: what an older epoch writes meanwhile is refused or seen.
    auto guard = co_await At(partition).mutex.Lock();
    KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(pk));
    *reply.mutable_state() = ToProto(state);
    position = store_->LastPosition();
  }
  Status safe = co_await Acknowledge(partition, position, false);
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

Task<Result<pb::HomeReply>> Home::Apply(pb::ApplyRequest request) {
  const uint32_t partition = PartitionAt(request.pk());
  const Bytes prefix = PkPrefix(request.pk());
  const Epoch epoch = FromProto(request.epoch());
  const PkState next = FromProto(request.next());
  const bool sync = request.sync();
  Status admitted = co_await store_->Admit(static_cast<uint64_t>(request.ByteSizeLong()));
  KVFS_CO_RETURN_IF_ERROR(admitted);
  pb::HomeReply reply;
  Position position = 0;
  {
    auto guard = co_await At(partition).mutex.Lock();
    std::vector<StoreWrite> writes = ToWrites(request.entries(), prefix);
    KVFS_CO_RETURN_IF_ERROR(Obey(partition, epoch, &writes, &reply));
    if (!reply.granted()) {
      co_return reply;
    }
    KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(request.pk()));
    reply.set_applied(state == next || state == FromProto(request.previous()));
    *reply.mutable_state() = ToProto(reply.applied() ? next : state);
    if (!reply.applied()) {
      co_return reply;
    }
    position = store_->LastPosition();
    if (state != next) {
      KVFS_CO_ASSIGN_OR_RETURN(auto erased, WhatGoes(request));
      writes.push_back(StateWrite(prefix, next));
      KVFS_CO_ASSIGN_OR_RETURN(position,
                               Write(partition, epoch, std::move(writes), request.sync()));
      Remember(&At(partition), std::move(request), std::move(erased));
    }
  }
  Status safe = co_await Acknowledge(partition, position, sync);
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

Task<Result<pb::PageReply>> Home::Page(pb::PageRequest request) {
  const Bytes prefix = PkPrefix(request.pk());
  pb::PageReply reply;
  auto guard = co_await At(PartitionAt(request.pk())).mutex.Lock();
  KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(request.pk()));
  reply.set_valid(state == FromProto(request.state()));
  if (!reply.valid()) {
    co_return reply;
  }
  bool more = false;
  KVFS_CO_RETURN_IF_ERROR(ReadAll(store_, prefix, request.after(), options_.page_bytes,
                                  reply.mutable_entries(), &more));
  reply.set_more(more);
  co_return reply;
}

Task<Result<std::map<Bytes, Bytes>>> Home::Fetch(Bytes pk, env::NodeId source, PkState state) {
  const Bytes prefix = PkPrefix(pk);
  std::map<Bytes, Bytes> content;
  Bytes last;  // the ck that came last
  uint64_t bytes = 0;
  pb::PageRequest request;
  request.set_pk(pk);
  *request.mutable_state() = ToProto(state);
  while (true) {
    Bytes body = request.SerializeAsString();
    KVFS_CO_ASSIGN_OR_RETURN(const Bytes answer,
                             co_await peers_->Call(source, Method::kPage, std::move(body),
                                                   options_.page_timeout_micros));
    KVFS_CO_ASSIGN_OR_RETURN(pb::PageReply page, Parse<pb::PageReply>(answer));
    if (!page.valid()) {
      co_return Status::Unavailable("the partition key changed while it was taken over");
    }
    for (pb::Entry& entry : *page.mutable_entries()) {
      if (!content.empty() && entry.ck() <= last) {
        co_return Status::InvalidArgument("message of a peer: a page out of order");
      }
      bytes += BytesOf(entry);
      last = entry.ck();
      content[prefix + last] = std::move(*entry.mutable_value());
    }
    if (bytes > options_.max_install_bytes) {
      co_return Status::NoSpace("a partition key of more than " +
                                std::to_string(options_.max_install_bytes) +
                                " bytes cannot be taken over at once");
    }
    if (!page.more() || page.entries().empty()) {
      co_return content;
    }
    request.set_after(last);
  }
}

Task<Result<pb::HomeReply>> Home::Install(Bytes pk, Epoch epoch, env::NodeId source, PkState from,
                                          PkState to, bool sync) {
  const uint32_t partition = PartitionAt(pk);
  KVFS_CO_ASSIGN_OR_RETURN(auto content, co_await Fetch(pk, source, from));

  pb::HomeReply reply;
  auto guard = co_await At(partition).mutex.Lock();
  std::vector<StoreWrite> writes;
  KVFS_CO_RETURN_IF_ERROR(Obey(partition, epoch, &writes, &reply));
  if (!reply.granted()) {
    co_return reply;
  }
  KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(pk));
  reply.set_applied(state <= to);
  *reply.mutable_state() = ToProto(reply.applied() ? to : state);
  if (state > to) {
    co_return reply;
  }
  Position position = store_->LastPosition();
  if (state != to) {
    KVFS_CO_ASSIGN_OR_RETURN(position,
                             Replace(pk, epoch, to, std::move(content), std::move(writes), sync));
  }
  guard.Release();
  Status safe = co_await Acknowledge(partition, position, sync);
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

Result<Position> Home::Replace(ByteView pk, const Epoch& epoch, const PkState& to,
                               std::map<Bytes, Bytes> content, std::vector<StoreWrite> writes,
                               bool will_sync) {
  const Bytes prefix = PkPrefix(pk);
  content[prefix + kStateCk].clear();
  EncodePkState(to, &content[prefix + kStateCk]);
  const auto present = store_->Scan(prefix, PrefixEnd(prefix));
  for (; present->Valid(); present->Next()) {
    const auto wanted = content.find(Bytes(present->key()));
    if (wanted == content.end()) {
      StoreWrite& erase = writes.emplace_back();
      erase.kind = StoreWrite::Kind::kDelete;
      erase.key = Bytes(present->key());
    } else if (wanted->second == present->value()) {
      content.erase(wanted);
    }
  }
  KVFS_RETURN_IF_ERROR(present->status());
  At(PartitionAt(pk)).latest.erase(Bytes(pk));
  for (auto& [key, value] : content) {
    StoreWrite& write = writes.emplace_back();
    write.key = key;
    write.value = std::move(value);
  }
  return Write(PartitionAt(pk), epoch, std::move(writes), will_sync);
}

Task<Result<pb::ReadReply>> Home::Read(pb::ReadRequest request) {
  const Bytes prefix = PkPrefix(request.pk());
  pb::ReadReply reply;
  reply.set_ok(true);
  const uint32_t partition = PartitionAt(request.pk());
  auto guard = co_await At(partition).mutex.Lock();
  KVFS_CO_RETURN_IF_ERROR(LoadSound(partition).status());
  KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(request.pk()));
  *reply.mutable_state() = ToProto(state);
  reply.set_state_only(request.state_only());
  if (request.state_only()) {
    KVFS_CO_ASSIGN_OR_RETURN(const bool branch, HoldsBranch(request.pk()));
    reply.set_branch(branch);
    request.clear_cks();
    request.clear_ranges();
  } else {
    KVFS_CO_ASSIGN_OR_RETURN(const bool strong, store_->Contains(prefix + kStrongCk));
    reply.set_strong(strong);
  }
  for (const Bytes& ck : request.cks()) {
    auto stored = store_->Get(prefix + ck);
    if (stored.ok()) {
      pb::Entry* const entry = reply.add_entries();
      entry->set_ck(ck);
      entry->set_value(std::move(*stored));
    } else if (stored.status().code() != Code::kNotFound) {
      co_return stored.status();
    }
  }
  for (const pb::Range& range : request.ranges()) {
    KVFS_CO_RETURN_IF_ERROR(
        ReadRange(store_, prefix, range, options_.page_bytes, reply.add_pages()));
  }
  const Position position = store_->LastPosition();
  guard.Release();
  Status safe = co_await Acknowledge(partition, position, false);
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

}  // namespace kvfs::replication
