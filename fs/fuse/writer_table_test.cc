#include "fs/fuse/writer_table.h"

#include <gtest/gtest.h>

namespace kvfs::fs {
namespace {

TEST(WriterTable, CountsOpensPerInode) {
  WriterTable table;
  EXPECT_FALSE(table.Contains(5));
  table.Add(5);
  table.Add(5);
  table.Add(21);  // the same shard
  table.Remove(5);
  EXPECT_TRUE(table.Contains(5));
  table.Remove(5);
  EXPECT_FALSE(table.Contains(5));
  EXPECT_TRUE(table.Contains(21));
}

}  // namespace
}  // namespace kvfs::fs
