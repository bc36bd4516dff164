#include "fs/meta/namespace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "fs/meta/keys.h"
#include "tests/support/test_tree.h"

namespace kvfs::fs {
namespace {

using testing::TestTree;

// The error of an answer, 0 if there is none.
template <typename T>
int Error(const FsResult<T>& result) {
  return result.ok() ? 0 : result.error().value();
}

class NamespaceTest : public ::testing::Test {
 protected:
  void Wait() { tree.store().steps().Advance(1'000'000); }

  TestTree tree;
};

TEST_F(NamespaceTest, TheRootIsMadeOnce) {
  const Attr root = tree.Stat("/");
  EXPECT_EQ(root.ino, kRootIno);
  EXPECT_EQ(root.mode, uint32_t{S_IFDIR | 0755});
  EXPECT_EQ(root.uid, 1000u);
  EXPECT_EQ(root.nlink, 2u);
  ASSERT_EQ(Error(tree.Dir("/a")), 0);
  EXPECT_TRUE(tree.Await(tree.names().Initialise({})).ok());
  EXPECT_EQ(tree.Stat("/").uid, 1000u);
  EXPECT_EQ(tree.List("/"), std::vector<Bytes>{"a"});
}

TEST_F(NamespaceTest, CreateAndLookup) {
  auto made = tree.File("/f", 0666);
  ASSERT_EQ(Error(made), 0);
  EXPECT_EQ(made->attr.mode, uint32_t{S_IFREG | 0644});
  EXPECT_EQ(made->ref.home, kRootIno);
  auto found = tree.Find("/f");
  ASSERT_EQ(Error(found), 0);
  EXPECT_EQ(found->ref, made->ref);
  EXPECT_EQ(found->attr.nlink, 1u);
  EXPECT_EQ(found->attr.size, 0u);
  EXPECT_EQ(Error(tree.File("/f")), EEXIST);
  EXPECT_EQ(Error(tree.Dir("/f")), EEXIST);
  EXPECT_EQ(Error(tree.Symlink("x", "/f")), EEXIST);
  EXPECT_EQ(Error(tree.Find("/g")), ENOENT);
  EXPECT_EQ(Error(tree.File("/f/g")), ENOENT);  // the kernel says ENOTDIR before it gets here
}

TEST_F(NamespaceTest, NamesMayBeAnyBytesUpTo255) {
  EXPECT_EQ(Error(tree.File("/" + std::string(255, 'n'))), 0);
  EXPECT_EQ(Error(tree.File("/" + std::string(256, 'n'))), ENAMETOOLONG);
  EXPECT_EQ(Error(tree.Find("/" + std::string(256, 'n'))), ENAMETOOLONG);
  EXPECT_EQ(Error(tree.File("/\xff\xfe\n\x01")), 0);
  EXPECT_EQ(Error(tree.Find("/\xff\xfe\n\x01")), 0);
  auto& names = tree.names();
  EXPECT_EQ(Error(tree.Await(names.MakeNode(TestTree::Root(), "", S_IFREG, 0, {}))), ENOENT);
  EXPECT_EQ(Error(tree.Await(names.MakeNode(TestTree::Root(), "a/b", S_IFREG, 0, {}))), EINVAL);
  EXPECT_EQ(Error(tree.Await(names.MakeNode(TestTree::Root(), ".", S_IFREG, 0, {}))), EINVAL);
}

TEST_F(NamespaceTest, SpecialFilesKeepTypeAndDevice) {
  ASSERT_EQ(Error(tree.Node("/fifo", S_IFIFO | 0600, 7)), 0);
  ASSERT_EQ(Error(tree.Node("/dev", S_IFBLK | 0600, 0x801)), 0);
  ASSERT_EQ(Error(tree.Node("/sock", S_IFSOCK | 0600, 0)), 0);
  EXPECT_EQ(tree.Stat("/fifo").mode, uint32_t{S_IFIFO | 0600});
  EXPECT_EQ(tree.Stat("/fifo").rdev, 0u);
  EXPECT_EQ(tree.Stat("/dev").rdev, 0x801u);
  EXPECT_EQ(Error(tree.Node("/d", S_IFDIR | 0700, 0)), EINVAL);
}

TEST_F(NamespaceTest, DirectoriesCountTheirSubdirectories) {
  ASSERT_EQ(Error(tree.Dir("/a")), 0);
  ASSERT_EQ(Error(tree.Dir("/a/b")), 0);
  ASSERT_EQ(Error(tree.Dir("/a/c")), 0);
  EXPECT_EQ(tree.Stat("/").nlink, 3u);
  EXPECT_EQ(tree.Stat("/a").nlink, 4u);
  EXPECT_EQ(Error(tree.Rmdir("/a")), ENOTEMPTY);
  auto removed = tree.Rmdir("/a/b");
  ASSERT_EQ(Error(removed), 0);
  EXPECT_EQ(removed->attr.nlink, 0u);
  EXPECT_TRUE(removed->is_gone);
  EXPECT_EQ(tree.Stat("/a").nlink, 3u);
  EXPECT_EQ(Error(tree.Rmdir("/a/b")), ENOENT);
  auto parent = tree.Await(tree.names().LookupParent(tree.Find("/a/c")->ref));
  ASSERT_TRUE(parent.ok());
  EXPECT_EQ(parent->ref, tree.Find("/a")->ref);
}

TEST_F(NamespaceTest, ARemovedDirectoryTakesNoNames) {
  auto dir = tree.Dir("/d");
  ASSERT_EQ(Error(tree.Rmdir("/d")), 0);
  auto& names = tree.names();
  EXPECT_EQ(Error(tree.Await(names.MakeNode(dir->ref, "f", S_IFREG, 0, {}))), ENOENT);
  EXPECT_EQ(Error(tree.Await(names.MakeDirectory(dir->ref, "f", 0755, {}))), ENOENT);
  auto file = tree.File("/f");
  EXPECT_EQ(Error(tree.Await(names.Link(file->ref, dir->ref, "g"))), ENOENT);
  EXPECT_EQ(
      Error(tree.Await(names.Rename(TestTree::Root(), "f", dir->ref, "g", RenameMode::kReplace))),
      ENOENT);
  EXPECT_EQ(Error(tree.Await(names.GetAttr(dir->ref))), ENOENT);
  EXPECT_EQ(tree.Stat("/f").nlink, 1u);
}

TEST_F(NamespaceTest, UnlinkAndRmdirRefuseTheOtherKind) {
  ASSERT_EQ(Error(tree.Dir("/d")), 0);
  ASSERT_EQ(Error(tree.File("/f")), 0);
  EXPECT_EQ(Error(tree.Unlink("/d")), EISDIR);
  EXPECT_EQ(Error(tree.Rmdir("/f")), ENOTDIR);
  EXPECT_EQ(Error(tree.Unlink("/none")), ENOENT);
  EXPECT_EQ(Error(tree.Await(tree.names().RemoveDirectory(TestTree::Root(), "."))), EINVAL);
  EXPECT_EQ(Error(tree.Await(tree.names().RemoveDirectory(TestTree::Root(), ".."))), ENOTEMPTY);
}

TEST_F(NamespaceTest, AFileLeavesNothingBehind) {
  const auto before = tree.store().memory().Contents().size();
  ASSERT_EQ(Error(tree.Dir("/d")), 0);
  ASSERT_EQ(Error(tree.File("/d/f")), 0);
  ASSERT_EQ(Error(tree.Symlink("target", "/d/s")), 0);
  const InodeRef file = tree.Find("/d/f")->ref;
  ASSERT_TRUE(tree.Await(tree.names().SetXattr(file, "user.a", "1", false, false, false)).ok());
  ASSERT_EQ(Error(tree.Link("/d/f", "/g")), 0);
  ASSERT_EQ(Error(tree.Unlink("/g")), 0);
  auto removed = tree.Unlink("/d/f");
  ASSERT_EQ(Error(removed), 0);
  EXPECT_TRUE(removed->is_gone);
  ASSERT_EQ(Error(tree.Unlink("/d/s")), 0);
  ASSERT_EQ(Error(tree.Rmdir("/d")), 0);
  // The root's times were not there before; counters of the store may be.
  EXPECT_LE(tree.store().memory().Contents().size(), before + 4);
  auto page = tree.Await(tree.store().client()->Scan(keys::DirectoryPk(file.home), {}, {}, 100));
  EXPECT_TRUE(page.ok() && page->items.empty());
}

TEST_F(NamespaceTest, AnOpenFileBecomesAnOrphan) {
  auto file = tree.File("/f");
  tree.open.insert(file->ref.ino);
  auto removed = tree.Unlink("/f");
  ASSERT_EQ(Error(removed), 0);
  EXPECT_FALSE(removed->is_gone);
  EXPECT_EQ(removed->attr.nlink, 0u);
  auto attr = tree.Await(tree.names().GetAttr(file->ref));
  ASSERT_TRUE(attr.ok());
  EXPECT_EQ(attr->nlink, 0u);
  EXPECT_EQ(Error(tree.Await(tree.names().Link(file->ref, TestTree::Root(), "again"))), ENOENT);
  auto due = tree.Await(tree.store().client()->DueWork(INT64_MAX, 10));
  ASSERT_TRUE(due.ok());
  ASSERT_EQ(due->size(), 1u);
  EXPECT_EQ(keys::ParseWorkId(due->front().key.id), file->ref);
  auto loaded = tree.Await(LoadInode(tree.store().client(), file->ref));
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(OrphanWork(loaded->record), due->front().key);
}

TEST_F(NamespaceTest, HardLinksCountAndOutliveTheirHome) {
  ASSERT_EQ(Error(tree.Dir("/home")), 0);
  ASSERT_EQ(Error(tree.Dir("/other")), 0);
  ASSERT_EQ(Error(tree.File("/home/f")), 0);
  ASSERT_EQ(Error(tree.Link("/home/f", "/home/g")), 0);
  ASSERT_EQ(Error(tree.Link("/home/f", "/other/h")), 0);
  EXPECT_EQ(tree.Stat("/other/h").nlink, 3u);
  EXPECT_EQ(Error(tree.Link("/home/f", "/other/h")), EEXIST);
  EXPECT_EQ(Error(tree.Link("/home", "/other/d")), EPERM);
  ASSERT_EQ(Error(tree.Unlink("/home/f")), 0);
  ASSERT_EQ(Error(tree.Unlink("/home/g")), 0);
  ASSERT_EQ(Error(tree.Rmdir("/home")), 0);
  auto node = tree.Find("/other/h");
  ASSERT_EQ(Error(node), 0);
  EXPECT_EQ(node->attr.nlink, 1u);
  EXPECT_FALSE(node->was_born_here);
  ASSERT_EQ(Error(tree.Link("/other/h", "/i")), 0);
  ASSERT_EQ(Error(tree.Rename("/other/h", "/j")), 0);
  EXPECT_EQ(tree.Stat("/j").nlink, 2u);
  ASSERT_EQ(Error(tree.Unlink("/i")), 0);
  auto removed = tree.Unlink("/j");
  ASSERT_EQ(Error(removed), 0);
  EXPECT_TRUE(removed->is_gone);
  auto page =
      tree.Await(tree.store().client()->Scan(keys::DirectoryPk(node->ref.home), {}, {}, 100));
  EXPECT_TRUE(page.ok() && page->items.empty());
}

TEST_F(NamespaceTest, Symlinks) {
  const std::string target(4095, 't');
  ASSERT_EQ(Error(tree.Symlink(target, "/s")), 0);
  const Attr attr = tree.Stat("/s");
  EXPECT_EQ(attr.mode, uint32_t{S_IFLNK | 0777});
  EXPECT_EQ(attr.size, 4095u);
  auto read = tree.Await(tree.names().ReadSymlink(tree.Find("/s")->ref));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, target);
  EXPECT_EQ(Error(tree.Symlink(target + "t", "/t")), ENAMETOOLONG);
  EXPECT_EQ(Error(tree.Symlink("", "/t")), ENOENT);
}

TEST_F(NamespaceTest, TimesMoveAsPosixSays) {
  ASSERT_EQ(Error(tree.Dir("/d")), 0);
  const Attr dir = tree.Stat("/d");
  Wait();
  ASSERT_EQ(Error(tree.File("/d/f")), 0);
  const Attr dir_after = tree.Stat("/d");
  EXPECT_GT(dir_after.mtime, dir.mtime);
  EXPECT_EQ(dir_after.mtime, dir_after.ctime);
  EXPECT_EQ(dir_after.atime, dir.atime);
  const Attr file = tree.Stat("/d/f");
  EXPECT_EQ(file.mtime, dir_after.mtime);
  EXPECT_EQ(file.btime, file.mtime);
  Wait();
  ASSERT_EQ(Error(tree.Link("/d/f", "/g")), 0);
  EXPECT_GT(tree.Stat("/g").ctime, file.ctime);
  EXPECT_EQ(tree.Stat("/g").mtime, file.mtime);
  EXPECT_EQ(tree.Stat("/d").mtime, dir_after.mtime);
  Wait();
  const Attr linked = tree.Stat("/g");
  ASSERT_EQ(Error(tree.Unlink("/d/f")), 0);
  EXPECT_GT(tree.Stat("/g").ctime, linked.ctime);
  EXPECT_GT(tree.Stat("/d").mtime, dir_after.mtime);
  Wait();
  const Attr root = tree.Stat("/");
  const Attr before_move = tree.Stat("/g");
  ASSERT_EQ(Error(tree.Rename("/g", "/d/h")), 0);
  EXPECT_GT(tree.Stat("/d/h").ctime, before_move.ctime);
  EXPECT_GT(tree.Stat("/").mtime, root.mtime);
  EXPECT_EQ(tree.Stat("/").mtime, tree.Stat("/d").mtime);
}

TEST_F(NamespaceTest, ATimeSetByHandStaysUntilTheNextChange) {
  auto dir = tree.Dir("/d");
  ASSERT_EQ(Error(tree.File("/d/f")), 0);
  SetAttrRequest request;
  request.set_mtime = true;
  request.mtime = {.seconds = -5, .nanos = 999'999'999};
  ASSERT_TRUE(tree.Await(tree.names().SetAttr(dir->ref, request, {})).ok());
  EXPECT_EQ(tree.Stat("/d").mtime, request.mtime);
  ASSERT_EQ(Error(tree.File("/d/g")), 0);
  EXPECT_GT(tree.Stat("/d").mtime, request.mtime);
}

TEST_F(NamespaceTest, RenameReplacesLikeWithLike) {
  ASSERT_EQ(Error(tree.Dir("/d")), 0);
  ASSERT_EQ(Error(tree.Dir("/e")), 0);
  ASSERT_EQ(Error(tree.File("/f")), 0);
  ASSERT_EQ(Error(tree.File("/e/g")), 0);
  EXPECT_EQ(Error(tree.Rename("/none", "/x")), ENOENT);
  EXPECT_EQ(Error(tree.Rename("/f", "/d")), EISDIR);
  EXPECT_EQ(Error(tree.Rename("/d", "/f")), ENOTDIR);
  EXPECT_EQ(Error(tree.Rename("/d", "/e")), ENOTEMPTY);
  EXPECT_EQ(Error(tree.Rename("/d", "/f", RenameMode::kNoReplace)), EEXIST);
  EXPECT_EQ(Error(tree.Rename("/f", "/none", RenameMode::kExchange)), ENOENT);
  EXPECT_EQ(Error(tree.Rename("/f", "/" + std::string(256, 'n'))), ENAMETOOLONG);

  const InodeRef file = tree.Find("/f")->ref;
  const InodeRef replaced = tree.Find("/e/g")->ref;
  auto outcome = tree.Rename("/f", "/e/g");
  ASSERT_EQ(Error(outcome), 0);
  ASSERT_TRUE(outcome->replaced.has_value());
  EXPECT_EQ(outcome->replaced->ref, replaced);
  EXPECT_TRUE(outcome->replaced->is_gone);
  EXPECT_EQ(tree.Find("/e/g")->ref, file);
  EXPECT_EQ(Error(tree.Find("/f")), ENOENT);

  ASSERT_EQ(Error(tree.Dir("/e/empty")), 0);
  EXPECT_EQ(tree.Stat("/e").nlink, 3u);
  const InodeRef dir = tree.Find("/d")->ref;
  ASSERT_EQ(Error(tree.Rename("/d", "/e/empty")), 0);
  EXPECT_EQ(tree.Find("/e/empty")->ref, dir);
  EXPECT_EQ(tree.Stat("/e").nlink, 3u);
  EXPECT_EQ(tree.Stat("/").nlink, 3u);
  auto parent = tree.Await(tree.names().LookupParent(dir));
  ASSERT_TRUE(parent.ok());
  EXPECT_EQ(parent->ref, tree.Find("/e")->ref);
}

TEST_F(NamespaceTest, RenameOntoItselfDoesNothing) {
  ASSERT_EQ(Error(tree.File("/f")), 0);
  ASSERT_EQ(Error(tree.Link("/f", "/g")), 0);
  const Attr before = tree.Stat("/f");
  Wait();
  ASSERT_EQ(Error(tree.Rename("/f", "/g")), 0);
  ASSERT_EQ(Error(tree.Rename("/f", "/f")), 0);
  EXPECT_EQ(tree.List("/").size(), 2u);
  EXPECT_EQ(tree.Stat("/f").ctime, before.ctime);
  EXPECT_EQ(tree.Stat("/f").nlink, 2u);
  EXPECT_EQ(Error(tree.Rename("/f", "/g", RenameMode::kNoReplace)), EEXIST);
}

TEST_F(NamespaceTest, ADirectoryDoesNotMoveBelowItself) {
  ASSERT_EQ(Error(tree.Dir("/a")), 0);
  ASSERT_EQ(Error(tree.Dir("/a/b")), 0);
  ASSERT_EQ(Error(tree.Dir("/a/b/c")), 0);
  EXPECT_EQ(Error(tree.Rename("/a", "/a/x")), EINVAL);
  EXPECT_EQ(Error(tree.Rename("/a", "/a/b/c/x")), EINVAL);
  EXPECT_EQ(Error(tree.Rename("/a/b/c", "/a")), ENOTEMPTY);
  EXPECT_EQ(Error(tree.Rename("/a/b/c", "/a", RenameMode::kExchange)), EINVAL);
  EXPECT_EQ(Error(tree.Rename("/a", "/a/b/c", RenameMode::kExchange)), EINVAL);
  EXPECT_EQ(Error(tree.Rename("/a/b/c", "/c")), 0);
  EXPECT_EQ(tree.Stat("/a/b").nlink, 2u);
  EXPECT_EQ(tree.Stat("/").nlink, 4u);
}

TEST_F(NamespaceTest, ExchangeSwapsAnyKinds) {
  ASSERT_EQ(Error(tree.Dir("/a")), 0);
  ASSERT_EQ(Error(tree.Dir("/a/sub")), 0);
  ASSERT_EQ(Error(tree.Dir("/b")), 0);
  ASSERT_EQ(Error(tree.File("/b/f")), 0);
  ASSERT_EQ(Error(tree.File("/b/g")), 0);
  const InodeRef sub = tree.Find("/a/sub")->ref;
  const InodeRef f = tree.Find("/b/f")->ref;
  const InodeRef g = tree.Find("/b/g")->ref;
  ASSERT_EQ(Error(tree.Rename("/a/sub", "/b/f", RenameMode::kExchange)), 0);
  EXPECT_EQ(tree.Find("/b/f")->ref, sub);
  EXPECT_EQ(tree.Find("/a/sub")->ref, f);
  EXPECT_EQ(tree.Stat("/a").nlink, 2u);
  EXPECT_EQ(tree.Stat("/b").nlink, 3u);
  EXPECT_EQ(tree.Await(tree.names().LookupParent(sub))->ref, tree.Find("/b")->ref);
  ASSERT_EQ(Error(tree.Rename("/b/f", "/b/g", RenameMode::kExchange)), 0);
  EXPECT_EQ(tree.Find("/b/g")->ref, sub);
  EXPECT_EQ(tree.Find("/b/f")->ref, g);
  EXPECT_EQ(tree.Stat("/b").nlink, 3u);
  // The links in the records moved too: unlink finds them.
  EXPECT_EQ(Error(tree.Unlink("/b/f")), 0);
  EXPECT_EQ(Error(tree.Rmdir("/b/g")), 0);
}

TEST_F(NamespaceTest, CookiesSurviveDeletion) {
  std::set<Bytes> expected;
  for (int i = 0; i < 500; ++i) {
    const std::string name = "file" + std::to_string(i);
    ASSERT_EQ(Error(tree.File("/" + name)), 0);
    expected.insert(name);
  }
  for (uint32_t page : {1u, 7u, 500u, 1000u}) {
    const std::vector<Bytes> listed = tree.List("/", page);
    EXPECT_EQ(listed.size(), 500u);
    EXPECT_EQ(std::set<Bytes>(listed.begin(), listed.end()), expected);
  }
  // Everything that was read is deleted before reading on: nothing is skipped, nothing comes twice.
  std::set<Bytes> seen;
  uint64_t cookie = 0;
  while (true) {
    auto page = tree.Await(tree.names().ReadDirectory(TestTree::Root(), cookie, 10, true));
    ASSERT_TRUE(page.ok());
    ASSERT_EQ(page->attrs.size(), page->entries.size());
    for (size_t i = 0; i < page->entries.size(); ++i) {
      EXPECT_EQ(page->entries[i].ref.ino, page->attrs[i].ino);
      EXPECT_GE(page->entries[i].cookie, keys::kFirstCookie);
      EXPECT_TRUE(seen.insert(page->entries[i].name).second);
      ASSERT_EQ(Error(tree.Unlink("/" + page->entries[i].name)), 0);
    }
    cookie = page->next_cookie;
    if (!page->more) {
      break;
    }
  }
  EXPECT_EQ(seen, expected);
  EXPECT_TRUE(tree.List("/").empty());
}

TEST_F(NamespaceTest, ConcurrentCreatesInOneDirectoryDoNotConflict) {
  auto& names = tree.names();
  auto first = names.MakeNode(TestTree::Root(), "a", S_IFREG, 0, {});
  auto second = names.MakeNode(TestTree::Root(), "a", S_IFREG, 0, {});
  const int errors = Error(tree.Await(std::move(first))) + Error(tree.Await(std::move(second)));
  EXPECT_EQ(errors, EEXIST);
}

}  // namespace
}  // namespace kvfs::fs
