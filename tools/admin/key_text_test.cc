#include "tools/admin/key_text.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

TEST(KeyText, GoesBothWays) {
  for (const Bytes& key : {Bytes("plain"), Bytes("with space"), Bytes("\x00\xff", 2), Bytes("0x41"),
                           Bytes("dir:1"), Bytes("D\0\0\0\0\0\0\0\x11", 9)}) {
    const auto again = ParseKey(FormatKey(key));
    ASSERT_TRUE(again.ok()) << FormatKey(key);
    EXPECT_EQ(*again, key);
  }
  EXPECT_EQ(FormatKey("plain"), "plain");
  EXPECT_EQ(*ParseKey("0x6B6579"), "key");
  EXPECT_EQ(FormatKey(*ParseKey("dir:17")), "dir:17");
}

TEST(KeyText, WhatIsNoKeyIsRefused) {
  for (const char* text : {"0x", "0x1", "0xgg", "dir:", "dir:x", "dir:1x", "dir:-1"}) {
    EXPECT_EQ(ParseKey(text).status().code(), Code::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace kvfs::tools
