// What comes from other nodes: frames ('f', then lengths and parts) and messages of membership
// ('m'). Whatever decodes encodes to the same bytes.
#include "kvcore/base/coding.h"
#include "kvcore/membership/membership.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"
#include "transport/frame.h"

namespace kvfs::fuzz {
namespace {

constexpr transport::ClusterId kCluster = {'f', 'u', 'z', 'z'};

void FuzzFrame(ByteView input) {
  std::vector<ByteView> parts;
  ByteView part;
  while (GetLengthPrefixed(&input, &part)) {
    parts.push_back(part);
  }
  const auto header = transport::DecodeHeader(parts, kCluster);
  if (header.ok()) {
    FUZZ_CHECK(parts.size() == size_t{2} + header->data_frames);
    const std::vector<Bytes> data(parts.begin() + 2, parts.end());
    FUZZ_CHECK(transport::EncodeHeader(*header, parts[1], data) == parts[0]);
  }
}

// A member takes whatever decodes, and what it answers decodes too.
void FuzzMembership(ByteView input) {
  const auto message = membership::DecodeMessage(input);
  if (!message.ok()) {
    FUZZ_CHECK(message.status().code() == Code::kCorruption);
    return;
  }
  FUZZ_CHECK(Encode(*message) == input);
  membership::Membership member({.node = 1, .incarnation = 0, .address = "a:1"}, {}, 1);
  (void)member.Start({{.node = 2, .incarnation = 1, .address = "b:1"}}, {}, 0);
  auto out = member.Step(*message, 1000);
  for (int64_t now = 1'000'000; now < 5'000'000; now += 500'000) {
    auto more = member.Tick(now);
    std::move(more.messages.begin(), more.messages.end(), std::back_inserter(out.messages));
  }
  for (const auto& envelope : out.messages) {
    FUZZ_CHECK(membership::DecodeMessage(Encode(envelope.message)).ok());
  }
}

}  // namespace

void FuzzWire(const uint8_t* data, size_t size) {
  if (size == 0) {
    return;
  }
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'f') {
    FuzzFrame(input);
  } else {
    FuzzMembership(input);
  }
}

}  // namespace kvfs::fuzz
