// What members say to each other (doc/formats/membership.md).
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/membership/view.h"

namespace kvfs::membership {

inline constexpr size_t kMaxAddressBytes = 255;
inline constexpr size_t kMaxNameBytes = 64;  // of a zone or a datacentre
inline constexpr size_t kMaxConfirmers = 8;  // carried by one rumour
inline constexpr size_t kMaxRumors = 8192;   // in one message

// A piece of gossip. Never says that somebody is dead: each member concludes that by itself, from
// who suspects.
struct Rumor {
  Peer peer;
  State state = State::kAlive;
  std::vector<NodeId> confirmers;  // suspect: whose own probe of it failed; ascending, not empty

  bool operator==(const Rumor&) const = default;
};

struct Message {
  enum class Kind : uint8_t {
    kPing = 1,     // answer me
    kAck,          // to a ping, or passed on by a helper
    kPingRequest,  // ping `subject` for me
    kNack,         // the subject has not answered me either; to a ping request
    kSync,         // everybody I know; answer with the same
    kSyncReply,
  };
  Kind kind = Kind::kPing;
  uint64_t sequence = 0;  // of the probe; chosen by who asks, repeated by who answers
  // Ping and sync: whom it is for, 0 where only the address is known. Ping request, ack, nack: who
  // is being probed.
  NodeId subject = 0;
  Peer sender;
  std::vector<Rumor> rumors;

  bool operator==(const Message&) const = default;
};

size_t EncodedSize(const Rumor& rumor);  // at most a few bytes more than it takes
Bytes Encode(const Message& message);
Result<Message> DecodeMessage(ByteView in);  // hostile input: kCorruption

}  // namespace kvfs::membership
