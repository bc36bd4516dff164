// The contents of a block, as an iterator meets them behind a checksum that happens to hold; and
// the small structures of a table. Every walk ends; every key shown is well-formed.
#include <memory>

#include "kvcore/engine/block_reader.h"
#include "kvcore/engine/bloom_filter.h"
#include "kvcore/engine/internal_key.h"
#include "kvcore/engine/table_format.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"

namespace kvfs::fuzz {
namespace {

void Walk(engine::BlockIterator* it, size_t limit) {
  size_t steps = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    FUZZ_CHECK(engine::IsInternalKey(it->key()));
    FUZZ_CHECK(++steps <= limit);
  }
  steps = 0;
  for (it->SeekToLast(); it->Valid() && steps < 1000; it->Prev()) {
    FUZZ_CHECK(engine::IsInternalKey(it->key()));
    FUZZ_CHECK(++steps <= limit);
  }
}

}  // namespace

void FuzzBlock(const uint8_t* data, size_t size) {
  auto contents = std::make_shared<const Bytes>(reinterpret_cast<const char*>(data), size);
  engine::BlockIterator it;
  it.Reset(contents, {});
  Walk(&it, size);
  const Bytes target = engine::SeekKey(ByteView(*contents).substr(0, size / 2), size);
  it.Seek(target);
  it.SeekForPrev(target);
  for (int i = 0; i < 10 && it.Valid(); ++i) {
    it.Prev();
  }

  engine::TableProperties properties;
  if (engine::DecodeTableProperties(*contents, &properties)) {
    Bytes again;
    engine::EncodeTableProperties(properties, &again);
    engine::TableProperties decoded;
    FUZZ_CHECK(engine::DecodeTableProperties(again, &decoded) && decoded == properties);
  }
  engine::BloomMayContain(*contents, size * 0x9e3779b97f4a7c15u);
}

}  // namespace kvfs::fuzz
