// What becomes of changes on two sides of a broken network, pair by pair.
#include <gtest/gtest.h>

#include "fs/vfs/conflict_list.h"
#include "fs/vfs/conflict_test_support.h"

namespace kvfs::fs {
namespace {

Bytes Big(char fill) { return Bytes(20'000, fill); }

class ConflictTest : public ::testing::Test {
 protected:
  ConflictTest() {
    ConflictSide first(1, {});
    EXPECT_EQ(first.Mkdir("/d"), 0);
    EXPECT_EQ(first.Mkdir("/e"), 0);
    EXPECT_EQ(first.Write("/d/f", "base"), 0);
    EXPECT_EQ(first.Write("/d/g", "other"), 0);
    EXPECT_EQ(first.Write("/d/big", Big('o')), 0);
    fork = std::make_unique<ConflictFork>(first.Contents());
  }
  ConflictSide& a() { return fork->a; }
  ConflictSide& b() { return fork->b; }
  // After merge and resolution, whichever side had the majority.
  ConflictSide::Tree Resolved() {
    ConflictSide::Tree trees[2];
    for (const bool a_is_trunk : {true, false}) {
      merged = fork->Merge(a_is_trunk);
      ResolveAll(merged.get());
      ExpectWhole(merged.get());
      trees[a_is_trunk] = merged->WholeTree();
      const testing::Contents once = merged->Contents();
      ResolveAll(merged.get());
      EXPECT_TRUE(once == merged->Contents()) << "resolved twice";
    }
    EXPECT_EQ(trees[0], trees[1]);
    return trees[1];
  }
  // The path of the only conflict copy of `name`; empty if there is none.
  static std::string CopyOf(const ConflictSide::Tree& tree, const std::string& path) {
    std::string found;
    for (const auto& [at, what] : tree) {
      if (at.starts_with(path + ".conflict-")) {
        EXPECT_TRUE(found.empty()) << at << " and " << found;
        found = at;
      }
    }
    return found;
  }
  std::unique_ptr<ConflictFork> fork;
  std::unique_ptr<ConflictSide> merged;
};

TEST_F(ConflictTest, TwoContentsAreBothKept) {
  for (const bool is_big : {false, true}) {
    const std::string path = is_big ? "/d/big" : "/d/f";
    ASSERT_EQ(a().Write(path, is_big ? Big('a') : "from a"), 0);
    ASSERT_EQ(b().Write(path, is_big ? Big('b') : "from b"), 0);
  }
  const auto tree = Resolved();
  for (const bool is_big : {false, true}) {
    const std::string path = is_big ? "/d/big" : "/d/f";
    const std::string copy = CopyOf(tree, path);
    ASSERT_NE(copy, "");
    // The second clock is ahead.
    EXPECT_EQ(tree.at(path), "file " + (is_big ? Big('b') : Bytes("from b")));
    EXPECT_EQ(tree.at(copy), "file " + (is_big ? Big('a') : Bytes("from a")));
    auto origin =
        merged->vfs.Await(merged->vfs->GetXattr(merged->vfs.Walk(copy), "user.kvfs.conflict"));
    ASSERT_TRUE(origin.ok());
    EXPECT_NE(origin->find("inode=" + std::to_string(merged->vfs.Walk(path))), Bytes::npos);
  }
}

TEST_F(ConflictTest, ContentAgainstAttributesIsNoConflict) {
  ASSERT_EQ(a().Write("/d/f", "from a"), 0);
  ASSERT_EQ(b().Chmod("/d/f", 0600), 0);
  ASSERT_EQ(a().Chmod("/d/big", 0600), 0);
  ASSERT_EQ(b().Write("/d/big", Big('b')), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.size(), fork->a.WholeTree().size());
  EXPECT_EQ(tree.at("/d/f"), "file from a");
  EXPECT_EQ(tree.at("/d/big"), "file " + Big('b'));
  for (const char* path : {"/d/f", "/d/big"}) {
    auto attr = merged->vfs.Await(merged->vfs->GetAttr(merged->vfs.Walk(path)));
    EXPECT_EQ(attr->mode & 07777, 0600u);
  }
}

TEST_F(ConflictTest, PermissionsSetOnBothSidesLoseSuid) {
  ASSERT_EQ(a().Chmod("/d/f", 04755), 0);
  ASSERT_EQ(b().Chmod("/d/f", 06711), 0);
  Resolved();
  auto attr = merged->vfs.Await(merged->vfs->GetAttr(merged->vfs.Walk("/d/f")));
  EXPECT_EQ(attr->mode & 07777, 0711u);
}

TEST_F(ConflictTest, TwoFilesOfOneName) {
  ASSERT_EQ(a().Write("/d/new.txt", "from a"), 0);
  ASSERT_EQ(b().Write("/d/new.txt", "from b"), 0);
  const auto tree = Resolved();
  const std::string copy = CopyOf(tree, "/d/new");
  EXPECT_EQ(tree.at("/d/new.txt"), "file from b");
  ASSERT_NE(copy, "");
  EXPECT_TRUE(copy.ends_with(".txt"));
  EXPECT_EQ(tree.at(copy), "file from a");
  auto origin =
      merged->vfs.Await(merged->vfs->GetXattr(merged->vfs.Walk(copy), "user.kvfs.conflict"));
  ASSERT_TRUE(origin.ok());
  EXPECT_NE(origin->find("inode=" + std::to_string(merged->vfs.Walk("/d/new.txt"))), Bytes::npos);
  auto listed = merged->vfs.Await(
      ListConflicts(merged->vfs.store().client(), merged->vfs.store().env(), "/d/new.txt", 10));
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->front().kind, "name");
  ASSERT_EQ(listed->front().versions.size(), 2u);
  EXPECT_EQ(listed->front().versions[1].path, copy);
  EXPECT_TRUE(listed->front().versions[1].is_there);
  EXPECT_TRUE(merged->vfs
                  .Await(SettleConflict(merged->vfs.store().client(), merged->vfs.store().env(),
                                        listed->front(), /*newest=*/true))
                  .ok());
  EXPECT_EQ(CopyOf(merged->WholeTree(), "/d/new"), "");
  EXPECT_EQ(merged->Read("/d/new.txt"), "from b");
  ExpectWhole(merged.get());
}

TEST_F(ConflictTest, TwoDirectoriesOfOneNameBecomeOne) {
  for (ConflictSide* side : {&a(), &b()}) {
    const std::string who = side == &a() ? "a" : "b";
    ASSERT_EQ(side->Mkdir("/d/sub"), 0);
    ASSERT_EQ(side->Mkdir("/d/sub/deep"), 0);
    ASSERT_EQ(side->Write("/d/sub/of-" + who, who), 0);
    ASSERT_EQ(side->Write("/d/sub/both", "both " + who), 0);
    ASSERT_EQ(side->Write("/d/sub/deep/of-" + who, who), 0);
  }
  const auto tree = Resolved();
  EXPECT_EQ(CopyOf(tree, "/d/sub"), "");
  EXPECT_EQ(tree.at("/d/sub/of-a"), "file a");
  EXPECT_EQ(tree.at("/d/sub/of-b"), "file b");
  EXPECT_EQ(tree.at("/d/sub/deep/of-a"), "file a");
  EXPECT_EQ(tree.at("/d/sub/deep/of-b"), "file b");
  ASSERT_NE(CopyOf(tree, "/d/sub/both"), "");
}

TEST_F(ConflictTest, ADirectoryKeepsTheNameAgainstAFile) {
  ASSERT_EQ(a().Mkdir("/d/n"), 0);
  ASSERT_EQ(a().Write("/d/n/in", "x"), 0);
  ASSERT_EQ(b().Write("/d/n", "file of b"), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/d/n"), "dir");
  EXPECT_EQ(tree.at("/d/n/in"), "file x");
  EXPECT_EQ(tree.at(CopyOf(tree, "/d/n")), "file file of b");
}

TEST_F(ConflictTest, AnEditWinsOverADelete) {
  ASSERT_EQ(a().Unlink("/d/f"), 0);
  ASSERT_EQ(b().Write("/d/f", "edited"), 0);
  ASSERT_EQ(a().Write("/d/g", "edited too"), 0);
  ASSERT_EQ(b().Unlink("/d/g"), 0);
  ASSERT_EQ(a().Unlink("/d/big"), 0);
  ASSERT_EQ(b().Chmod("/d/big", 0600), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/d/f"), "file edited");
  EXPECT_EQ(tree.at("/d/g"), "file edited too");
  EXPECT_EQ(tree.at("/d/big"), "file " + Big('o'));
}

TEST_F(ConflictTest, ACreateInsideWinsOverRemovingTheTree) {
  for (const bool a_removes : {true, false}) {
    ConflictSide& remover = a_removes ? a() : b();
    ConflictSide& creator = a_removes ? b() : a();
    ASSERT_EQ(remover.RemoveTree(a_removes ? "/d" : "/e"), 0);
    ASSERT_EQ(creator.Write(a_removes ? "/d/new" : "/e/new", "kept"), 0);
  }
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/d/new"), "file kept");
  EXPECT_EQ(tree.at("/e/new"), "file kept");
  EXPECT_FALSE(tree.contains("/d/f"));
}

TEST_F(ConflictTest, RemovedAncestorsComeBackToo) {
  for (const char* path : {"/d/1", "/d/1/2", "/d/1/2/3"}) {
    ConflictSide base(1, fork->base());
    ASSERT_EQ(base.Mkdir(path), 0);
    fork = std::make_unique<ConflictFork>(base.Contents());
  }
  ASSERT_EQ(a().RemoveTree("/d"), 0);
  ASSERT_EQ(b().Write("/d/1/2/3/f", "kept"), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/d/1/2/3/f"), "file kept");
}

TEST_F(ConflictTest, ARenameOnBothSidesKeepsBothNames) {
  ASSERT_EQ(a().Rename("/d/f", "/d/f-a"), 0);
  ASSERT_EQ(b().Rename("/d/f", "/e/f-b"), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/d/f-a"), "file base");
  EXPECT_EQ(tree.at("/e/f-b"), "file base");
  EXPECT_FALSE(tree.contains("/d/f"));
}

TEST_F(ConflictTest, ARenameAgainstAnEdit) {
  ASSERT_EQ(a().Rename("/d/f", "/e/moved"), 0);
  ASSERT_EQ(b().Write("/d/f", "edited"), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/e/moved"), "file edited");
  EXPECT_FALSE(tree.contains("/d/f"));
}

TEST_F(ConflictTest, ARenameOverAFileThatWasEdited) {
  ASSERT_EQ(a().Rename("/d/g", "/d/f"), 0);
  ASSERT_EQ(b().Write("/d/f", "edited"), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/d/f"), "file other");
  EXPECT_EQ(tree.at(CopyOf(tree, "/d/f")), "file edited");
}

TEST_F(ConflictTest, DirectoriesMovedToTwoPlaces) {
  ASSERT_EQ(a().Rename("/e", "/d/e-a"), 0);
  ASSERT_EQ(b().Rename("/e", "/d/e-b"), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.contains("/d/e-a"), false);
  EXPECT_EQ(tree.contains("/d/e-b"), true);
}

TEST_F(ConflictTest, DirectoriesMovedIntoEachOther) {
  ASSERT_EQ(a().Rename("/e", "/d/e"), 0);
  ASSERT_EQ(b().Rename("/d", "/e/d"), 0);
  const auto tree = Resolved();
  std::set<std::string> contents;
  for (const auto& [path, what] : tree) {
    contents.insert(what);
  }
  EXPECT_TRUE(contents.contains("file base"));
}

TEST_F(ConflictTest, LinksOfBothSidesStay) {
  ASSERT_EQ(a().Link("/d/f", "/e/by-a"), 0);
  ASSERT_EQ(b().Link("/d/f", "/d/by-b"), 0);
  ASSERT_EQ(a().Unlink("/d/f"), 0);
  const auto tree = Resolved();
  EXPECT_EQ(tree.at("/e/by-a"), "file base");
  EXPECT_EQ(tree.at("/d/by-b"), "file base");
  EXPECT_FALSE(tree.contains("/d/f"));
}

TEST_F(ConflictTest, ReadersSeeTheWinnerBeforeItIsWrittenDown) {
  ASSERT_EQ(a().Write("/d/f", "from a"), 0);
  ASSERT_EQ(b().Write("/d/f", "from b, longer"), 0);
  ASSERT_EQ(b().Chmod("/d/f", 0600), 0);
  ASSERT_EQ(a().Chmod("/d/f", 0640), 0);
  merged = fork->Merge();
  merged->vfs.store().memory().FailApply(Status::Unavailable("no majority"));
  EXPECT_EQ(merged->Read("/d/f"), "from b, longer");
  EXPECT_NE(merged->Write("/d/f", "lost?"), 0);  // not over versions that nobody has looked at
  merged->vfs.store().memory().FailApply(Status::Ok());
  EXPECT_EQ(merged->Write("/d/f", "newest"), 0);
  ResolveAll(merged.get());
  ExpectWhole(merged.get());
  const auto tree = merged->WholeTree();
  EXPECT_EQ(tree.at("/d/f"), "file newest");
  EXPECT_EQ(tree.at(CopyOf(tree, "/d/f")), "file from a");
}

}  // namespace
}  // namespace kvfs::fs
