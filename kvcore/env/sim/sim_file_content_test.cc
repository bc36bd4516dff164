#include "kvcore/env/sim/sim_file_content.h"

#include <gtest/gtest.h>

#include <set>

#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {
namespace {

constexpr int kDraws = 400;

SimFileContent Durable(const Bytes& bytes) {
  SimFileContent content;
  content.Write(0, bytes);
  content.Sync();
  return content;
}

// Every state that a power loss leaves, over many draws.
std::set<Bytes> States(const SimFileContent& content, Survival survival) {
  std::set<Bytes> states;
  SimRandom random(7);
  for (int i = 0; i < kDraws; ++i) {
    SimFileContent crashed = content;
    crashed.LosePower(random, survival);
    EXPECT_EQ(crashed.current(), crashed.durable());
    states.insert(crashed.current());
  }
  return states;
}

TEST(SimFileContentTest, SyncedBytesSurviveAnything) {
  const Bytes bytes(3000, 'a');
  for (auto survival :
       {Survival::kNothing, Survival::kEverything, Survival::kOneMoment, Survival::kAnything}) {
    EXPECT_EQ(States(Durable(bytes), survival), std::set<Bytes>{bytes});
  }
}

TEST(SimFileContentTest, UnsyncedOverwriteTearsAtSectors) {
  SimFileContent content = Durable(Bytes(1024, 'a'));
  content.Write(0, Bytes(1024, 'b'));
  const Bytes a(512, 'a');
  const Bytes b(512, 'b');
  EXPECT_EQ(States(content, Survival::kAnything), (std::set<Bytes>{a + a, a + b, b + a, b + b}));
  EXPECT_EQ(States(content, Survival::kNothing), std::set<Bytes>{a + a});
  EXPECT_EQ(States(content, Survival::kEverything), std::set<Bytes>{b + b});
  EXPECT_EQ(States(content, Survival::kOneMoment), (std::set<Bytes>{a + a, b + b}));
}

TEST(SimFileContentTest, ASectorHoldsWhatItHeldAtSomeMoment) {
  SimFileContent content = Durable("....");
  content.Write(0, "1");
  content.Write(1, "2");
  content.Write(2, "3");
  EXPECT_EQ(States(content, Survival::kAnything),
            (std::set<Bytes>{"....", "1...", "12..", "123."}));
}

TEST(SimFileContentTest, UnsyncedAppendMayLeaveSizeWithoutBytes) {
  SimFileContent content = Durable("head");
  content.Write(4, "tail");
  EXPECT_EQ(States(content, Survival::kAnything),
            (std::set<Bytes>{"head", Bytes("head\0\0\0\0", 8), "headtail"}));
}

TEST(SimFileContentTest, LaterWritesNeedTheTruncationBeforeThem) {
  SimFileContent content = Durable("old content");
  content.Truncate(0);
  content.Write(0, "new");
  EXPECT_EQ(States(content, Survival::kAnything),
            (std::set<Bytes>{"old content", "", Bytes(3, '\0'), "new"}));
}

TEST(SimFileContentTest, TruncatedBytesDoNotComeBackWhenTheFileGrows) {
  SimFileContent content = Durable("secret");
  content.Truncate(2);
  content.Write(5, "!");
  content.Sync();
  EXPECT_EQ(content.durable(), Bytes("se\0\0\0!", 6));
}

TEST(SimFileContentTest, SyncCoversAllThatWasWritten) {
  SimRandom random(3);
  for (int round = 0; round < 200; ++round) {
    SimFileContent content;
    Bytes model;
    for (int i = 0; i < 20; ++i) {
      const uint64_t offset = Uniform(random, 3000);
      if (Uniform(random, 5) == 0) {
        content.Truncate(offset);
        model.resize(offset);
      } else {
        const Bytes data(Uniform(random, 1500), static_cast<char>('a' + Uniform(random, 26)));
        content.Write(offset, data);
        if (!data.empty()) {
          model.resize(std::max(model.size(), offset + data.size()));
          model.replace(offset, data.size(), data);
        }
      }
      ASSERT_EQ(content.current(), model);
      if (Uniform(random, 6) == 0) {
        content.Sync();
        ASSERT_EQ(content.durable(), model);
      }
    }
    content.Sync();
    content.LosePower(random, Survival::kAnything);
    ASSERT_EQ(content.current(), model);
  }
}

TEST(SimFileContentTest, EverythingSurvivesWhenSoAsked) {
  SimRandom random(4);
  for (int round = 0; round < 200; ++round) {
    SimFileContent content;
    for (int i = 0; i < 10; ++i) {
      const uint64_t offset = Uniform(random, 3000);
      if (Uniform(random, 4) == 0) {
        content.Truncate(offset);
      } else {
        content.Write(offset, Bytes(Uniform(random, 900), static_cast<char>('a' + i)));
      }
      if (i == 3) {
        content.Sync();
      }
    }
    const Bytes before = content.current();
    content.LosePower(random, Survival::kEverything);
    ASSERT_EQ(content.current(), before);
  }
}

TEST(SimFileContentTest, AfterAFailedSyncALaterOneDoesNotHelp) {
  SimFileContent content = Durable(Bytes(1024, 'a'));
  content.Write(0, Bytes(1024, 'b'));
  content.ForgetUnsynced();
  content.Write(600, "c");  // writes its whole sector again
  content.Sync();
  EXPECT_EQ(content.current().substr(0, 512), Bytes(512, 'b'));
  EXPECT_EQ(content.durable().substr(0, 512), Bytes(512, 'a'));
  EXPECT_EQ(content.durable().substr(512), content.current().substr(512));
}

}  // namespace
}  // namespace kvfs::env::sim
