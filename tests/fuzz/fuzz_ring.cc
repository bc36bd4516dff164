// Layouts, the messages by which the next one is agreed on ('m'), and what a node keeps of that
// ('s'). The first byte says what the rest is. Whatever decodes encodes to the same bytes.
#include "kvcore/ring/layout_agreement.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"

namespace kvfs::fuzz {
namespace {

template <typename Decoded>
void RoundTrip(const Decoded& decoded, ByteView input) {
  if (!decoded.ok()) {
    FUZZ_CHECK(decoded.status().code() == Code::kCorruption);
    return;
  }
  FUZZ_CHECK(Encode(*decoded) == input);
}

}  // namespace

void FuzzRing(const uint8_t* data, size_t size) {
  if (size == 0) {
    return;
  }
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'l':
      RoundTrip(ring::DecodeLayout(input), input);
      break;
    case 'm':
      RoundTrip(ring::DecodeAgreementMessage(input), input);
      break;
    case 's':
      RoundTrip(ring::DecodeAgreementState(input), input);
      break;
    default:
      break;
  }
}

}  // namespace kvfs::fuzz
