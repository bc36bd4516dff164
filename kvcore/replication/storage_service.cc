#include "kvcore/replication/storage_service.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/pk_items.h"
#include "kvcore/replication/store_items.h"

namespace kvfs::replication {
namespace {

constexpr uint32_t kMaxDueLines = 10'000;

template <typename Message>
Result<Message> Read(const Bytes& body) {
  Message message;
  if (!message.ParseFromString(body)) {
    return Status::InvalidArgument("message of a peer: cannot be read");
  }
  return message;
}

}  // namespace

bool StorageService::Serves(Method method) {
  return method >= Method::kPutChunk && method <= Method::kListChunks;
}

Result<Bytes> StorageService::DueWork(const Bytes& body) {
  KVFS_ASSIGN_OR_RETURN(const auto request, Read<pb::DueWorkRequest>(body));
  pb::DueWorkReply reply;
  uint32_t left = std::min(request.limit(), kMaxDueLines);
  for (const uint32_t partition : request.partitions()) {
    if (partition >> partition_bits_ != 0) {
      return Status::InvalidArgument("message of a peer: no such partition");
    }
    KVFS_ASSIGN_OR_RETURN(const auto lines,
                          DueLines(store_, partition, partition_bits_, request.now_millis(), left));
    for (const WorkItem& line : lines) {
      auto* const out = reply.add_lines();
      out->set_partition(partition);
      out->set_ck(WorkCk(line.key));
      out->set_value(line.value);
    }
    left -= static_cast<uint32_t>(lines.size());
  }
  return reply.SerializeAsString();
}

Result<Bytes> StorageService::Info(const Bytes& body) {
  KVFS_ASSIGN_OR_RETURN(const auto request, Read<pb::ReadChunkRequest>(body));
  KVFS_ASSIGN_OR_RETURN(const ChunkId id, ChunkIdOf(request.id()));
  KVFS_ASSIGN_OR_RETURN(const ChunkInfo info, StoreItems(store_).GetChunkInfo(id));
  pb::ChunkInfoReply reply;
  reply.set_present(info.present);
  reply.set_raw_bytes(info.raw_bytes);
  reply.set_stored_bytes(info.stored_bytes);
  reply.set_references(info.references);
  return reply.SerializeAsString();
}

Task<Result<Bytes>> StorageService::Handle(Method method, Bytes body) {
  switch (method) {
    case Method::kPutChunk: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Read<pb::PutChunkRequest>(body));
      KVFS_CO_ASSIGN_OR_RETURN(const auto reply, co_await chunks_->Put(std::move(request)));
      co_return reply.SerializeAsString();
    }
    case Method::kDropChunk: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Read<pb::DropChunkRequest>(body));
      Status dropped = co_await chunks_->Drop(std::move(request));
      KVFS_CO_RETURN_IF_ERROR(dropped);
      co_return Bytes();
    }
    case Method::kReadChunk: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Read<pb::ReadChunkRequest>(body));
      KVFS_CO_ASSIGN_OR_RETURN(const ChunkId id, ChunkIdOf(request.id()));
      KVFS_CO_ASSIGN_OR_RETURN(const auto reply, co_await chunks_->Read(id));
      co_return reply.SerializeAsString();
    }
    case Method::kChunkInfo:
      co_return Info(body);
    case Method::kSync: {
      Status synced = co_await store_->Sync(store_->LastPosition());
      KVFS_CO_RETURN_IF_ERROR(synced);
      co_return Bytes();
    }
    case Method::kDueWork:
      co_return DueWork(body);
    case Method::kSpace: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto space, store_->GetSpace());
      pb::SpaceReply reply;
      reply.set_total_bytes(space.total_bytes);
      reply.set_available_bytes(space.available_bytes);
      co_return reply.SerializeAsString();
    }
    case Method::kListChunks: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Read<pb::ListChunksRequest>(body));
      KVFS_CO_ASSIGN_OR_RETURN(const auto reply, chunks_->List(request, partition_bits_));
      co_return reply.SerializeAsString();
    }
    default:
      co_return Status::InvalidArgument("message of a peer: an unknown method");
  }
}

}  // namespace kvfs::replication
