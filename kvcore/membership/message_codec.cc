// The canonical encoding of membership messages (doc/formats/membership.md).
#include "kvcore/base/coding.h"
#include "kvcore/membership/message.h"

namespace kvfs::membership {
namespace {

constexpr char kFormat = 1;

Status Bad(const char* what) { return Status::Corruption(std::string("membership: ") + what); }

// A varint in its shortest form, at most `max`.
bool GetNumber(ByteView* in, uint64_t max, uint64_t* value) {
  const size_t before = in->size();
  return GetVarint64(in, value) && *value <= max &&
         before - in->size() == static_cast<size_t>(VarintLength(*value));
}

bool GetString(ByteView* in, size_t max, std::string* value) {
  uint64_t size = 0;
  if (!GetNumber(in, max, &size) || size > in->size()) {
    return false;
  }
  *value = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

void PutPeer(const Peer& peer, Bytes* out) {
  PutFixed64(out, peer.node);
  PutVarint64(out, peer.incarnation);
  PutLengthPrefixed(out, peer.address);
  PutLengthPrefixed(out, peer.datacentre);
  PutLengthPrefixed(out, peer.zone);
}

bool GetPeer(ByteView* in, Peer* peer) {
  // The last incarnation is never reached by counting; a peer that claims it could not be refuted.
  return GetFixed64(in, &peer->node) && peer->node != 0 &&
         GetNumber(in, UINT64_MAX - 1, &peer->incarnation) && peer->incarnation != 0 &&
         GetString(in, kMaxAddressBytes, &peer->address) && !peer->address.empty() &&
         GetString(in, kMaxNameBytes, &peer->datacentre) &&
         GetString(in, kMaxNameBytes, &peer->zone);
}

bool GetRumor(ByteView* in, Rumor* rumor) {
  if (!GetPeer(in, &rumor->peer) || in->empty()) {
    return false;
  }
  const auto state = static_cast<uint8_t>(in->front());
  in->remove_prefix(1);
  uint64_t count = 0;
  if (state > static_cast<uint8_t>(State::kLeft) || !GetNumber(in, kMaxConfirmers, &count)) {
    return false;
  }
  rumor->state = static_cast<State>(state);
  // A death is nobody's word: what is said is who suspects.
  if (rumor->state == State::kDead || (rumor->state == State::kSuspect) != (count > 0)) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    NodeId node = 0;
    if (!GetFixed64(in, &node) || node == rumor->peer.node ||
        node <= (i == 0 ? 0 : rumor->confirmers.back())) {
      return false;
    }
    rumor->confirmers.push_back(node);
  }
  return true;
}

}  // namespace

size_t EncodedSize(const Rumor& rumor) {
  return 8 + kMaxVarint64Bytes + 2 + rumor.peer.address.size() + 1 + rumor.peer.datacentre.size() +
         1 + rumor.peer.zone.size() + 2 + 8 * rumor.confirmers.size();
}

Bytes Encode(const Message& message) {
  Bytes out;
  out.push_back(kFormat);
  out.push_back(static_cast<char>(message.kind));
  PutVarint64(&out, message.sequence);
  PutFixed64(&out, message.subject);
  PutPeer(message.sender, &out);
  PutVarint64(&out, message.rumors.size());
  for (const Rumor& rumor : message.rumors) {
    PutPeer(rumor.peer, &out);
    out.push_back(static_cast<char>(rumor.state));
    PutVarint64(&out, rumor.confirmers.size());
    for (const NodeId node : rumor.confirmers) {
      PutFixed64(&out, node);
    }
  }
  return out;
}

Result<Message> DecodeMessage(ByteView in) {
  if (in.size() < 2 || in[0] != kFormat) {
    return Bad("unknown format");
  }
  const auto kind = static_cast<uint8_t>(in[1]);
  if (kind < static_cast<uint8_t>(Message::Kind::kPing) ||
      kind > static_cast<uint8_t>(Message::Kind::kSyncReply)) {
    return Bad("unknown kind");
  }
  in.remove_prefix(2);
  Message message;
  message.kind = static_cast<Message::Kind>(kind);
  uint64_t count = 0;
  if (!GetNumber(&in, UINT64_MAX, &message.sequence) || !GetFixed64(&in, &message.subject) ||
      !GetPeer(&in, &message.sender) || !GetNumber(&in, kMaxRumors, &count)) {
    return Bad("cut off");
  }
  for (uint64_t i = 0; i < count; ++i) {
    Rumor rumor;
    if (!GetRumor(&in, &rumor)) {
      return Bad("bad rumour");
    }
    message.rumors.push_back(std::move(rumor));
  }
  if (!in.empty()) {
    return Bad("bytes after the last rumour");
  }
  return message;
}

}  // namespace kvfs::membership
