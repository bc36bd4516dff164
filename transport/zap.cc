#include "transport/zap.h"

#include <algorithm>
#include <array>
#include <memory>

namespace kvfs::transport {
namespace {

Bytes UserId(env::NodeId node, env::NodeId lowest_client) {
  return std::to_string(node) + ":" + std::to_string(lowest_client);
}

// The parts of one question; empty: none waits.
std::vector<Bytes> ReceiveAll(const Socket& socket) {
  std::vector<Bytes> parts;
  Part part;
  do {
    if (!part.Receive(socket)) {
      return parts;
    }
    parts.emplace_back(part.view());
  } while (part.HasMore());
  return parts;
}

// version, request id, domain, address, identity, mechanism, credentials...
// The user id of who may come: for whom he may speak, "node:lowest client number".
std::optional<Bytes> Judge(const std::vector<Bytes>& question, const Switchboard& switchboard) {
  PublicKey key;
  if (question.size() != 7 || question[0] != "1.0" || question[2] != kZapDomain ||
      question[5] != "CURVE" || question[6].size() != key.size()) {
    return std::nullopt;
  }
  std::memcpy(key.data(), question[6].data(), key.size());
  const auto node = switchboard.NodeOfKey(key);
  if (!node) {
    return std::nullopt;
  }
  return UserId(*node, ClientNumber(key, 0));
}

}  // namespace

bool MaySpeakFor(ByteView user_id, env::NodeId sender) {
  const size_t colon = user_id.find(':');
  if (colon == ByteView::npos) {
    return false;
  }
  const bool is_client = sender >> 63 != 0;
  return is_client ? user_id.substr(colon + 1) == std::to_string(sender & ~uint64_t{UINT32_MAX})
                   : user_id.substr(0, colon) == std::to_string(sender);
}

void AnswerZap(const Socket& socket, Switchboard* switchboard) {
  for (auto question = ReceiveAll(socket); !question.empty(); question = ReceiveAll(socket)) {
    const auto user = Judge(question, *switchboard);
    if (!user) {
      switchboard->Count(&BusStats::unauthorized);
    }
    const Bytes request_id = question.size() > 1 ? question[1] : Bytes();
    const std::array<Bytes, 6> answer = {
        "1.0",
        request_id,
        user ? "200" : "300",  // "later": so that who is allowed later gets in
        user ? "" : "not allowed",
        user.value_or(""),
        ""};
    for (size_t i = 0; i < answer.size(); ++i) {
      Part part{ByteView(answer[i])};
      if (!part.Send(socket, i + 1 < answer.size())) {
        return;
      }
    }
  }
}

}  // namespace kvfs::transport
