#include "fs/vfs/explain.h"

#include <gtest/gtest.h>

#include "tests/support/test_vfs.h"

namespace kvfs::fs {
namespace {

using testing::TestVfs;

class ExplainTest : public ::testing::Test {
 protected:
  Explanation Explain(const std::string& path) {
    auto explained = vfs.Await(ExplainPath(vfs.store().client(), vfs.store().env(), path));
    EXPECT_TRUE(explained.ok()) << path;
    return explained.ok() ? *explained : Explanation{};
  }

  TestVfs vfs;
};

TEST_F(ExplainTest, SmallFilesAreInline) {
  const Ino dir = vfs.Await(vfs->MakeDirectory(kRootIno, "d", 0755, vfs.who))->attr.ino;
  const Ino file = vfs.WriteFile(dir, "f", "hello");
  const Explanation found = Explain("/d/f");
  EXPECT_EQ(found.ref.ino, file);
  EXPECT_EQ(found.ref.home, dir);
  EXPECT_EQ(found.content, "inline");
  EXPECT_EQ(found.attr.size, 5u);
  EXPECT_EQ(found.chunk_count, 0u);
  EXPECT_EQ(found.links, std::vector<std::string>{std::to_string(dir) + "/f"});
  EXPECT_EQ(found.versions.size(), 1u);
  EXPECT_LT(found.partition, uint32_t{1} << vfs.store().client()->info().partition_bits);
  EXPECT_EQ(Explain("/d").content, "none");
  EXPECT_EQ(Explain("").ref.ino, kRootIno);
}

TEST_F(ExplainTest, ChunksAreCountedOnceAndSharedOnesAreNotExclusive) {
  const uint32_t chunk_bytes = vfs.store().client()->info().chunk_bytes;
  const Bytes repeated(size_t{2} * chunk_bytes, 'a');  // two places, one chunk
  vfs.WriteFile(kRootIno, "f", repeated + "tail");
  Explanation found = Explain("/f");
  EXPECT_EQ(found.content, "chunks");
  EXPECT_EQ(found.chunk_count, 3u);
  EXPECT_EQ(found.raw_bytes, chunk_bytes + 4);
  EXPECT_EQ(found.missing_chunks, 0u);
  vfs.WriteFile(kRootIno, "copy", repeated + "other tail");
  ASSERT_TRUE(vfs.Await(vfs->Link(vfs.Walk("/f"), kRootIno, "g")).ok());
  found = Explain("/g");
  EXPECT_EQ(found.links.size(), 2u);
  EXPECT_EQ(found.chunks.front().info.references, 4u);
  EXPECT_LT(found.exclusive_bytes, found.stored_bytes);
}

TEST_F(ExplainTest, TreesListTheirNodesToo) {
  const uint32_t chunk_bytes = vfs.store().client()->info().chunk_bytes;
  const Ino file = vfs.WriteFile(kRootIno, "f", Bytes(chunk_bytes, 'x'));
  auto open = vfs.Await(vfs->Open(file, O_RDWR));
  ASSERT_TRUE(vfs.Await(vfs->Write(file, open->handle, 300ull * chunk_bytes, "end")).ok());
  ASSERT_TRUE(vfs.Await(vfs->Flush(file, open->handle)).ok());
  ASSERT_TRUE(vfs.Await(vfs->Release(file, open->handle)).ok());
  const Explanation found = Explain("/f");
  EXPECT_EQ(found.content, "tree");
  EXPECT_EQ(found.tree_depth, 2u);
  std::vector<std::pair<uint32_t, uint64_t>> places;
  for (const ExplainedChunk& chunk : found.chunks) {
    places.emplace_back(chunk.level, chunk.position);
  }
  EXPECT_EQ(places,
            (std::vector<std::pair<uint32_t, uint64_t>>{{2, 0}, {1, 0}, {0, 0}, {1, 1}, {0, 300}}));
}

TEST_F(ExplainTest, ErrorsOfPaths) {
  vfs.WriteFile(kRootIno, "f", "hello");
  const auto error = [&](const char* path) {
    auto found = vfs.Await(ExplainPath(vfs.store().client(), vfs.store().env(), path));
    return found.ok() ? 0 : found.error().value();
  };
  EXPECT_EQ(error("/none"), ENOENT);
  EXPECT_EQ(error("/f/g"), ENOTDIR);
}

}  // namespace
}  // namespace kvfs::fs
