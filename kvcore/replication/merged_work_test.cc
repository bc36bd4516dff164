#include "kvcore/replication/merged_work.h"

#include <gtest/gtest.h>

namespace kvfs::replication {
namespace {

TEST(MergedWorkTest, IsReadBackAndRefusedInEveryOtherForm) {
  MergedWork list;
  list.items.push_back({"a", MergedItem::kSiblings});
  list.items.push_back({"b", MergedItem::kCameBack | MergedItem::kSiblings});
  MergedWork all;
  all.all = true;
  for (const MergedWork& work : {list, all, MergedWork()}) {
    const Bytes encoded = EncodeMergedWork(work);
    const auto decoded = DecodeMergedWork(encoded);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, work);
  }
  const Bytes good = EncodeMergedWork(list);
  EXPECT_FALSE(DecodeMergedWork("").ok());
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = good;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto decoded = DecodeMergedWork(flipped);
      if (decoded.ok()) {
        EXPECT_EQ(EncodeMergedWork(*decoded), flipped);
      }
    }
  }
  std::swap(list.items[0], list.items[1]);
  EXPECT_FALSE(DecodeMergedWork(EncodeMergedWork(list)).ok());
}

}  // namespace
}  // namespace kvfs::replication
