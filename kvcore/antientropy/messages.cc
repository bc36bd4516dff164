#include "kvcore/antientropy/messages.h"

#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::antientropy {

pb::SumsRequest SumsRequestOf(Tree tree, const std::vector<PlaceRange>& ranges) {
  pb::SumsRequest request;
  request.set_tree(static_cast<uint32_t>(tree));
  for (const PlaceRange& range : ranges) {
    pb::PlaceRange* const one = request.add_ranges();
    one->set_first(range.first);
    one->set_count(range.count);
    one->set_group(range.group);
  }
  return request;
}

Result<Tree> TreeOf(uint32_t number) {
  if (number >= std::size(kTrees)) {
    return Status::InvalidArgument("message of a peer: no such tree");
  }
  return kTrees[number];
}

Result<std::vector<PlaceRange>> RangesOf(const pb::SumsRequest& request) {
  std::vector<PlaceRange> ranges;
  size_t groups = 0;
  for (const pb::PlaceRange& range : request.ranges()) {
    constexpr uint32_t kPlaces = 65'536;
    if (range.group() == 0 || range.count() == 0 || range.count() > kPlaces ||
        range.count() % range.group() != 0 || range.first() > kPlaces - range.count()) {
      return Status::InvalidArgument("message of a peer: no such range of places");
    }
    ranges.push_back({range.first(), range.count(), range.group()});
    groups += ranges.back().groups();
    if (groups > kMaxSums || ranges.size() > kMaxSums) {
      return Status::InvalidArgument("message of a peer: asks for too many sums");
    }
  }
  return ranges;
}

Bytes SumsBytes(const std::vector<Sum>& sums) {
  Bytes bytes;
  bytes.reserve(sums.size() * kSumBytes);
  for (const Sum& sum : sums) {
    Encode(sum, &bytes);
  }
  return bytes;
}

Result<std::vector<Sum>> SumsOf(ByteView bytes) {
  if (bytes.size() % kSumBytes != 0) {
    return Status::InvalidArgument("message of a peer: sums cut short");
  }
  std::vector<Sum> sums;
  for (size_t at = 0; at < bytes.size(); at += kSumBytes) {
    KVFS_ASSIGN_OR_RETURN(const Sum sum, DecodeSum(bytes.substr(at, kSumBytes)));
    sums.push_back(sum);
  }
  return sums;
}

Result<Keys> KeysOf(const pb::PlacesReply& reply) {
  Keys keys;
  for (const auto& pk : reply.pks()) {
    KVFS_RETURN_IF_ERROR(replication::CheckUserPk(pk.pk()));
    keys[pk.pk()] = replication::FromProto(pk.state());
  }
  return keys;
}

Result<References> ReferencesOf(const pb::PlacesReply& reply) {
  References references;
  for (const auto& chunk : reply.chunks()) {
    KVFS_ASSIGN_OR_RETURN(const auto id, replication::ChunkIdOf(chunk.id()));
    for (const auto& ref : chunk.refs()) {
      google::protobuf::RepeatedPtrField<replication::pb::ChunkRef> one;
      *one.Add() = ref.ref();
      KVFS_ASSIGN_OR_RETURN(const auto refs, replication::RefsOf(one));
      references[id][refs[0]] = replication::FromProto(ref.stamp());
    }
  }
  return references;
}

}  // namespace kvfs::antientropy
