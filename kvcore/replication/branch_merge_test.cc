#include "kvcore/replication/branch_merge.h"

#include <gtest/gtest.h>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/store_items.h"
#include "kvcore/versioning/merge.h"
#include "tests/support/memory_local_store.h"

namespace kvfs::replication {
namespace {

using versioning::Dot;
using versioning::Sibling;
using versioning::VersionedValue;

constexpr uint64_t kTrunk = 100;  // an actor of the trunk
constexpr uint64_t kB1 = 1;
constexpr uint64_t kB2 = 2;

VersionedValue Value(Dot dot, Bytes value) {
  return versioning::Supersede({}, {dot, 1, false, std::move(value)});
}
VersionedValue Over(const VersionedValue& seen, Dot dot, Bytes value) {
  return versioning::Supersede(seen, {dot, 1, false, std::move(value)});
}
VersionedValue Erased(const VersionedValue& seen, Dot dot) {
  return versioning::Supersede(seen, {dot, 1, true, {}});
}
// The values, in the order of their dots; "-" where there is none.
std::string Values(const std::optional<VersionedValue>& value) {
  std::string text;
  for (const Sibling& sibling : value.has_value() ? value->siblings : std::vector<Sibling>()) {
    text += sibling.tombstone ? "" : sibling.value;
  }
  return text.empty() ? "-" : text;
}

TEST(MergeItemTest, ABranchFollowsWhatItHasSeenAndStandsBesideWhatItHasNot) {
  const VersionedValue base = Value({kTrunk, 1}, "a");
  const VersionedValue branch = Over(base, {kB1, 1}, "b");
  EXPECT_EQ(Values(MergeItem(base, branch, {}, {})), "b");
  const VersionedValue later = Over(base, {kTrunk, 2}, "c");
  EXPECT_EQ(Values(MergeItem(later, branch, {}, {})), "bc");
  EXPECT_EQ(Values(MergeItem(std::nullopt, branch, {}, {})), "b");  // an edit wins over a delete
  EXPECT_EQ(Values(MergeItem(base, Erased(base, {kB1, 1}), {}, {})), "-");
  EXPECT_EQ(Values(MergeItem(later, Erased(base, {kB1, 1}), {}, {})), "c");
}

TEST(MergeItemTest, WhatWasTakenInBeforeDoesNotComeBack) {
  const VersionedValue base = Value({kTrunk, 1}, "a");
  const VersionedValue branch = Over(base, {kB1, 1}, "b");
  const auto merged = MergeItem(base, branch, {}, {});
  const BranchCounts taken = {{kB1, 1}};
  EXPECT_EQ(MergeItem(merged, branch, taken, {}), merged);             // once more changes nothing
  EXPECT_EQ(Values(MergeItem(std::nullopt, branch, taken, {})), "-");  // deleted since
  const VersionedValue since = Over(*merged, {kTrunk, 2}, "c");
  EXPECT_EQ(Values(MergeItem(since, branch, taken, {})), "c");
  // What the branch has done since comes on top of it.
  EXPECT_EQ(Values(MergeItem(since, Over(branch, {kB1, 2}, "d"), taken, {})), "dc");
  EXPECT_EQ(Values(MergeItem(std::nullopt, Over(branch, {kB1, 2}, "d"), taken, {})), "d");
}

TEST(MergeItemTest, AnOperationCountsOnceHoweverOftenItWasCarriedOut) {
  const VersionedValue base = Value({kTrunk, 1}, "a");
  const VersionedValue trunk = Over(base, {kTrunk, 2}, "x");
  // Written into the branch once more, by a home that had the trunk's version, and by one that had
  // not.
  for (const VersionedValue& seen : {trunk, base}) {
    const VersionedValue copy = Over(seen, {kB1, 1}, "x");
    const SameDots same = {{{kB1, 1}, {kTrunk, 2}}};
    EXPECT_EQ(Values(MergeItem(trunk, copy, {}, same)), "x");
    // Replaced in the trunk, in the branch, deleted in either.
    EXPECT_EQ(Values(MergeItem(Over(trunk, {kTrunk, 3}, "t"), copy, {}, same)), "t");
    EXPECT_EQ(Values(MergeItem(std::nullopt, copy, {}, same)), "-");
    EXPECT_EQ(Values(MergeItem(trunk, Over(copy, {kB1, 2}, "b"), {}, same)), "b");
    EXPECT_EQ(Values(MergeItem(trunk, Erased(copy, {kB1, 2}), {}, same)), "-");
  }
}

TEST(MergeItemTest, TwoCopiesInBranchesAreOne) {
  const VersionedValue one = Value({kB1, 1}, "x");
  const VersionedValue two = Value({kB2, 1}, "x");
  const SameDots same = {{{kB2, 1}, {kB1, 1}}};
  EXPECT_EQ(Values(MergeItem(std::nullopt, versioning::Merge(one, two), {}, same)), "x");
  // Somebody saw either of them and took it away, or replaced it.
  for (const auto& [gone, left] : {std::pair(one, two), std::pair(two, one)}) {
    const VersionedValue erased = versioning::Merge(Erased(gone, {3, 1}), left);
    EXPECT_EQ(Values(MergeItem(std::nullopt, erased, {}, same)), "-");
    const VersionedValue replaced = versioning::Merge(Over(gone, {3, 1}, "y"), left);
    EXPECT_EQ(Values(MergeItem(std::nullopt, replaced, {}, same)), "y");
  }
}

TEST(BranchJoinTest, IsTheSameInEveryOrder) {
  Branch a, b;
  a.held = {{kB1, 2}};
  a.items["k"] = Value({kB1, 2}, "a");
  b.held = {{kB1, 1}, {kB2, 1}};
  b.items["k"] = Value({kB2, 1}, "b");
  b.items["l"] = Value({kB2, 1}, "c");
  Branch ab = a, ba = b;
  JoinInto(&ab, b);
  JoinInto(&ba, a);
  EXPECT_EQ(ab.held, ba.held);
  EXPECT_EQ(ab.items, ba.items);
  EXPECT_EQ(ab.held, (BranchCounts{{kB1, 2}, {kB2, 1}}));
  EXPECT_EQ(Values(ab.items["k"]), "ab");
}

class PlanMergeTest : public ::testing::Test {
 protected:
  void PutInTrunk(const Bytes& ck, const VersionedValue& value) {
    Bytes encoded;
    versioning::Encode(value, &encoded);
    PutRaw(ck, encoded);
  }
  void PutRaw(const Bytes& ck, Bytes value) {
    std::vector<StoreWrite> writes(1);
    writes[0].key = PkPrefix("pk") + ck;
    writes[0].value = std::move(value);
    ASSERT_TRUE(store_.Apply(std::move(writes), {}).ok());
  }
  MergePlan Merge(const Branch& branch) {
    MergeContext context;
    context.dot = {kTrunk, 1000};
    context.time = 5;
    context.now_millis = 77;
    auto plan = PlanMerge(branch, "pk", context, &items_);
    EXPECT_TRUE(plan.ok()) << plan.status().ToString();
    auto writes = plan->writes;
    EXPECT_TRUE(store_.Apply(std::move(writes), {}).ok());
    return std::move(*plan);
  }
  std::string InTrunk(const Bytes& ck) {
    const auto stored = store_.Get(PkPrefix("pk") + ck);
    return stored.ok() ? Values(*versioning::Decode(*stored)) : "-";
  }

  testing::MemoryLocalStore store_;
  StoreItems items_{&store_};
};

TEST_F(PlanMergeTest, SaysWhereTheTwoMet) {
  const VersionedValue base = Value({kTrunk, 1}, "a");
  PutInTrunk("both", Over(base, {kTrunk, 2}, "t"));
  PutInTrunk("kept", Over(base, {kTrunk, 2}, "t"));
  PutInTrunk("plain", base);
  Branch branch;
  branch.held = {{kB1, 1}};
  branch.items["back"] = Over(base, {kB1, 1}, "b");
  branch.items["both"] = Over(base, {kB1, 1}, "b");
  branch.items["kept"] = Erased(base, {kB1, 1});
  branch.items["new"] = Value({kB1, 1}, "b");
  branch.items["plain"] = Over(base, {kB1, 1}, "b");
  const MergePlan plan = Merge(branch);
  const std::vector<MergedItem> expected = {{"back", MergedItem::kCameBack},
                                            {"both", MergedItem::kSiblings},
                                            {"kept", MergedItem::kKept}};
  EXPECT_EQ(plan.work.items, expected);
  WorkKey line;
  line.due_millis = 77;
  line.kind = kMergedWork;
  line.id = "pk";
  const auto stored = store_.Get(PkPrefix("pk") + kPkWorkCk + WorkCk(line));
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(DecodeMergedWork(versioning::Decode(*stored)->siblings[0].value)->items, expected);
  EXPECT_EQ(InTrunk("both"), "bt");
  EXPECT_EQ(InTrunk("kept"), "t");
  EXPECT_EQ(InTrunk("new"), "b");
  EXPECT_EQ(InTrunk("plain"), "b");

  // No tombstones stay, and a second time there is nothing to do.
  const MergePlan again = Merge(branch);
  EXPECT_TRUE(again.is_merged);
  EXPECT_TRUE(again.writes.empty());
}

TEST_F(PlanMergeTest, LeavesNoLineWhereNothingMet) {
  Branch branch;
  branch.held = {{kB1, 1}};
  branch.items["new"] = Value({kB1, 1}, "b");
  EXPECT_TRUE(Merge(branch).work.empty());
}

TEST_F(PlanMergeTest, RecordsOutcomesAndMindsThoseThatAreRecorded) {
  const OpId in_both{7, 1}, in_branch{7, 2}, refused_in_trunk{7, 3};
  Outcome trunk;
  trunk.version = {kTrunk, 2};
  PutRaw(OutcomeCk(in_both), EncodeOutcome(trunk));
  Outcome refused;
  refused.conflict = true;
  PutRaw(OutcomeCk(refused_in_trunk), EncodeOutcome(refused));
  PutInTrunk("k", Value({kTrunk, 2}, "x"));
  Branch branch;
  branch.held = {{kB1, 3}};
  uint64_t counter = 0;
  for (const OpId& op : {in_both, in_branch, refused_in_trunk}) {
    Outcome done;
    done.version = {kB1, ++counter};
    branch.outcomes[BranchOutcomeCk(op, kB1)] = done;
  }
  branch.items["k"] = Value({kB1, 1}, "x");
  (void)Merge(branch);
  EXPECT_EQ(InTrunk("k"), "x");
  const auto recorded = [&](const OpId& op) {
    return *DecodeOutcome(*store_.Get(PkPrefix("pk") + OutcomeCk(op)));
  };
  EXPECT_EQ(recorded(in_both).version, trunk.version);
  EXPECT_EQ(recorded(in_branch).version, (VersionId{kB1, 2}));
  EXPECT_FALSE(recorded(refused_in_trunk).conflict);
}

TEST(BranchCountsTest, AreReadBackAndRefusedInEveryOtherForm) {
  const BranchCounts counts = {{1, 5}, {UINT64_MAX, 300}};
  const Bytes good = EncodeCounts(counts);
  EXPECT_EQ(*DecodeCounts(good), counts);
  EXPECT_TRUE(DecodeCounts("")->empty());
  for (size_t at = 0; at < good.size(); ++at) {
    EXPECT_FALSE(DecodeCounts(good.substr(0, at)).ok() && at != 0 && at != 9);
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = good;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto decoded = DecodeCounts(flipped);
      if (decoded.ok()) {
        EXPECT_EQ(EncodeCounts(*decoded), flipped);
      }
    }
  }
}

}  // namespace
}  // namespace kvfs::replication
