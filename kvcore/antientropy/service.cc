#include "kvcore/antientropy/service.h"

#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/messages.h"

namespace kvfs::antientropy {
namespace {

using replication::Method;

// Adds what the place holds.
Status AddKeys(MerkleStore* store, uint16_t place, pb::PlacesReply* reply) {
  return ForEachKey(store, place, [&](ByteView pk, const replication::PkState& state) {
    auto* const one = reply->add_pks();
    one->set_pk(Bytes(pk));
    *one->mutable_state() = replication::ToProto(state);
    return Status::Ok();
  });
}

Status AddReferences(MerkleStore* store, uint16_t place, pb::PlacesReply* reply) {
  return ForEachReference(store, place, [&](const auto& id, const auto& ref, const auto& stamp) {
    const Bytes bytes(AsBytes(id));
    const int count = reply->chunks_size();
    auto* const chunk = count > 0 && reply->chunks(count - 1).id() == bytes
                            ? reply->mutable_chunks(count - 1)
                            : reply->add_chunks();
    chunk->set_id(bytes);
    auto* const listed = chunk->add_refs();
    *listed->mutable_ref() = replication::ToProto(ref);
    *listed->mutable_stamp() = replication::ToProto(stamp);
    return Status::Ok();
  });
}

}  // namespace

Result<pb::PlacesReply> Service::List(const pb::PlacesRequest& request) const {
  KVFS_ASSIGN_OR_RETURN(const Tree tree, TreeOf(request.tree()));
  pb::PlacesReply reply;
  for (const uint32_t place : request.places()) {
    if (place > 0xffff) {
      return Status::InvalidArgument("message of a peer: no such place");
    }
    const auto at = static_cast<uint16_t>(place);
    KVFS_RETURN_IF_ERROR(tree == Tree::kKeys ? AddKeys(store_, at, &reply)
                                             : AddReferences(store_, at, &reply));
    reply.set_places(reply.places() + 1);
    if (reply.ByteSizeLong() >= options_.page_bytes) {
      break;
    }
  }
  return reply;
}

Result<Bytes> Service::Handle(Method method, ByteView body) const {
  if (method == Method::kSums) {
    KVFS_ASSIGN_OR_RETURN(const auto request, Parse<pb::SumsRequest>(body));
    KVFS_ASSIGN_OR_RETURN(const Tree tree, TreeOf(request.tree()));
    KVFS_ASSIGN_OR_RETURN(const auto ranges, RangesOf(request));
    KVFS_ASSIGN_OR_RETURN(const auto sums, store_->Sums(tree, ranges));
    pb::SumsReply reply;
    reply.set_sums(SumsBytes(sums));
    return reply.SerializeAsString();
  }
  KVFS_ASSIGN_OR_RETURN(const auto request, Parse<pb::PlacesRequest>(body));
  KVFS_ASSIGN_OR_RETURN(const auto reply, List(request));
  return reply.SerializeAsString();
}

}  // namespace kvfs::antientropy
