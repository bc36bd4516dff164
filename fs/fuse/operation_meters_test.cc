#include "fs/fuse/operation_meters.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>

namespace kvfs::fs {
namespace {

void Begin(OperationMeters* meters, uint64_t unique, uint32_t opcode, int64_t now) {
  fuse_in_header header{};
  header.len = sizeof(header);
  header.opcode = opcode;
  header.unique = unique;
  header.nodeid = 100 + unique;
  char bytes[sizeof(header)];
  std::memcpy(bytes, &header, sizeof(header));
  meters->Began(bytes, sizeof(bytes), now);
}

void Reply(OperationMeters* meters, uint64_t unique, int error, int64_t now) {
  fuse_out_header header{};
  header.len = sizeof(header);
  header.error = error;
  header.unique = unique;
  const iovec piece{.iov_base = &header, .iov_len = sizeof(header)};
  meters->Replied(&piece, 1, now);
}

TEST(OperationMeters, FromRequestToReply) {
  OperationMeters meters(1000);
  Begin(&meters, 2, FUSE_READ, 10);
  Begin(&meters, 34, FUSE_LOOKUP, 20);  // in the same shard
  Begin(&meters, 4, FUSE_WRITE, 30);
  ASSERT_EQ(meters.Running(50).size(), 3u);
  EXPECT_EQ(meters.Running(50)[0].opcode, FUSE_READ);
  EXPECT_EQ(meters.Running(50)[0].took_micros, 40);
  Reply(&meters, 2, 0, 60);
  Reply(&meters, 34, -ENOENT, 70);
  EXPECT_EQ(meters.Of(FUSE_READ).Count(), 1u);
  EXPECT_EQ(meters.Of(FUSE_READ).sum_micros, 50u);
  EXPECT_EQ(meters.Of(FUSE_LOOKUP).failures, 1u);
  EXPECT_TRUE(meters.Slow().empty());
  Reply(&meters, 4, -EIO, 5030);
  ASSERT_EQ(meters.Slow().size(), 1u);
  EXPECT_EQ(meters.Slow()[0].ino, 104u);
  EXPECT_EQ(meters.Slow()[0].took_micros, 5000);
  EXPECT_EQ(meters.Slow()[0].error, EIO);
  EXPECT_TRUE(meters.Running(6000).empty());
}

TEST(OperationMeters, WhatIsNeverAnsweredAndWhatIsNoAnswer) {
  OperationMeters meters(1000);
  Begin(&meters, 6, FUSE_FORGET, 1);
  Begin(&meters, 8, FUSE_INTERRUPT, 1);
  meters.Began("short", 5, 1);
  Reply(&meters, 0, FUSE_NOTIFY_INVAL_INODE, 2);
  meters.Replied(nullptr, 0, 2);
  EXPECT_TRUE(meters.Running(3).empty());
}

TEST(OperationMeters, RemembersTheLatestSlowOnes) {
  OperationMeters meters(1);
  for (uint64_t i = 0; i < OperationMeters::kSlowKept + 10; ++i) {
    Begin(&meters, 2 * i, FUSE_READ, 0);
    Reply(&meters, 2 * i, 0, 5);
  }
  ASSERT_EQ(meters.Slow().size(), OperationMeters::kSlowKept);
  EXPECT_EQ(meters.Slow()[0].ino, 100 + 2 * (OperationMeters::kSlowKept + 9));
}

}  // namespace
}  // namespace kvfs::fs
