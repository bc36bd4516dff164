#include "kvcore/replication/pk_items.h"

#include <gtest/gtest.h>

#include "kvcore/replication/home.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {
namespace {

void Store(testing::MemoryLocalStore* store, const Bytes& key, const Bytes& value) {
  std::vector<StoreWrite> writes(1);
  writes[0].key = key;
  writes[0].value = value;
  ASSERT_TRUE(store->Apply(writes, {}).ok());
}

pb::Range Range(Bytes begin, Bytes end, uint32_t limit) {
  pb::Range range;
  range.set_begin(std::move(begin));
  range.set_end(std::move(end));
  range.set_limit(limit);
  return range;
}

TEST(ReadRange, GivesUsersItemsInPages) {
  testing::MemoryLocalStore store;
  const Bytes prefix = PkPrefix("dir");
  for (const char* ck : {"a", "b", "c", "d"}) {
    Store(&store, prefix + ck, Bytes(10, *ck));
  }
  Store(&store, prefix + Bytes(1, kStateCk), "state");
  Store(&store, OutcomeKey("dir", {1, 1}), "outcome");
  const auto read = [&](const pb::Range& range, uint64_t max_bytes) {
    pb::Page page;
    EXPECT_TRUE(ReadRange(&store, prefix, range, max_bytes, &page).ok());
    Bytes cks;
    for (const pb::Entry& entry : page.entries()) {
      cks += entry.ck();
    }
    return cks + (page.more() ? "+" : "");
  };
  EXPECT_EQ(read(Range("", "", 100), 1000), "abcd");
  EXPECT_EQ(read(Range("b", "d", 100), 1000), "bc");
  EXPECT_EQ(read(Range("", "", 3), 1000), "abc+");
  EXPECT_EQ(read(Range("", "", 4), 1000), "abcd");
  EXPECT_EQ(read(Range("", "", 100), 15), "ab+");
  EXPECT_EQ(read(Range("d", "b", 100), 1000), "");
  EXPECT_EQ(read(Range(Bytes(1, '\0'), Bytes(2, '\xff'), 100), 1000), "abcd");
}

class WorkTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kBits = 8;

  pb::ApplyRequest Line(const PkState& previous, const PkState& next, const WorkKey& work,
                        bool erase) {
    pb::ApplyRequest request;
    request.set_pk("dir");
    *request.mutable_epoch() = ToProto(next.epoch);
    *request.mutable_previous() = ToProto(previous);
    *request.mutable_next() = ToProto(next);
    pb::Entry* const entry = request.add_entries();
    entry->set_ck(kPkWorkCk + WorkCk(work));
    entry->set_erase(erase);
    if (!erase) {
      Bytes value;
      versioning::EncodeLone({1, 1}, 5, "what", &value);
      entry->set_value(value);
    }
    return request;
  }
  std::vector<WorkItem> Due(int64_t now, uint32_t limit = 10) {
    const auto lines = DueLines(&store_, PartitionOf(PlaceOf("dir"), kBits), kBits, now, limit);
    EXPECT_TRUE(lines.ok());
    return *lines;
  }

  testing::StepEnv env_;
  testing::MemoryLocalStore store_;
  Home home_{{}, &store_, nullptr, &env_};
};

TEST_F(WorkTest, TheIndexFollowsTheLinesOfThePks) {
  const Epoch epoch{1, 1};
  const WorkKey late{2000, 1, "late"};
  const WorkKey early{-5, 1, "early"};
  ASSERT_TRUE(env_.Await(home_.Apply(Line({}, {epoch, 1}, late, false)))->applied());
  ASSERT_TRUE(env_.Await(home_.Apply(Line({epoch, 1}, {epoch, 2}, early, false)))->applied());
  EXPECT_TRUE(Due(-6).empty());
  ASSERT_EQ(Due(1999).size(), 1u);
  EXPECT_EQ(Due(1999)[0].key, early);
  EXPECT_EQ(Due(1999)[0].value, "what");
  ASSERT_EQ(Due(2000).size(), 2u);
  EXPECT_EQ(Due(2000)[1].key, late);
  EXPECT_EQ(Due(INT64_MAX, 1).size(), 1u);
  ASSERT_TRUE(env_.Await(home_.Apply(Line({epoch, 2}, {epoch, 3}, early, true)))->applied());
  ASSERT_EQ(Due(2000).size(), 1u);
  EXPECT_EQ(Due(2000)[0].key, late);
}

}  // namespace
}  // namespace kvfs::replication
