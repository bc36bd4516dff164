#include "kvcore/node/watch_table.h"

#include <gtest/gtest.h>

#include "kvcore/client/watch_message.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

constexpr uint32_t kBits = 3;
constexpr uint64_t kMine = 100;
constexpr uint64_t kOther = 200;

replication::pb::WatchRequest All(uint64_t session) {
  replication::pb::WatchRequest request;
  request.set_session(session);
  request.set_partitions(Bytes(client::BitmapBytes(kBits), '\xff'));
  return request;
}

class WatchTableTest : public ::testing::Test {
 protected:
  WatchTable Table() { return WatchTable(options_, kBits); }
  WatchOptions options_{.max_watchers = 2, .lease_micros = 100, .max_keys = 3};
};

TEST_F(WatchTableTest, OthersAreToldOnceAndWhoDidItIsNot) {
  WatchTable table = Table();
  ASSERT_TRUE(table.Watch(7, All(kMine), 0).ok());
  ASSERT_TRUE(table.Watch(8, All(kOther), 0).ok());
  EXPECT_TRUE(table.Changed("pk", {"a"}, kMine, 1));
  EXPECT_FALSE(table.Changed("pk", {"b", "a"}, kMine, 1)) << "somebody is to be told already";
  const auto notices = table.Take();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].to, 8u);
  EXPECT_EQ(notices[0].body.session(), kOther);
  EXPECT_EQ(notices[0].body.sequence(), 1u);
  ASSERT_EQ(notices[0].body.items_size(), 1);
  EXPECT_EQ(notices[0].body.items(0).pk(), "pk");
  EXPECT_EQ(notices[0].body.items(0).cks_size(), 2);
  EXPECT_TRUE(client::ParseChangedNotice(notices[0].body.SerializeAsString()).ok());
  EXPECT_TRUE(table.Take().empty());
  EXPECT_TRUE(table.Changed("pk", {"a"}, 0, 2));  // the store itself: both
  const auto more = table.Take();
  ASSERT_EQ(more.size(), 2u);
  EXPECT_EQ(more[0].body.sequence(), 1u);
  EXPECT_EQ(more[1].body.sequence(), 2u);
}

TEST_F(WatchTableTest, OnlyThePartitionsAskedFor) {
  WatchTable table = Table();
  replication::pb::WatchRequest request = All(kOther);
  const uint32_t partition = replication::PartitionOf(replication::PlaceOf("pk"), kBits);
  Bytes bitmap(client::BitmapBytes(kBits), '\0');
  client::SetBit(&bitmap, partition);
  request.set_partitions(bitmap);
  ASSERT_TRUE(table.Watch(8, request, 0).ok());
  int told = 0;
  for (int i = 0; i < 100; ++i) {
    const Bytes pk = "pk" + std::to_string(i);
    const bool is_told = table.Changed(pk, {"a"}, kMine, 1);
    EXPECT_EQ(is_told, replication::PartitionOf(replication::PlaceOf(pk), kBits) == partition);
    told += is_told ? 1 : 0;
    table.Take();
  }
  EXPECT_GT(told, 0);
  EXPECT_LT(told, 100);
}

TEST_F(WatchTableTest, ManyKeysOfOnePkAreAllOfThem) {
  WatchTable table = Table();
  ASSERT_TRUE(table.Watch(8, All(kOther), 0).ok());
  table.Changed("pk", {"a", "b", "c"}, kMine, 1);
  table.Changed("pk", {"d"}, kMine, 1);
  table.Changed("pk", {"a"}, kMine, 1);
  table.Changed("other", {}, 0, 1);
  const auto notices = table.Take();
  ASSERT_EQ(notices.size(), 1u);
  ASSERT_EQ(notices[0].body.items_size(), 2);
  for (const auto& items : notices[0].body.items()) {
    EXPECT_TRUE(items.all());
    EXPECT_EQ(items.cks_size(), 0);
  }
}

TEST_F(WatchTableTest, WhatIsQueuedIsBounded) {
  options_.max_queued_bytes = 10'000;
  WatchTable table = Table();
  ASSERT_TRUE(table.Watch(8, All(kOther), 0).ok());
  for (int i = 0; i < 1000; ++i) {
    table.Changed("pk" + std::to_string(i), {Bytes(500, 'a')}, kMine, 1);
  }
  auto notices = table.Take();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_TRUE(notices[0].body.everything());
  EXPECT_EQ(notices[0].body.items_size(), 0);
  table.Changed("pk", {"a"}, kMine, 1);
  notices = table.Take();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_FALSE(notices[0].body.everything());
  EXPECT_EQ(notices[0].body.items_size(), 1);
}

TEST_F(WatchTableTest, WatchersAreBoundedAndTheirLeasesEnd) {
  WatchTable table = Table();
  ASSERT_TRUE(table.Watch(7, All(kMine), 0).ok());
  ASSERT_TRUE(table.Watch(8, All(kOther), 50).ok());
  EXPECT_EQ(table.Watch(9, All(300), 99).code(), Code::kBusy);
  ASSERT_TRUE(table.Watch(7, All(kMine), 99).ok());  // renewed
  EXPECT_TRUE(table.Changed("pk", {"a"}, 0, 149));   // queued for both
  EXPECT_TRUE(table.Watch(9, All(300), 150).ok()) << "instead of 8, whose lease is over";
  EXPECT_EQ(table.size(), 2u);
  const auto notices = table.Take();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].to, 7u);
  EXPECT_FALSE(table.Changed("pk", {"a"}, 0, 1000));
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace kvfs::node
