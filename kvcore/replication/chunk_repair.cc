#include "kvcore/replication/chunk_repair.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

constexpr ChunkId kLastId = [] {
  ChunkId id{};
  for (auto& byte : id) {
    byte = 0xff;
  }
  return id;
}();

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

// The list is complete up to here.
ChunkId LastOf(const pb::ListChunksReply& reply) {
  if (!reply.more() || reply.chunks().empty()) {
    return kLastId;
  }
  const auto id = ChunkIdOf(reply.chunks(reply.chunks_size() - 1).id());
  return id.ok() ? *id : ChunkId{};
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
      const bool is_here = found != here.end() && found->second.contains(ref);
      if (id <= last && one.homes >= majority && !is_here) {
        missed[id][one.stamp].push_back(ref);
      }
    }
  }
  return missed;
}

Task<Result<pb::ListChunksReply>> ChunkRepair::ListAt(env::NodeId home, uint32_t partition,
                                                      Bytes after) {
  pb::ListChunksRequest request;
  request.set_partition(partition);
  request.set_after(std::move(after));
  request.set_limit(options_.page);
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

Task<Result<uint64_t>> ChunkRepair::RepairPartition(uint32_t partition) {
  std::vector<env::NodeId> others = placement_->HomesOf(partition);
  const size_t majority = others.size() / 2 + 1;
  if (std::erase(others, options_.self) == 0 || others.size() < majority) {
    co_return uint64_t{0};
  }
  uint64_t taken = 0;
  Status first;
  Bytes after;
  while (true) {
    std::vector<env::NodeId> holders;
    std::vector<pb::ListChunksReply> lists;
    ChunkId last = kLastId;
    Status unheard;
    for (const env::NodeId other : others) {
      auto list = co_await ListAt(other, partition, after);
      if (!list.ok()) {
        unheard = list.status();
        continue;
      }
      last = std::min(last, LastOf(*list));
      holders.push_back(other);
      lists.push_back(std::move(*list));
    }
    if (lists.size() < majority) {
      co_return Status::Unavailable(unheard.message());
    }
    KVFS_CO_ASSIGN_OR_RETURN(const auto own, co_await ListAt(options_.self, partition, after));
    last = std::min(last, LastOf(own));
    const MissedChunks missed = FindMissed(lists, own, majority, last);
    for (const auto& [id, refs] : missed) {
      const Status took = co_await TakeOver(&holders, id, &refs);
      if (took.ok()) {
        ++taken;
      } else if (first.ok()) {
        first = took;
      }
    }
    Bytes next(AsBytes(last));
    if (last == kLastId || next <= after) {
      break;
    }
    after = std::move(next);
  }
  if (!first.ok()) {
    co_return first;
  }
  co_return taken;
}

}  // namespace kvfs::replication
