#include "kvcore/antientropy/exchange.h"

#include <map>
#include <optional>
#include <utility>

namespace kvfs::antientropy {
namespace {

using replication::Method;

Status DifferingKeys(const pb::PlacesReply& own, const pb::PlacesReply& other,
                     std::set<Bytes>* found) {
  KVFS_ASSIGN_OR_RETURN(const Keys here, KeysOf(own));
  KVFS_ASSIGN_OR_RETURN(const Keys there, KeysOf(other));
  for (const auto& [pk, state] : there) {
    const auto same = here.find(pk);
    if (same == here.end() || same->second != state) {
      found->insert(pk);
    }
  }
  for (const auto& [pk, state] : here) {
    if (!there.contains(pk)) {
      found->insert(pk);
    }
  }
  return Status::Ok();
}

std::optional<replication::PkState> StampIn(
    const std::map<replication::ChunkRef, replication::PkState>& refs,
    const replication::ChunkRef& ref) {
  const auto found = refs.find(ref);
  return found == refs.end() ? std::nullopt : std::optional(found->second);
}

Status MissingChunks(const pb::PlacesReply& own, const pb::PlacesReply& other,
                     std::set<replication::ChunkId>* found) {
  KVFS_ASSIGN_OR_RETURN(const References here, ReferencesOf(own));
  KVFS_ASSIGN_OR_RETURN(const References there, ReferencesOf(other));
  for (const auto& [id, refs] : there) {
    const auto same = here.find(id);
    for (const auto& [ref, stamp] : refs) {
      const auto own_stamp = same == here.end() ? std::nullopt : StampIn(same->second, ref);
      if (!own_stamp.has_value() || *own_stamp < stamp) {
        found->insert(id);
      }
    }
  }
  return Status::Ok();
}

}  // namespace

Task<Result<Bytes>> Exchange::Ask(env::NodeId peer, Method method, Bytes body) {
  auto answer = co_await peers_->Call(peer, method, std::move(body), options_.call_micros);
  if (!answer.ok()) {
    co_return Status::Unavailable(answer.status().message());  // a question leaves nothing unknown
  }
  co_return std::move(*answer);
}

Task<Status> Exchange::CompareRanges(env::NodeId peer, Tree tree, Comparison* comparison) {
  while (!comparison->ranges().empty()) {
    Bytes body = SumsRequestOf(tree, comparison->ranges()).SerializeAsString();
    KVFS_CO_ASSIGN_OR_RETURN(const Bytes answer,
                             co_await Ask(peer, Method::kSums, std::move(body)));
    KVFS_CO_ASSIGN_OR_RETURN(const auto reply, Parse<pb::SumsReply>(answer));
    KVFS_CO_ASSIGN_OR_RETURN(const auto other, SumsOf(reply.sums()));
    KVFS_CO_ASSIGN_OR_RETURN(const auto own, store_->Sums(tree, comparison->ranges()));
    KVFS_CO_RETURN_IF_ERROR(comparison->Take(own, other));
  }
  co_return Status::Ok();
}

Task<Status> Exchange::ComparePlaces(env::NodeId peer, Tree tree,
                                     const std::vector<uint16_t>* places, Differences* found) {
  for (size_t at = 0; at < places->size();) {
    pb::PlacesRequest request;
    request.set_tree(static_cast<uint32_t>(tree));
    for (size_t i = at; i < places->size(); ++i) {
      request.add_places((*places)[i]);
    }
    Bytes body = request.SerializeAsString();
    KVFS_CO_ASSIGN_OR_RETURN(const Bytes answer,
                             co_await Ask(peer, Method::kPlaces, std::move(body)));
    KVFS_CO_ASSIGN_OR_RETURN(const auto there, Parse<pb::PlacesReply>(answer));
    const size_t told = there.places();
    if (told == 0 || told > places->size() - at) {
      co_return Status::InvalidArgument("message of a peer: other places than were asked for");
    }
    request.mutable_places()->Truncate(static_cast<int>(told));
    pb::PlacesReply here;
    while (request.places_size() > 0) {
      KVFS_CO_ASSIGN_OR_RETURN(const auto part, service_->List(request));
      here.MergeFrom(part);
      request.mutable_places()->ExtractSubrange(0, static_cast<int>(part.places()), nullptr);
    }
    KVFS_CO_RETURN_IF_ERROR(tree == Tree::kKeys ? DifferingKeys(here, there, &found->keys)
                                                : MissingChunks(here, there, &found->chunks));
    at += told;
  }
  co_return Status::Ok();
}

Task<Result<Differences>> Exchange::Compare(env::NodeId peer, Tree tree,
                                            std::vector<uint32_t> partitions,
                                            uint32_t partition_bits) {
  Differences found;
  Comparison comparison(partitions, partition_bits);
  Status compared = co_await CompareRanges(peer, tree, &comparison);
  KVFS_CO_RETURN_IF_ERROR(compared);
  const std::vector<uint16_t> places = comparison.differing();
  Status listed = co_await ComparePlaces(peer, tree, &places, &found);
  KVFS_CO_RETURN_IF_ERROR(listed);
  co_return found;
}

}  // namespace kvfs::antientropy
