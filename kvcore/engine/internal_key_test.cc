#include "kvcore/engine/internal_key.h"

#include <gtest/gtest.h>

#include <random>

#include "kvcore/engine/key_buffer.h"

namespace kvfs::engine {
namespace {

int Sign(int order) { return order < 0 ? -1 : (order > 0 ? 1 : 0); }

// Of few different bytes, so that many share long prefixes; the high ones must sort as unsigned.
Bytes RandomBytes(std::mt19937_64* random, size_t most) {
  Bytes bytes((*random)() % (most + 1), 'a');
  for (char& byte : bytes) {
    const uint64_t kind = (*random)() % 12;
    byte = kind == 0 ? static_cast<char>(0xff) : (kind == 1 ? '\0' : 'a');
  }
  return bytes;
}

TEST(InternalKey, CompareBytesIsTheOrderOfViews) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const Bytes a = RandomBytes(&random, 40);
    Bytes b = RandomBytes(&random, 40);
    if (i % 3 == 0) {
      b = a.substr(0, random() % (a.size() + 1)) + RandomBytes(&random, 3);
    }
    ASSERT_EQ(SameBytes(a, b), a == b) << ToHex(a) << " " << ToHex(b);
    ASSERT_EQ(Sign(CompareBytes(a, b)), Sign(ByteView(a).compare(b)))
        << ToHex(a) << " " << ToHex(b);
  }
  EXPECT_EQ(CompareBytes({}, {}), 0);
  EXPECT_LT(CompareBytes({}, "a"), 0);
}

TEST(InternalKey, LookupKeyIsTheSeekKeyWhateverItsLength) {
  for (const size_t size : {0, 1, 16, 111, 112, 113, 120, 5000}) {
    const Bytes user_key(size, 'k');
    const LookupKey key(user_key, 77);
    EXPECT_EQ(key.internal_key(), SeekKey(user_key, 77));
    EXPECT_EQ(key.user_key(), user_key);
    EXPECT_EQ(key.sequence(), 77u);
  }
}

TEST(KeyBuffer, HoldsWhatWasPutTogether) {
  std::mt19937_64 random(2);
  KeyBuffer buffer;
  Bytes model;
  for (int i = 0; i < 5000; ++i) {
    const size_t kept = random() % (model.size() + 1);
    const Bytes suffix = RandomBytes(&random, i % 50 == 0 ? 3000 : 60);
    model.resize(kept);
    model += suffix;
    buffer.Extend(kept, suffix);
    ASSERT_EQ(buffer.view(), model);
  }
  buffer.Assign("short");
  EXPECT_EQ(buffer.view(), "short");
  buffer.Clear();
  EXPECT_EQ(buffer.view(), "");
}

}  // namespace
}  // namespace kvfs::engine
