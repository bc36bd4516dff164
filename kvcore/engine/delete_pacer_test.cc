#include "kvcore/engine/delete_pacer.h"

#include <gtest/gtest.h>

namespace kvfs::engine {
namespace {

constexpr uint64_t kMiB = 1u << 20;

TEST(DeletePacerTest, ABurstIsFreeAndTheRestAtTheRate) {
  DeletePacer pacer(100 * kMiB);
  int64_t now = 1'000'000;
  EXPECT_EQ(pacer.PauseMicros(DeletePacer::kBurstBytes, now), 0);
  uint64_t deleted = 0;
  const int64_t start = now;
  while (deleted < 1000 * kMiB) {
    deleted += 30 * kMiB;
    const int64_t pause = pacer.PauseMicros(30 * kMiB, now);
    EXPECT_NEAR(static_cast<double>(pause), 300'000, 1000);
    now += pause;
  }
  EXPECT_NEAR(static_cast<double>(now - start), static_cast<double>(deleted / kMiB) * 10'000, 1000);
  now += 10'000'000;  // a rest gives the burst back, no more
  EXPECT_EQ(pacer.PauseMicros(DeletePacer::kBurstBytes, now), 0);
  EXPECT_GT(pacer.PauseMicros(kMiB, now), 0);
}

TEST(DeletePacerTest, WithoutARateThereIsNoPause) {
  DeletePacer pacer(0);
  EXPECT_EQ(pacer.PauseMicros(1000 * kMiB, 0), 0);
}

}  // namespace
}  // namespace kvfs::engine
