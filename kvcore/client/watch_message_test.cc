#include "kvcore/client/watch_message.h"

#include <gtest/gtest.h>

#include <random>

namespace kvfs::client {
namespace {

namespace pb = replication::pb;

pb::ChangedNotice GoodNotice() {
  pb::ChangedNotice notice;
  notice.set_session(9);
  notice.set_sequence(1);
  pb::ChangedItems* const some = notice.add_items();
  some->set_pk("pk");
  some->add_cks("a");
  pb::ChangedItems* const all = notice.add_items();
  all->set_pk("other");
  all->set_all(true);
  return notice;
}

TEST(WatchMessage, WhatNoPeerWouldSendIsRefused) {
  const auto is_good = [](const pb::ChangedNotice& notice) {
    return ParseChangedNotice(notice.SerializeAsString()).ok();
  };
  EXPECT_TRUE(is_good(GoodNotice()));
  pb::ChangedNotice bad = GoodNotice();
  bad.set_session(0);
  EXPECT_FALSE(is_good(bad));
  bad = GoodNotice();
  bad.set_sequence(0);
  EXPECT_FALSE(is_good(bad));
  bad = GoodNotice();
  bad.mutable_items(0)->set_pk("");
  EXPECT_FALSE(is_good(bad));
  bad = GoodNotice();
  bad.mutable_items(0)->set_cks(0, Bytes(1, '\0'));
  EXPECT_FALSE(is_good(bad));
  bad = GoodNotice();
  bad.mutable_items(0)->clear_cks();
  EXPECT_FALSE(is_good(bad));

  pb::WatchRequest request;
  request.set_session(9);
  request.set_partitions(Bytes(BitmapBytes(8), '\0'));
  EXPECT_TRUE(ParseWatchRequest(request.SerializeAsString(), 8).ok());
  EXPECT_FALSE(ParseWatchRequest(request.SerializeAsString(), 9).ok());
  EXPECT_FALSE(ParseWatchRequest(request.SerializeAsString(), 0).ok());
  request.set_session(0);
  EXPECT_FALSE(ParseWatchRequest(request.SerializeAsString(), 8).ok());
}

TEST(WatchMessage, AnyBytesAreReadOrRefused) {
  std::mt19937 random(8);
  pb::WatchRequest request;
  request.set_session(9);
  request.set_partitions(Bytes(BitmapBytes(3), '\x05'));
  int read = 0;
  for (const Bytes& good : {GoodNotice().SerializeAsString(), request.SerializeAsString()}) {
    for (int i = 0; i < 20'000; ++i) {
      Bytes bytes = good;
      for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
      if (const auto notice = ParseChangedNotice(bytes); notice.ok()) {
        ++read;
        for (const pb::ChangedItems& items : notice->items()) {
          EXPECT_FALSE(items.pk().empty());
        }
      }
      if (const auto watch = ParseWatchRequest(bytes, 3); watch.ok()) {
        ++read;
        EXPECT_EQ(watch->partitions().size(), 1u);
      }
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace kvfs::client
