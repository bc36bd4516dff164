#include "transport/outbox.h"

#include <gtest/gtest.h>

namespace kvfs::transport {
namespace {

Outgoing Of(size_t bytes, int64_t expires = 1000) {
  return {.header = "h", .body = Bytes(bytes, 'b'), .data = {}, .expires_micros = expires};
}

TEST(Outbox, IsBounded) {
  Outbox outbox(10'000);
  size_t pushed = 0;
  while (outbox.Push(Of(1000), 0)) {
    ++pushed;
  }
  EXPECT_GE(pushed, 8u);
  EXPECT_LE(outbox.bytes(), 10'000u);
  EXPECT_TRUE(outbox.Pop(0));
  EXPECT_TRUE(outbox.Push(Of(1000), 0));
}

TEST(Outbox, OneThatIsTooLargeFitsIntoAnEmptyOne) {
  Outbox outbox(1000);
  EXPECT_TRUE(outbox.Push(Of(5000), 0));
  EXPECT_FALSE(outbox.Push(Of(1), 0));
}

TEST(Outbox, WhatHasExpiredMakesRoom) {
  Outbox outbox(3000);
  while (outbox.Push(Of(500, 10), 0)) {
  }
  EXPECT_TRUE(outbox.Push(Of(500, 20), 10));
  EXPECT_GT(outbox.expired(), 0u);
  EXPECT_EQ(outbox.Pop(15)->expires_micros, 20);
  EXPECT_FALSE(outbox.Pop(15));
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST(Outbox, WhatIsPutBackComesFirst) {
  Outbox outbox(10'000);
  EXPECT_TRUE(outbox.Push(Of(1), 0));
  EXPECT_TRUE(outbox.Push(Of(2), 0));
  Outgoing first = *outbox.Pop(0);
  outbox.PutBack(std::move(first));
  EXPECT_EQ(outbox.Pop(0)->body.size(), 1u);
  EXPECT_EQ(outbox.Pop(0)->body.size(), 2u);
}

}  // namespace
}  // namespace kvfs::transport
