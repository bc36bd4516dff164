#include "kvcore/engine/obsolete_deleter.h"

#include <gtest/gtest.h>

#include "kvcore/engine/db_test_support.h"

namespace kvfs::engine::testing {
namespace {

constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kFileBytes = 16 * kMiB;

class ObsoleteDeleterTest : public ::testing::Test {
 protected:
  ObsoleteDeleterTest() {
    EXPECT_TRUE(machine_.files->CreateDirectory(kDirectory).ok());
    deleter_.Start();
  }
  void Doom(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const FileName name{FileKind::kBlob, ++last_number_};
      auto file = machine_.files->OpenWritable(FilePath(kDirectory, name.kind, name.number),
                                               env::FileSystem::Create::kNew);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE((*file)->Truncate(kFileBytes).ok());
      files_->Add(name);
    }
  }
  uint64_t Left() { return machine_.files->List(kDirectory)->size(); }

  Machine machine_{1};
  std::shared_ptr<ObsoleteFiles> files_ = std::make_shared<ObsoleteFiles>();
  TaskGroup tasks_{machine_.scheduler.get()};
  uint64_t forgotten_ = 0;
  ObsoleteDeleter deleter_{machine_.env(), kDirectory, kFileBytes,
                           files_,         &tasks_,    [this](const FileName&) { ++forgotten_; }};
  uint64_t last_number_ = 0;
};

TEST_F(ObsoleteDeleterTest, DeletesNoFasterThanTheRateAfterABurst) {
  const uint64_t burst = DeletePacer::kBurstBytes / kFileBytes;
  Doom(burst + 10);
  machine_.scheduler->RunUntilIdle();
  EXPECT_EQ(Left(), 9u);  // one more than the burst, and then a pause for it
  EXPECT_EQ(deleter_.WaitingBytes(), 9 * kFileBytes);
  for (uint64_t second = 1; second <= 9; ++second) {
    machine_.scheduler->RunFor(1'000'000);
    EXPECT_EQ(Left(), 9 - second);
  }
  EXPECT_EQ(deleter_.WaitingBytes(), 0u);
  EXPECT_EQ(forgotten_, last_number_);
}

TEST_F(ObsoleteDeleterTest, WhereSpaceIsShortThereAreNoPauses) {
  Doom(30);
  machine_.scheduler->RunUntilIdle();
  EXPECT_GT(Left(), 0u);
  deleter_.Hurry();
  machine_.scheduler->RunUntilIdle();
  EXPECT_EQ(Left(), 0u);
  Doom(30);  // and afterwards there are
  machine_.scheduler->RunUntilIdle();
  EXPECT_GT(Left(), 0u);
  tasks_.Close();
  deleter_.Finish();
  EXPECT_EQ(Left(), 0u);
}

}  // namespace
}  // namespace kvfs::engine::testing
