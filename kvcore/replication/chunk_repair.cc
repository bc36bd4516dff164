#include "kvcore/replication/chunk_repair.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

using Listed = std::map<ChunkId, std::map<ChunkRef, PkState>>;

// What peers list is untrusted: what makes no sense is not there.
Listed ToMap(const pb::ListChunksReply& reply) {
  Listed listed;
  for (const pb::ListedChunk& chunk : reply.chunks()) {
    const auto id = ChunkIdOf(chunk.id());
    if (!id.ok()) {
      continue;
    }
    for (const auto& ref : chunk.refs()) {
      google::protobuf::RepeatedPtrField<pb::ChunkRef> one;
      *one.Add() = ref.ref();
      const auto refs = RefsOf(one);
      if (refs.ok()) {
        listed[*id][(*refs)[0]] = FromProto(ref.stamp());
      }
    }
  }
  return listed;
}

// The id just before; empty: there is none.
Bytes Before(ChunkId id) {
  for (size_t i = id.size(); i-- > 0;) {
    if (id[i]-- != 0) {
      return Bytes(AsBytes(id));
    }
  }
  return {};
}

}  // namespace

MissedChunks FindMissed(const std::vector<pb::ListChunksReply>& others,
                        const pb::ListChunksReply& own, size_t majority, const ChunkId& last) {
  struct Held {
    size_t homes = 0;
    PkState stamp;
  };
  std::map<ChunkId, std::map<ChunkRef, Held>> held;
  for (const pb::ListChunksReply& other : others) {
    for (const auto& [id, refs] : ToMap(other)) {
      for (const auto& [ref, stamp] : refs) {
        Held& one = held[id][ref];
        ++one.homes;
        one.stamp = std::max(one.stamp, stamp);
      }
    }
  }
  const Listed here = ToMap(own);
  MissedChunks missed;
  for (const auto& [id, refs] : held) {
    const auto found = here.find(id);
    for (const auto& [ref, one] : refs) {
      const bool is_here =
          found != here.end() && found->second.contains(ref) && found->second.at(ref) >= one.stamp;
      if (id <= last && one.homes >= majority && !is_here) {
        missed[id][one.stamp].push_back(ref);
      }
    }
  }
  return missed;
}

Task<Result<pb::ListChunksReply>> ChunkRepair::ListAt(env::NodeId home, ChunkId id) {
  pb::ListChunksRequest request;
  request.set_partition(PartitionOf(PlaceOf(id), options_.partition_bits));
  request.set_after(Before(id));
  request.set_limit(1);
  auto list = co_await List(home, std::move(request));
  co_return list;
}

Task<Result<pb::ListChunksReply>> ChunkRepair::ListAll(env::NodeId home, uint32_t partition) {
  constexpr uint32_t kPage = 1000;
  pb::ListChunksRequest request;
  request.set_partition(partition);
  request.set_limit(kPage);
  pb::ListChunksReply all;
  while (true) {
    KVFS_CO_ASSIGN_OR_RETURN(const auto page, co_await List(home, request));
    all.mutable_chunks()->MergeFrom(page.chunks());
    if (!page.more() || page.chunks().empty()) {
      co_return all;
    }
    request.set_after(page.chunks().rbegin()->id());
  }
}

Task<Result<pb::ListChunksReply>> ChunkRepair::List(env::NodeId home,
                                                    pb::ListChunksRequest request) {
  if (home == options_.self) {
    co_return home_->List(request, options_.partition_bits);
  }
  Bytes body = request.SerializeAsString();
  const auto answer =
      co_await peers_->Call(home, Method::kListChunks, std::move(body), options_.call_micros);
  if (!answer.ok()) {
    co_return answer.status();
  }
  pb::ListChunksReply reply;
  if (!reply.ParseFromString(*answer)) {
    co_return Status::InvalidArgument("reply of a peer: cannot be read");
  }
  co_return reply;
}

Task<Status> ChunkRepair::TakeOver(const std::vector<env::NodeId>* holders, ChunkId id,
                                   const std::map<PkState, std::vector<ChunkRef>>* refs) {
  pb::ReadChunkRequest read;
  read.set_id(Bytes(AsBytes(id)));
  for (const env::NodeId holder : *holders) {
    Bytes body = read.SerializeAsString();
    const auto answer =
        co_await peers_->Call(holder, Method::kReadChunk, std::move(body), options_.call_micros);
    pb::ReadChunkReply reply;
    if (!answer.ok() || !reply.ParseFromString(*answer) || !reply.present() ||
        Sha256(reply.data()) != id) {
      continue;
    }
    for (const auto& [stamp, of_stamp] : *refs) {
      pb::PutChunkRequest put;
      put.set_id(Bytes(AsBytes(id)));
      put.set_data(reply.data());
      put.set_has_data(true);
      *put.mutable_stamp() = ToProto(stamp);
      for (const ChunkRef& ref : of_stamp) {
        *put.add_refs() = ToProto(ref);
      }
      const auto stored = co_await home_->Put(std::move(put));
      if (!stored.ok()) {
        co_return stored.status();
      }
    }
    co_return Status::Ok();
  }
  co_return Status::Unavailable("a chunk that this home lacks cannot be had");
}

namespace {

// Of `asked` other homes, of which so many answered; `majority` of all homes hold what was
// acknowledged.
size_t Needed(Takes takes, size_t asked, size_t answered, size_t majority) {
  switch (takes) {
    case Takes::kMajority:
      return majority;
    case Takes::kPossible:
      return std::max<size_t>(majority + answered > asked ? majority + answered - asked : 1, 1);
    case Takes::kAny:
      break;
  }
  return 1;
}

}  // namespace

std::vector<env::NodeId> ChunkRepair::Living(std::vector<env::NodeId> homes) const {
  if (options_.is_alive) {
    std::erase_if(homes, [&](env::NodeId home) { return !options_.is_alive(home); });
  }
  return homes;
}

Task<Result<std::vector<ChunkId>>> ChunkRepair::Missed(uint32_t partition) {
  const Electorate electorate = placement_->ElectorateOf(partition);
  std::vector<env::NodeId> others = electorate.sets.front();
  const size_t majority = others.size() / 2 + 1;
  const size_t own_vote = std::erase(others, options_.self);
  std::vector<pb::ListChunksReply> lists;
  const std::vector<env::NodeId> living = Living(others);
  for (const env::NodeId other : living) {
    auto list = co_await ListAll(other, partition);
    if (list.ok()) {
      lists.push_back(std::move(*list));
    }
  }
  if (lists.size() + own_vote < majority) {
    co_return Status::Unavailable("no majority of the homes of its chunks answers");
  }
  KVFS_CO_ASSIGN_OR_RETURN(const auto own, co_await ListAll(options_.self, partition));
  ChunkId last;
  last.fill(static_cast<ChunkId::value_type>(0xff));
  const size_t needed = Needed(Takes::kPossible, others.size(), lists.size(), majority);
  std::vector<ChunkId> missed;
  for (const auto& [id, refs] : FindMissed(lists, own, needed, last)) {
    missed.push_back(id);
  }
  co_return missed;
}

Task<Result<bool>> ChunkRepair::RepairChunk(ChunkId id, Takes takes) {
  const Electorate electorate =
      placement_->ElectorateOf(PartitionOf(PlaceOf(id), options_.partition_bits));
  if (!electorate.Includes(options_.self)) {
    co_return false;
  }
  // In a transition those of the old layout have everything.
  std::vector<env::NodeId> others = electorate.sets.front();
  const size_t majority = others.size() / 2 + 1;
  std::erase(others, options_.self);
  std::vector<env::NodeId> holders;
  std::vector<pb::ListChunksReply> lists;
  const std::vector<env::NodeId> living = Living(others);
  for (const env::NodeId other : living) {
    auto list = co_await ListAt(other, id);
    if (list.ok()) {
      holders.push_back(other);
      lists.push_back(std::move(*list));
    }
  }
  KVFS_CO_ASSIGN_OR_RETURN(const auto own, co_await ListAt(options_.self, id));
  const size_t needed = Needed(takes, others.size(), lists.size(), majority);
  const MissedChunks missed = FindMissed(lists, own, needed, id);
  const auto found = missed.find(id);
  if (found == missed.end()) {
    co_return false;
  }
  const Status took = co_await TakeOver(&holders, id, &found->second);
  KVFS_CO_RETURN_IF_ERROR(took);
  co_return true;
}

}  // namespace kvfs::replication
