// Messages of anti-entropy: to Protocol Buffers and back. What comes from a peer is checked here:
// kInvalidArgument. Pure functions.
#pragma once

#include <map>
#include <vector>

#include "kvcore/antientropy/place_range.h"
#include "kvcore/antientropy/sum.h"
#include "kvcore/proto/antientropy.pb.h"

namespace kvfs::antientropy {

// At most so many sums are asked for at once.
inline constexpr size_t kMaxSums = 65'536;

template <typename Message>
Result<Message> Parse(ByteView body) {
  Message message;
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Status::InvalidArgument("message of a peer: cannot be read");
  }
  return message;
}

pb::SumsRequest SumsRequestOf(Tree tree, const std::vector<PlaceRange>& ranges);
Result<Tree> TreeOf(uint32_t number);
Result<std::vector<PlaceRange>> RangesOf(const pb::SumsRequest& request);
Bytes SumsBytes(const std::vector<Sum>& sums);
Result<std::vector<Sum>> SumsOf(ByteView bytes);

// What a place holds, of either tree.
using Keys = std::map<Bytes, replication::PkState>;
using References =
    std::map<replication::ChunkId, std::map<replication::ChunkRef, replication::PkState>>;
Result<Keys> KeysOf(const pb::PlacesReply& reply);
Result<References> ReferencesOf(const pb::PlacesReply& reply);

}  // namespace kvfs::antientropy
