#include "kvcore/client/cluster_client.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kvcore/proto/storage.pb.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::client {

using replication::Method;
namespace pb = replication::pb;

namespace {

constexpr int64_t kMaxClockLeadMillis = 60'000;
constexpr int64_t kAskMicros = 5'000'000;
constexpr uint32_t kMaxScanItems = 10'000;
constexpr uint32_t kMaxIntents = 1000;
constexpr size_t kMaxKeptBytes = 1024;                     // of one item: attributes, not content
constexpr uint64_t kFirstInode = (uint64_t{1} << 32) + 1;  // below: the root, and nobody's

// The partition key under which the cluster keeps what concerns all of it.
constexpr char kClusterPk[] = "cluster";
constexpr char kInfoCk[] = "\x01info";
constexpr char kAnyCk = '\x01';  // to ask for something
constexpr char kInodesCk[] = "\x01inodes";

uint64_t NonZero(env::Random* random) {
  uint64_t number = 0;
  while (number == 0) {
    number = random->Next();
  }
  return number;
}

// Nothing where users are to see no item.
Result<std::optional<Item>> ItemOf(const pb::Entry& entry) {
  KVFS_ASSIGN_OR_RETURN(versioning::VersionedValue value, versioning::Decode(entry.value()));
  std::optional<Item> item;
  if (!IsAbsent(value)) {
    item.emplace();
    item->ck = entry.ck();
    item->version = IdOf(value);
    item->siblings = std::move(value.siblings);
  }
  return item;
}

template <typename Options>
Options WithPartitionBits(Options options, uint32_t partition_bits) {
  options.partition_bits = partition_bits;
  return options;
}

}  // namespace

ClusterClient::ClusterClient(ClusterClientOptions options, Bytes cluster_id, Parts parts)
    : options_(options),
      parts_(std::move(parts)),
      session_(NonZero(parts_.random)),
      branched_(options.branched),
      recent_(options.recent),
      hybrid_clock_(kMaxClockLeadMillis),
      peers_(options.peers, parts_.peers, parts_.placement, parts_.clock, parts_.scheduler),
      coordinator_(WithPartitionBits(options.coordinator, options.partition_bits), &peers_, &peers_,
                   parts_.clock, parts_.scheduler),
      chunks_(WithPartitionBits(options.chunks, options.partition_bits), &peers_, &peers_,
              parts_.clock, parts_.scheduler),
      drops_(WithPartitionBits(options.drops, options.partition_bits), &peers_, &peers_, &chunks_,
             parts_.clock, parts_.scheduler),
      watcher_(options.watcher, options.partition_bits, session_,
               {.nodes = parts_.nodes,
                .peers = &peers_,
                .clock = parts_.clock,
                .scheduler = parts_.scheduler}),
      allocating_(parts_.scheduler),
      tasks_(parts_.scheduler) {
  info_.cluster_id = std::move(cluster_id);
  info_.partition_bits = options.partition_bits;
  info_.storage_epoch = session_;
}

Task<Result<std::unique_ptr<ClusterClient>>> ClusterClient::Open(ClusterClientOptions options,
                                                                 Bytes cluster_id, Parts parts) {
  std::unique_ptr<ClusterClient> client(
      new ClusterClient(options, std::move(cluster_id), std::move(parts)));
  Status loaded = co_await client->LoadInfo();
  if (!loaded.ok()) {
    co_await client->Close();
    co_return loaded;
  }
  co_return std::move(client);
}

void ClusterClient::SetChangeListener(ChangeListener listener) {
  if (!listener) {
    watcher_.SetListener({});
    return;
  }
  watcher_.SetListener([this, listener = std::move(listener)](const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      change.pk.empty() ? recent_.Clear() : recent_.Drop(change.pk);
    }
    listener(changes);
  });
}

Task<void> ClusterClient::Close() {
  co_await tasks_.Drain();
  co_await drops_.Close();
  co_await watcher_.Close();
  co_await chunks_.Close();
  co_await coordinator_.Close();
  co_await peers_.Close();
}

Task<Status> ClusterClient::LoadInfo() {
  const int64_t deadline = Deadline();
  while (true) {
    KVFS_CO_ASSIGN_OR_RETURN(const auto item, co_await ReadCluster(kInfoCk, deadline, true));
    if (item.has_value()) {
      pb::ClusterInfo info;
      if (!info.ParseFromString(item->value()) || info.chunk_bytes() < 4096 ||
          info.chunk_bytes() > 64u << 20) {
        co_return Status::Corruption("what the cluster was made with: malformed");
      }
      info_.name_hash_key = {info.name_hash_k0(), info.name_hash_k1()};
      info_.chunk_bytes = info.chunk_bytes();
      co_return Status::Ok();
    }
    pb::ClusterInfo info;
    info.set_name_hash_k0(parts_.random->Next());
    info.set_name_hash_k1(parts_.random->Next());
    info.set_chunk_bytes(options_.chunk_bytes);
    Txn txn;
    txn.pk = kClusterPk;
    txn.asserts.push_back({Assert::Kind::kAbsent, kInfoCk, {}});
    txn.writes.push_back({Write::Kind::kPut, kInfoCk, info.SerializeAsString()});
    // What one side made up would not be what the other did.
    const OpId op = NewOp();
    const auto made = co_await coordinator_.Submit(std::move(txn), op, true, true,
                                                   std::max<int64_t>(Left(deadline), 1));
    Settle(op);
    if (!made.status.ok() && made.status.code() != Code::kConflict) {
      co_return made.status;
    }
  }
}

Task<void> ClusterClient::Pause() {
  const auto jitter =
      static_cast<int64_t>(parts_.random->Next() % static_cast<uint64_t>(options_.retry_micros));
  return env::SleepFor(parts_.scheduler, options_.retry_micros / 2 + jitter);
}

HybridTime ClusterClient::Now() { return hybrid_clock_.Now(parts_.clock->WallNanos() / 1'000'000); }

// ---- reads -----------------------------------------------------------------

Task<Result<std::optional<Item>>> ClusterClient::ReadCluster(Bytes ck, int64_t deadline,
                                                             bool available) {
  std::vector<Bytes> cks(1, std::move(ck));
  replication::Without without;
  without.available = available && options_.available;
  auto items = co_await coordinator_.Read(kClusterPk, std::move(cks), Left(deadline),
                                          replication::ReadLevel::kQuorum, without);
  if (!items.ok()) {
    co_return items.status();
  }
  co_return std::move((*items)[0]);
}

Task<Result<bool>> ClusterClient::IsWhole(Bytes pk) {
  const auto merged = co_await coordinator_.MergeNow(pk, options_.merge_micros);
  if (!merged.all) {
    co_return false;
  }
  std::vector<Bytes> cks(1, Bytes(1, kAnyCk));
  const auto read = co_await coordinator_.Read(std::move(pk), std::move(cks), options_.merge_micros,
                                               replication::ReadLevel::kAll);
  co_return read.ok();
}

Task<env::NodeId> ClusterClient::MergeIfBranched(Bytes pk, int64_t deadline) {
  if (!branched_.Has(pk)) {
    co_return 0;
  }
  const auto merged = co_await coordinator_.MergeNow(
      pk, std::max<int64_t>(std::min(Left(deadline), options_.merge_micros), 1));
  if (merged.merged) {
    std::lock_guard lock(ops_mutex_);
    for (const uint64_t sequence : branched_.Merged(pk)) {
      open_ops_.erase(sequence);
    }
  }
  co_return merged.holder;
}

Task<Result<pb::ReadReply>> ClusterClient::Query(pb::ReadRequest request, int64_t deadline) {
  Bytes pk = request.pk();
  replication::Without without;
  without.available = options_.available;
  without.first = co_await MergeIfBranched(pk, deadline);
  auto reply = co_await coordinator_.Query(std::move(request), Left(deadline),
                                           replication::ReadLevel::kQuorum, without);
  if (reply.ok() && reply->degraded()) {
    branched_.Note(pk);
  }
  co_return reply;
}

Task<Result<pb::ReadReply>> ClusterClient::ReadPk(pb::ReadRequest request, int64_t deadline) {
  watcher_.Used(request.pk());
  const ItemCache::Ticket ticket = recent_.Begin(request.pk(), parts_.clock->MonotonicMicros());
  pb::Range* const intents = request.add_ranges();
  intents->set_begin(Bytes(1, kIntentTag));
  intents->set_end(Bytes(1, kIntentTag + 1));
  intents->set_limit(kMaxIntents);
  while (true) {
    pb::ReadRequest copy = request;
    KVFS_CO_ASSIGN_OR_RETURN(pb::ReadReply reply, co_await Query(std::move(copy), deadline));
    if (reply.pages_size() != request.ranges_size()) {
      co_return Status::InvalidArgument("reply of a peer: another number of ranges");
    }
    bool is_stale = false;
    const pb::Page met = std::move(*reply.mutable_pages(reply.pages_size() - 1));
    reply.mutable_pages()->RemoveLast();
    if (met.entries_size() > 0) {
      KVFS_CO_ASSIGN_OR_RETURN(const auto found, co_await IntentsOf(&met));
      for (const Intent& intent : found) {
        // Not decided now means not happened when this was read.
        KVFS_CO_ASSIGN_OR_RETURN(const Decision decision, co_await DecisionOf(&intent, deadline));
        if (decision == Decision::kHappened) {
          Status carried = co_await Carried(request.pk(), &intent, deadline);
          KVFS_CO_RETURN_IF_ERROR(carried);
          is_stale = true;
        }
      }
    }
    if (!is_stale) {
      // What is strong is asked for each time; what is open here, or on one side only, is not for
      // keeping.
      recent_.SetKept(request.pk(), !reply.strong());
      if (reply.degraded() || met.entries_size() > 0) {
        recent_.Drop(request.pk());
      } else {
        recent_.Saw(request.pk(), ticket, replication::FromProto(reply.state()));
      }
      co_return reply;
    }
  }
}

Task<Result<std::vector<std::optional<Item>>>> ClusterClient::ReadAlong(Bytes pk,
                                                                        std::vector<Bytes> cks,
                                                                        int64_t deadline) {
  pb::ReadRequest request;
  request.set_pk(pk);
  std::set<char> tags;
  for (const Bytes& ck : cks) {
    KVFS_CO_RETURN_IF_ERROR(replication::CheckUserCk(ck));
    request.add_cks(ck);
    if (options_.read_along > 0 && ck[0] != '\xff' && !recent_.HasMany(pk, ck[0])) {
      tags.insert(ck[0]);
    }
  }
  for (const char tag : tags) {
    pb::Range* const range = request.add_ranges();
    range->set_begin(Bytes(1, tag));
    range->set_end(Bytes(1, static_cast<char>(tag + 1)));
    range->set_limit(options_.read_along);
  }
  const ItemCache::Ticket ticket = recent_.Begin(pk, parts_.clock->MonotonicMicros());
  pb::ReadRequest sent = request;
  KVFS_CO_ASSIGN_OR_RETURN(const pb::ReadReply reply, co_await ReadPk(std::move(sent), deadline));

  std::map<Bytes, std::optional<Item>> found;
  for (const Bytes& ck : cks) {
    found[ck];
  }
  const auto take = [&found](const pb::Entry& entry) {
    auto item = ItemOf(entry);
    if (item.ok()) {
      found[entry.ck()] = std::move(*item);
    }
    return item.status();
  };
  for (const pb::Entry& entry : reply.entries()) {
    KVFS_CO_RETURN_IF_ERROR(take(entry));
  }
  std::vector<ItemCache::Range> whole;
  for (int i = 0; i < reply.pages_size(); ++i) {
    for (const pb::Entry& entry : reply.pages(i).entries()) {
      KVFS_CO_RETURN_IF_ERROR(take(entry));
    }
    if (reply.pages(i).more()) {
      recent_.NoteMany(pk, request.ranges(i).begin()[0]);
    } else {
      whole.push_back({request.ranges(i).begin(), request.ranges(i).end()});
    }
  }
  std::vector<std::optional<Item>> items;
  items.reserve(cks.size());
  for (const Bytes& ck : cks) {
    items.push_back(found[ck]);
  }
  ItemCache::Found all(std::make_move_iterator(found.begin()),
                       std::make_move_iterator(found.end()));
  recent_.Read(pk, ticket, replication::FromProto(reply.state()), std::move(all), std::move(whole));
  co_return items;
}

Task<Result<std::vector<std::optional<Item>>>> ClusterClient::GetRecent(std::vector<ItemKey> keys) {
  const int64_t deadline = Deadline();
  const int64_t now = parts_.clock->MonotonicMicros();
  std::vector<std::optional<Item>> items(keys.size());
  std::map<Bytes, std::vector<size_t>> by_pk;  // indices in keys of what has to be asked for
  for (size_t i = 0; i < keys.size(); ++i) {
    if (auto known = recent_.Find(keys[i].pk, keys[i].ck, now)) {
      watcher_.Used(keys[i].pk);
      items[i] = std::move(*known);
    } else {
      by_pk[keys[i].pk].push_back(i);
    }
  }
  for (const auto& [pk, indices] : by_pk) {
    KVFS_CO_RETURN_IF_ERROR(replication::CheckUserPk(pk));
    std::vector<Bytes> cks;
    for (const size_t i : indices) {
      cks.push_back(keys[i].ck);
    }
    KVFS_CO_ASSIGN_OR_RETURN(auto read, co_await ReadAlong(pk, std::move(cks), deadline));
    for (size_t i = 0; i < indices.size(); ++i) {
      items[indices[i]] = std::move(read[i]);
    }
  }
  co_return items;
}

Task<Result<std::vector<std::optional<Item>>>> ClusterClient::GetOfPk(Bytes pk,
                                                                      std::vector<Bytes> cks,
                                                                      int64_t deadline) {
  KVFS_CO_RETURN_IF_ERROR(replication::CheckUserPk(pk));
  pb::ReadRequest request;
  request.set_pk(std::move(pk));
  for (const Bytes& ck : cks) {
    KVFS_CO_RETURN_IF_ERROR(replication::CheckUserCk(ck));
    request.add_cks(ck);
  }
  const Bytes asked = request.pk();
  const ItemCache::Ticket ticket = recent_.Begin(asked, parts_.clock->MonotonicMicros());
  KVFS_CO_ASSIGN_OR_RETURN(const pb::ReadReply reply,
                           co_await ReadPk(std::move(request), deadline));
  std::map<ByteView, const pb::Entry*> entries;
  for (const pb::Entry& entry : reply.entries()) {
    entries[entry.ck()] = &entry;
  }
  std::vector<std::optional<Item>> items(cks.size());
  ItemCache::Found kept;
  for (size_t i = 0; i < cks.size(); ++i) {
    const auto found = entries.find(cks[i]);
    if (found != entries.end()) {
      KVFS_CO_ASSIGN_OR_RETURN(items[i], ItemOf(*found->second));
    }
    if (found == entries.end() || found->second->value().size() <= kMaxKeptBytes) {
      kept.emplace_back(cks[i], items[i]);
    }
  }
  recent_.Read(asked, ticket, replication::FromProto(reply.state()), std::move(kept), {});
  co_return items;
}

Task<Result<std::optional<Item>>> ClusterClient::Get(ItemKey key) {
  std::vector<Bytes> cks(1, std::move(key.ck));
  auto items = co_await GetOfPk(std::move(key.pk), std::move(cks), Deadline());
  if (!items.ok()) {
    co_return items.status();
  }
  co_return std::move((*items)[0]);
}

Task<Result<std::vector<std::optional<Item>>>> ClusterClient::GetMany(std::vector<ItemKey> keys) {
  const int64_t deadline = Deadline();
  std::map<Bytes, std::vector<size_t>> by_pk;  // indices in keys
  for (size_t i = 0; i < keys.size(); ++i) {
    by_pk[keys[i].pk].push_back(i);
  }
  std::vector<Task<Result<std::vector<std::optional<Item>>>>> reads;
  reads.reserve(by_pk.size());
  for (const auto& [pk, indices] : by_pk) {
    std::vector<Bytes> cks;
    for (const size_t i : indices) {
      cks.push_back(keys[i].ck);
    }
    reads.push_back(GetOfPk(pk, std::move(cks), deadline));
  }
  std::vector<std::optional<Item>> items(keys.size());
  Status first;
  auto pk = by_pk.begin();
  for (auto& read : reads) {  // all of them: none may be left running
    auto found = co_await read;
    if (!found.ok()) {
      first = first.ok() ? found.status() : first;
    } else {
      for (size_t i = 0; i < pk->second.size(); ++i) {
        items[pk->second[i]] = std::move((*found)[i]);
      }
    }
    ++pk;
  }
  if (!first.ok()) {
    co_return first;
  }
  co_return items;
}

Task<Result<ScanPage>> ClusterClient::Scan(Bytes pk, Bytes begin, Bytes end, uint32_t limit) {
  KVFS_CO_RETURN_IF_ERROR(replication::CheckUserPk(pk));
  limit = std::clamp(limit, 1u, kMaxScanItems);
  const int64_t deadline = Deadline();
  ScanPage page;
  // Whole states are compared, so each page is of one moment; the next may be of a later one.
  while (true) {
    pb::ReadRequest request;
    request.set_pk(pk);
    pb::Range* const range = request.add_ranges();
    range->set_begin(begin);
    range->set_end(end);
    range->set_limit(limit - static_cast<uint32_t>(page.items.size()));
    KVFS_CO_ASSIGN_OR_RETURN(const pb::ReadReply reply,
                             co_await ReadPk(std::move(request), deadline));
    const pb::Page& part = reply.pages(0);
    for (const pb::Entry& entry : part.entries()) {
      KVFS_CO_ASSIGN_OR_RETURN(std::optional<Item> item, ItemOf(entry));
      if (item.has_value() && item->ck[0] != kIntentTag) {
        page.items.push_back(std::move(*item));
      }
    }
    page.more = part.more();
    if (!part.more() || page.items.size() >= limit || part.entries().empty()) {
      co_return page;
    }
    if (!page.items.empty()) {
      co_return page;  // the homes cut it short; what follows is of another moment
    }
    begin = part.entries(part.entries_size() - 1).ck() + '\0';
  }
}

// ---- chunks ----------------------------------------------------------------

Task<Result<Bytes>> ClusterClient::ReadChunk(ChunkId id, uint64_t offset, uint64_t size) {
  KVFS_CO_ASSIGN_OR_RETURN(Bytes bytes, co_await chunks_.Read(id, Deadline()));
  if (offset >= bytes.size()) {
    co_return Bytes();
  }
  if (offset == 0 && size >= bytes.size()) {
    co_return bytes;
  }
  co_return bytes.substr(offset, size);
}

Task<Result<ChunkInfo>> ClusterClient::GetChunkInfo(ChunkId id) { return chunks_.Info(id); }

// ---- the rest --------------------------------------------------------------

Task<Result<Bytes>> ClusterClient::Ask(env::NodeId node, Method method, Bytes body) {
  return peers_.Call(node, method, std::move(body), kAskMicros);
}

Task<std::vector<std::pair<env::NodeId, Result<Bytes>>>> ClusterClient::AskAll(Method method) {
  const std::vector<env::NodeId> nodes = parts_.nodes();
  std::vector<Task<Result<Bytes>>> asked;
  asked.reserve(nodes.size());
  for (const env::NodeId node : nodes) {
    asked.push_back(Ask(node, method, {}));
  }
  std::vector<std::pair<env::NodeId, Result<Bytes>>> answers;
  answers.reserve(asked.size());
  for (size_t i = 0; i < asked.size(); ++i) {
    Task<Result<Bytes>>& one = asked[i];
    Result<Bytes> answer = co_await one;
    answers.emplace_back(nodes[i], std::move(answer));
  }
  co_return answers;
}

Task<Status> ClusterClient::Sync() {
  has_unsynced_chunks_ = false;  // what is put from here on is of the next
  const int64_t deadline = Deadline();
  std::vector<env::NodeId> synced;
  Status last;
  bool again = true;
  while (again) {
    const uint64_t version = parts_.placement->Version();
    const auto answers = co_await AskAll(Method::kSync);
    again = false;
    synced.clear();
    last = Status::Ok();
    for (const auto& [node, answer] : answers) {
      if (answer.ok()) {
        synced.push_back(node);
      } else {
        again = again || answer.status().code() == Code::kBusy;
        last = answer.status();
      }
    }
    // Others keep what was written, as soon as the layouts change.
    again = (again || parts_.placement->Version() != version) && Left(deadline) > 0;
    if (again) {
      co_await env::SleepFor(parts_.scheduler, options_.retry_micros);
    }
  }
  if (last.ok()) {
    co_return last;
  }
  if (options_.available && !synced.empty()) {
    // What was taken in without a majority is where it was taken in. What the others have comes to
    // their disks when they are there again, or a moment after it was written.
    has_unsynced_chunks_ = true;
    co_return Status::Ok();
  }
  for (uint32_t partition = 0; partition >> options_.partition_bits == 0; ++partition) {
    const auto has_synced = [&](env::NodeId home) {
      return std::find(synced.begin(), synced.end(), home) != synced.end();
    };
    if (!parts_.placement->ElectorateOf(partition).HasMajority(has_synced)) {
      has_unsynced_chunks_ = true;
      co_return last.Annotate("not on the disks of a majority");
    }
  }
  co_return Status::Ok();
}

// Never without a majority: two sides would give the same numbers out.
Task<Result<ClusterClient::InodeBlock>> ClusterClient::TakeInodeBlock() {
  const int64_t deadline = Deadline();
  while (true) {
    KVFS_CO_ASSIGN_OR_RETURN(const auto item, co_await ReadCluster(kInodesCk, deadline, false));
    uint64_t first = kFirstInode;
    Txn txn;
    txn.pk = kClusterPk;
    Assert unchanged;
    unchanged.kind = Assert::Kind::kVersion;
    unchanged.ck = kInodesCk;
    if (item.has_value()) {
      pb::InodeCounter counter;
      if (!counter.ParseFromString(item->value()) || counter.next() < kFirstInode) {
        co_return Status::Corruption("the counter of inode numbers: malformed");
      }
      first = counter.next();
      unchanged.version = item->version;
    }
    if (first >= (uint64_t{1} << 52) - options_.inode_block) {
      co_return Status::NoSpace("all inode numbers are used up");
    }
    pb::InodeCounter next;
    next.set_next(first + options_.inode_block);
    txn.asserts.push_back(std::move(unchanged));
    txn.writes.push_back({Write::Kind::kPut, kInodesCk, next.SerializeAsString()});
    const OpId op = NewOp();
    const auto taken = co_await coordinator_.Submit(std::move(txn), op, true, true,
                                                    std::max<int64_t>(Left(deadline), 1));
    Settle(op);
    if (taken.status.ok()) {
      co_return InodeBlock{first, first + options_.inode_block};
    }
    if (taken.status.code() != Code::kConflict) {
      co_return taken.status;
    }
  }
}

Task<void> ClusterClient::RefillInodes() {
  auto guard = co_await allocating_.Lock();
  const auto block = co_await TakeInodeBlock();
  if (block.ok()) {
    std::lock_guard lock(inodes_mutex_);
    spare_inodes_ = *block;
  }
  is_refilling_ = false;
}

Task<Result<uint64_t>> ClusterClient::AllocateInode() {
  const auto try_take = [this](uint64_t* number) {
    bool refill = false;
    {
      std::lock_guard lock(inodes_mutex_);
      if (inodes_.next == inodes_.end) {
        inodes_ = std::exchange(spare_inodes_, InodeBlock());
      }
      if (inodes_.next == inodes_.end) {
        return false;
      }
      *number = inodes_.next++;
      refill = inodes_.end - inodes_.next <= options_.inode_block / 2 &&
               spare_inodes_.next == spare_inodes_.end;
    }
    if (refill && !is_refilling_.exchange(true)) {
      tasks_.Start(RefillInodes());
    }
    return true;
  };
  uint64_t number = 0;
  if (try_take(&number)) {
    co_return number;
  }
  auto guard = co_await allocating_.Lock();
  while (!try_take(&number)) {
    KVFS_CO_ASSIGN_OR_RETURN(const InodeBlock block, co_await TakeInodeBlock());
    std::lock_guard lock(inodes_mutex_);
    inodes_ = block;
  }
  co_return number;
}

Task<Result<std::vector<WorkItem>>> ClusterClient::DueWork(int64_t now_millis, uint32_t limit) {
  std::vector<uint32_t> partitions;
  for (uint32_t partition = 0; partition >> options_.partition_bits == 0; ++partition) {
    partitions.push_back(partition);
  }
  std::vector<WorkItem> found;
  // One home of each partition; where it does not answer, the next.
  for (size_t turn = 0; !partitions.empty(); ++turn) {
    std::map<env::NodeId, pb::DueWorkRequest> requests;
    for (const uint32_t partition : partitions) {
      const std::vector<env::NodeId> homes = peers_.HomesOf(partition);
      if (turn < homes.size()) {
        requests[homes[turn]].add_partitions(partition);
      }
    }
    std::vector<Task<Result<Bytes>>> asked;
    for (auto& [node, request] : requests) {
      request.set_now_millis(now_millis);
      request.set_limit(limit);
      asked.push_back(Ask(node, Method::kDueWork, request.SerializeAsString()));
    }
    partitions.clear();
    auto request = requests.begin();
    for (Task<Result<Bytes>>& one : asked) {
      const auto answer = co_await one;
      pb::DueWorkReply reply;
      if (!answer.ok() || !reply.ParseFromString(*answer)) {
        const auto& unanswered = request->second.partitions();
        partitions.insert(partitions.end(), unanswered.begin(), unanswered.end());
      }
      for (const auto& line : reply.lines()) {
        auto key = replication::DecodeWorkCk(line.ck());
        if (key.ok() && found.size() < limit) {
          found.push_back({line.partition(), std::move(*key), line.value()});
        }
      }
      ++request;
    }
  }
  co_return found;
}

Task<Result<SpaceInfo>> ClusterClient::Space() {
  const auto answers = co_await AskAll(Method::kSpace);
  SpaceInfo space;
  Status last;
  uint64_t answered = 0;
  for (const auto& [node, answer] : answers) {
    pb::SpaceReply reply;
    if (!answer.ok()) {
      last = answer.status();
    } else if (reply.ParseFromString(*answer)) {
      ++answered;
      space.total_bytes += reply.total_bytes();
      space.available_bytes += reply.available_bytes();
    }
  }
  if (answered == 0) {
    co_return last;
  }
  // A node that is away counts as the others do: files do not grow because it is.
  const uint64_t nodes = answers.size();
  const uint64_t replicas = std::min<uint64_t>(options_.replicas, nodes);
  for (uint64_t* bytes : {&space.total_bytes, &space.available_bytes}) {
    *bytes = *bytes / answered * nodes / replicas;
  }
  co_return space;
}

}  // namespace kvfs::client
