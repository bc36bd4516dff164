#include "kvcore/engine/compaction.h"

#include <gtest/gtest.h>

namespace kvfs::engine {
namespace {

Bytes Key(const Bytes& user_key, uint64_t sequence, EntryType type = EntryType::kValue) {
  Bytes key;
  AppendInternalKey(user_key, sequence, type, &key);
  return key;
}

class PickerTest : public ::testing::Test {
 protected:
  PickerTest() {
    options_.level0_tables = 4;
    options_.table_bytes = 1000;
    options_.level1_bytes = 10'000;
  }

  // Level 0: newest first.
  void Add(int level, const Bytes& first, const Bytes& last, uint64_t bytes = 1000,
           uint64_t deletes = 0, uint64_t hidden_bytes = 0, uint64_t longest_dead_run = 0) {
    const uint64_t number = ++last_number_;
    auto file = std::make_shared<TableFile>(TableMeta{.number = number,
                                                      .file_bytes = bytes,
                                                      .entries = 100,
                                                      .deletes = deletes,
                                                      .longest_dead_run = longest_dead_run,
                                                      .hidden_bytes = hidden_bytes,
                                                      .smallest_sequence = number * 10,
                                                      .largest_sequence = number * 10 + 9,
                                                      .smallest = Key(first, number * 10),
                                                      .largest = Key(last, number * 10 + 9)},
                                            obsolete_);
    TableList& list = version_->levels[static_cast<size_t>(level)];
    list.insert(level == 0 ? list.begin() : list.end(), std::move(file));
  }
  std::optional<Compaction> Pick(const CompactionNeeds& needs = {}) {
    return PickCompaction(version_, options_, needs, under_way_, &cursors_);
  }
  // Picks and goes on as if it were under way.
  std::vector<uint64_t> Start(const CompactionNeeds& needs = {}) {
    auto picked = Pick(needs);
    if (!picked) {
      return {};
    }
    under_way_.push_back(std::make_shared<const Compaction>(std::move(*picked)));
    return Numbers(under_way_.back()->upper);
  }
  static std::vector<uint64_t> Numbers(const TableList& tables) {
    std::vector<uint64_t> numbers;
    for (const auto& table : tables) {
      numbers.push_back(table->meta.number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

  Options options_;
  std::shared_ptr<ObsoleteFiles> obsolete_ = std::make_shared<ObsoleteFiles>();
  std::shared_ptr<Version> version_ = std::make_shared<Version>();
  CompactionCursors cursors_;
  Compactions under_way_;
  uint64_t last_number_ = 0;
};

TEST_F(PickerTest, NothingToDo) {
  EXPECT_FALSE(Pick().has_value());
  Add(0, "a", "c");
  Add(1, "a", "c");
  Add(2, "a", "c");
  EXPECT_FALSE(Pick().has_value());
}

TEST_F(PickerTest, Level0SinksWithEverythingItOverlaps) {
  Add(1, "a", "f");  // 1
  Add(1, "g", "m");  // 2
  Add(1, "n", "z");  // 3
  Add(0, "a", "c");  // 4
  Add(0, "b", "e");  // 5
  Add(0, "e", "g");  // 6
  Add(0, "x", "y");  // 7: apart
  const auto picked = Pick();
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(picked->level, 0);
  EXPECT_EQ(picked->output_level, 1);
  EXPECT_EQ(Numbers(picked->upper), (std::vector<uint64_t>{4, 5, 6}));
  EXPECT_EQ(Numbers(picked->lower), (std::vector<uint64_t>{1, 2}));
  EXPECT_FALSE(picked->trivial_move);
}

TEST_F(PickerTest, AnOversizedLevelPushesItsCheapestTableDown) {
  Add(1, "a", "c", 6000);
  Add(1, "d", "f", 6000);
  Add(1, "g", "i", 6000);
  Add(2, "a", "b", 3000);
  Add(2, "e", "e", 1000);
  Add(2, "h", "h", 2000);
  const auto picked = Pick();
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(Numbers(picked->upper), (std::vector<uint64_t>{2}));
  EXPECT_EQ(Numbers(picked->lower), (std::vector<uint64_t>{5}));
  // The next one lies behind it, though the same would be cheaper: the level is gone through.
  const auto next = Pick();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(Numbers(next->upper), (std::vector<uint64_t>{3}));
}

TEST_F(PickerTest, ATableWithoutOverlapIsMoved) {
  Add(1, "a", "c", 6000);
  Add(1, "d", "f", 6000);
  Add(2, "a", "c", 1000);
  const auto picked = Pick();
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(Numbers(picked->upper), (std::vector<uint64_t>{2}));
  EXPECT_TRUE(picked->trivial_move);
}

TEST_F(PickerTest, DenseDeletesSinkAndAreShedAtTheBottom) {
  Add(1, "a", "c", 1000, 25);
  Add(2, "b", "d");
  auto picked = Pick();
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(picked->output_level, 2);
  EXPECT_FALSE(picked->trivial_move);
  version_->levels[2].clear();
  picked = Pick();
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(picked->output_level, 1);  // where it lies
  // A snapshot that still needs them.
  EXPECT_FALSE(Pick({.oldest_visible = 12}).has_value());
  EXPECT_TRUE(Pick({.oldest_visible = 19}).has_value());
}

TEST_F(PickerTest, SparseDeletesWaitUntilTheyMustGo) {
  Add(2, "a", "c", 1000, 1);
  EXPECT_FALSE(Pick().has_value());
  EXPECT_FALSE(Pick({.shed_hidden = true}).has_value());
  EXPECT_TRUE(Pick({.everything = true}).has_value());
  Add(3, "x", "z", 1000, 1, 1u << 20);
  EXPECT_TRUE(Pick({.shed_hidden = true}).has_value());
}

TEST_F(PickerTest, ALongRunOfDeletesIsShedThoughTheTableHasFew) {
  Add(2, "a", "c", 1000, 20, 0, 127);
  EXPECT_FALSE(Pick().has_value());
  Add(2, "d", "f", 1000, 20, 0, 128);
  const auto picked = Pick();
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(Numbers(picked->upper), (std::vector<uint64_t>{2}));
}

TEST_F(PickerTest, EverythingEndsInOneLevel) {
  Add(1, "a", "c");
  Add(3, "b", "d");
  const auto picked = Pick({.everything = true});
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(picked->level, 1);
  version_->levels[1].clear();
  EXPECT_FALSE(Pick({.everything = true}).has_value());
}

TEST_F(PickerTest, EverythingSinksInSeveralPlacesAtOnce) {
  Add(1, "a", "c");  // 1
  Add(1, "d", "f");  // 2
  Add(2, "x", "z");  // 3
  EXPECT_EQ(Start({.everything = true}), (std::vector<uint64_t>{1}));
  EXPECT_EQ(Start({.everything = true}), (std::vector<uint64_t>{2}));
  EXPECT_EQ(Start({.everything = true}), (std::vector<uint64_t>{}));
}

TEST_F(PickerTest, SeveralRunWhereTheyDoNotMeet) {
  Add(1, "a", "c", 20'000);  // 1
  Add(1, "d", "f", 20'000);  // 2
  Add(1, "g", "i", 20'000);  // 3
  Add(2, "b", "e", 1000);    // 4: below two of them
  Add(2, "h", "h", 1000);    // 5
  EXPECT_EQ(Start(), (std::vector<uint64_t>{1}));
  EXPECT_EQ(Start(), (std::vector<uint64_t>{3}));
  // 2 would read what 1 is being merged with.
  EXPECT_EQ(Start(), (std::vector<uint64_t>{}));
  under_way_.erase(under_way_.begin());
  EXPECT_EQ(Start(), (std::vector<uint64_t>{1}));
}

TEST_F(PickerTest, WhatWouldBeWrittenIntoOneRangeWaits) {
  options_.level0_tables = 2;
  for (const char* key : {"b", "d", "a", "c"}) {
    Add(0, key, key);
  }
  Add(0, "a", "b");  // 5: over 1 and 3
  Add(0, "x", "y");  // 6
  Add(0, "w", "x");  // 7
  EXPECT_EQ(Start(), (std::vector<uint64_t>{1, 3, 5}));
  EXPECT_EQ(Start(), (std::vector<uint64_t>{2}));
  // One that was flushed since then, over both.
  Add(0, "a", "e");  // 8
  EXPECT_EQ(Start(), (std::vector<uint64_t>{6, 7}));
  EXPECT_EQ(Start(), (std::vector<uint64_t>{}));
  EXPECT_EQ(Start({.everything = true}), (std::vector<uint64_t>{}));
}

TEST_F(PickerTest, ALevelIsMeasuredWithoutWhatIsOnItsWayDown) {
  Add(1, "a", "c", 6000);
  Add(1, "d", "f", 6000);
  EXPECT_EQ(Start(), (std::vector<uint64_t>{1}));
  EXPECT_EQ(Start(), (std::vector<uint64_t>{}));
}

TEST(EntryFilterTest, KeepsWhatSomebodyCanSee) {
  const auto kept = [](std::vector<uint64_t> snapshots,
                       const std::vector<std::pair<uint64_t, EntryType>>& entries, bool bottom) {
    EntryFilter filter(std::move(snapshots));
    std::vector<uint64_t> sequences;
    for (const auto& [sequence, type] : entries) {
      if (filter.Keep(Key("k", sequence, type), [bottom](ByteView) { return bottom; })) {
        sequences.push_back(sequence);
      }
    }
    return sequences;
  };
  using Sequences = std::vector<uint64_t>;
  const auto put = EntryType::kValue;
  const auto del = EntryType::kDelete;
  EXPECT_EQ(kept({}, {{9, put}, {5, put}, {3, put}}, false), (Sequences{9}));
  EXPECT_EQ(kept({4}, {{9, put}, {5, put}, {3, put}}, false), (Sequences{9, 3}));
  EXPECT_EQ(kept({3, 5, 7}, {{9, put}, {5, put}, {3, put}}, false), (Sequences{9, 5, 3}));
  EXPECT_EQ(kept({}, {{9, del}, {5, put}}, false), (Sequences{9}));
  EXPECT_EQ(kept({}, {{9, del}, {5, put}}, true), (Sequences{}));
  // The delete hides from now on what the snapshot sees: both stay.
  EXPECT_EQ(kept({6}, {{9, del}, {5, put}}, true), (Sequences{9, 5}));
  // Every reader is past the delete.
  EXPECT_EQ(kept({10}, {{9, del}, {5, put}}, true), (Sequences{}));
}

}  // namespace
}  // namespace kvfs::engine
