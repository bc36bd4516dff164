// Keys and values of items, and requests of the administration channel; the first byte says
// which. A version that decodes encodes to the same bytes; a key that parses is made again from
// its parts.
#include "kvcore/ops/admin_service.h"
#include "kvcore/replication/keys.h"
#include "kvcore/versioning/merge.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"

namespace kvfs::fuzz {
namespace {

void FuzzVersion(ByteView input) {
  const auto value = versioning::Decode(input);
  if (!value.ok()) {
    FUZZ_CHECK(value.status().code() == Code::kCorruption);
    return;
  }
  Bytes again;
  Encode(*value, &again);
  FUZZ_CHECK(again == input);
  FUZZ_CHECK(Merge(*value, *value) == *value);
}

void FuzzKey(ByteView input) {
  using replication::KeyKind;
  const auto key = replication::ParseKey(input, false);
  if (!key.ok()) {
    return;
  }
  if (key->kind == KeyKind::kNodeLocal) {
    FUZZ_CHECK(replication::NodeLocalKey(key->ck) == input);
    return;
  }
  FUZZ_CHECK(replication::PkPrefix(key->place, key->pk) + Bytes(key->ck) == input);
  if (key->kind == KeyKind::kWork) {
    const auto work = replication::DecodeWorkCk(key->ck);
    FUZZ_CHECK(!work.ok() || replication::WorkItemKey(key->place, *work) == input);
  } else if (key->kind == KeyKind::kChunkRef) {
    const auto ref = replication::DecodeRefCk(key->ck);
    const auto id = replication::ChunkIdOfPk(key->pk);
    if (ref.ok() && replication::PlaceOf(id) == key->place) {
      FUZZ_CHECK(replication::ChunkRefKey(id, *ref) == input);
    }
  }
}

void FuzzAdmin(ByteView input) {
  ops::AdminService service;
  auto answer = service.Serve(Bytes(input));
  FUZZ_CHECK(answer.IsDone());
  ops::AdminResponse response;
  FUZZ_CHECK(response.ParseFromString(answer.TakeValue()));
}

}  // namespace

void FuzzItem(const uint8_t* data, size_t size) {
  if (size == 0) {
    return;
  }
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'v':
      FuzzVersion(input);
      break;
    case 'k':
      FuzzKey(input);
      break;
    case 's':
      (void)replication::DecodePkState(input).ok();
      break;
    default:
      FuzzAdmin(input);
      break;
  }
}

}  // namespace kvfs::fuzz
