#include "transport/zap.h"

#include <algorithm>
#include <array>
#include <memory>

namespace kvfs::transport {
namespace {

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
std::optional<env::NodeId> Judge(const std::vector<Bytes>& question,
                                 const Switchboard& switchboard) {
  PublicKey key;
  if (question.size() != 7 || question[0] != "1.0" || question[2] != kZapDomain ||
      question[5] != "CURVE" || question[6].size() != key.size()) {
    return std::nullopt;
  }
  std::memcpy(key.data(), question[6].data(), key.size());
  return switchboard.NodeOfKey(key);
}

}  // namespace

void AnswerZap(const Socket& socket, Switchboard* switchboard) {
  for (auto question = ReceiveAll(socket); !question.empty(); question = ReceiveAll(socket)) {
    const auto node = Judge(question, *switchboard);
    if (!node) {
      switchboard->Count(&BusStats::unauthorized);
    }
    const Bytes request_id = question.size() > 1 ? question[1] : Bytes();
    const std::array<Bytes, 6> answer = {
        "1.0",
        request_id,
        node ? "200" : "300",  // "later": so that who is allowed later gets in
        node ? "" : "not allowed",
        node ? std::to_string(*node) : "",
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
