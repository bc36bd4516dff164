// Whole table files. Either an error, or a table whose every way in gives keys in order.
#include <memory>

#include "kvcore/engine/table_reader.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"
#include "tests/support/bytes_file.h"

namespace kvfs::fuzz {

void FuzzTable(const uint8_t* data, size_t size) {
  engine::BlockCache cache(64u << 10, 1);
  Bytes bytes(reinterpret_cast<const char*>(data), size);
  const auto table = engine::Table::Open(std::make_unique<test::BytesReadFile>(std::move(bytes)),
                                         "000012.sst", 12, &cache);
  if (!table.ok()) {
    return;
  }
  const bool whole = (*table)->Verify().ok();
  auto it = (*table)->NewIterator();
  Bytes last;
  uint64_t count = 0;
  for (it->SeekToFirst(); it->Valid() && count < 100'000; it->Next()) {
    FUZZ_CHECK(!whole || count == 0 || engine::CompareInternalKeys(last, it->key()) < 0);
    last.assign(it->key());
    ++count;
  }
  FUZZ_CHECK(!whole || (it->status().ok() && count == (*table)->properties().entries));
  for (it->SeekToLast(); it->Valid() && count > 0; it->Prev()) {
    --count;
  }
  const auto found =
      (*table)->Get(engine::UserKey((*table)->properties().smallest), UINT64_MAX >> 8);
  FUZZ_CHECK(!whole || (found.ok() && found->has_value()));
}

}  // namespace kvfs::fuzz
