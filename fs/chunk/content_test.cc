#include "fs/chunk/content.h"

#include <gtest/gtest.h>

#include "fs/chunk/zeros.h"

namespace kvfs::fs {
namespace {

TEST(Content, SurvivesTheRecord) {
  Geometry geometry;
  Content list;
  list.size = 3 * geometry.chunk_bytes - 5;
  list.chunked = true;
  list.tree.limit = 3;
  list.tree.list = {Sha256("a"), kHole, Sha256("b")};
  list.overlay = 77;
  list.data_chunks = 2;
  Content tree;
  tree.size = kMaxFileBytes;
  tree.chunked = true;
  tree.tree.limit = geometry.ChunkCount(tree.size);
  tree.tree.depth = 4;
  tree.tree.root = Sha256("root");
  tree.data_chunks = 1;
  Content trimmed = tree;
  trimmed.size = 10;
  for (const Content& content : {Content{}, Content{.size = 4096}, list, tree, trimmed}) {
    pb::Inode record;
    StoreContent(content, geometry, &record);
    auto parsed = ParseContent(record, geometry);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, content);
  }
  pb::Inode record;
  StoreContent(list, geometry, &record);
  EXPECT_EQ(record.allocated_bytes(), 2u * geometry.chunk_bytes);
}

TEST(Content, RefusesRecordsThatMakeNoSense) {
  Geometry geometry;
  pb::Inode record;
  record.set_size(5000);
  EXPECT_FALSE(ParseContent(record, geometry).ok());  // inline, but too large
  record.mutable_content()->set_is_chunked(true);
  EXPECT_TRUE(ParseContent(record, geometry).ok());
  record.mutable_content()->add_chunks("short");
  EXPECT_FALSE(ParseContent(record, geometry).ok());
  record.mutable_content()->clear_chunks();
  record.mutable_content()->set_tree_depth(2);
  EXPECT_FALSE(ParseContent(record, geometry).ok());
  record.set_size(kMaxFileBytes + 1);
  EXPECT_FALSE(ParseContent(record, geometry).ok());
}

TEST(Zeros, AreCutOffAtTheEnd) {
  for (size_t size : {0, 1, 100, 4096, 10'000}) {
    EXPECT_EQ(WithoutTrailingZeros(Bytes(size, '\0')).size(), 0u);
    for (size_t at : {size_t{0}, size / 2, size - 1}) {
      if (at < size) {
        Bytes bytes(size, '\0');
        bytes[at] = 1;
        EXPECT_EQ(WithoutTrailingZeros(bytes).size(), at + 1) << size;
      }
    }
  }
}

}  // namespace
}  // namespace kvfs::fs
