#include "fs/vfs/write_buffer.h"

#include <gtest/gtest.h>

#include <random>

namespace kvfs::fs {
namespace {

TEST(WriteBuffer, IsTheBytesWrittenLast) {
  constexpr uint64_t kSpan = 500;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    WriteBuffer buffer(64);
    Bytes model(kSpan, '\0');
    std::vector<bool> written(kSpan, false);
    for (int step = 0; step < 200; ++step) {
      const uint64_t offset = random() % kSpan;
      const uint64_t size = std::min<uint64_t>(kSpan - offset, 1 + random() % (1 + seed * 7));
      const Bytes data(size, static_cast<char>('a' + random() % 26));
      buffer.Write(offset, data);
      model.replace(offset, size, data);
      std::fill_n(written.begin() + static_cast<ptrdiff_t>(offset), size, true);
      const uint64_t begin = random() % kSpan;
      const uint64_t end = begin + random() % (kSpan - begin + 1);
      uint64_t at = begin;
      buffer.ForEach(begin, end, [&](uint64_t from, ByteView bytes) {
        ASSERT_GE(from, at);
        ASSERT_LE(from + bytes.size(), end);
        ASSERT_EQ(from / 64, (from + bytes.size() - 1) / 64);
        for (; at < from; ++at) {
          ASSERT_FALSE(written[at]) << at;
        }
        for (; at < from + bytes.size(); ++at) {
          ASSERT_TRUE(written[at]) << at;
        }
        ASSERT_EQ(bytes, ByteView(model).substr(from, bytes.size()));
      });
      const bool covered =
          std::all_of(written.begin() + static_cast<ptrdiff_t>(begin),
                      written.begin() + static_cast<ptrdiff_t>(end), [](bool b) { return b; });
      ASSERT_EQ(buffer.Covers(begin, end), covered);
    }
    const auto last = std::find(written.rbegin(), written.rend(), true);
    ASSERT_EQ(buffer.end(), static_cast<uint64_t>(written.rend() - last));
    ASSERT_EQ(buffer.chunk_count(), buffer.Chunks().size());
    ASSERT_GE(buffer.memory_bytes(),
              static_cast<uint64_t>(std::count(written.begin(), written.end(), true)));
  }
}

TEST(WriteBuffer, AppendsGrowOneRunPerChunk) {
  WriteBuffer buffer(4096);
  for (uint64_t i = 0; i < 8192; ++i) {
    buffer.Write(i, "x");
  }
  EXPECT_EQ(buffer.Chunks(), (std::vector<uint64_t>{0, 1}));
  EXPECT_LE(buffer.memory_bytes(), 9000u);
}

}  // namespace
}  // namespace kvfs::fs
