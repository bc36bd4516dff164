#include "fs/meta/fsck.h"

#include <gtest/gtest.h>

#include <functional>

#include "fs/meta/inode_store.h"
#include "fs/meta/keys.h"
#include "kvcore/node/store_check.h"
#include "tests/support/test_tree.h"

namespace kvfs::fs {
namespace {

using Kind = FsckProblem::Kind;
using testing::TestTree;

class FsckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(tree.Dir("/a").ok());
    ASSERT_TRUE(tree.Dir("/a/b").ok());
    ASSERT_TRUE(tree.File("/a/f").ok());
    ASSERT_TRUE(tree.File("/g").ok());
    ASSERT_TRUE(tree.Link("/a/f", "/a/b/f2").ok());
    ASSERT_TRUE(tree.Symlink("target", "/a/s").ok());
  }
  FsckReport Check(bool repair = false) {
    const auto pks = node::ListPartitionKeys(&tree.store().memory());
    EXPECT_TRUE(pks.ok());
    auto report = tree.Await(
        CheckFilesystem(tree.store().client(), tree.store().env(), HomesAmong(*pks), repair));
    EXPECT_TRUE(report.ok());
    return *report;
  }
  std::vector<Kind> Kinds() {
    std::vector<Kind> kinds;
    for (const FsckProblem& problem : Check().problems) {
      kinds.push_back(problem.kind);
    }
    return kinds;
  }
  // Repairs at one go; false if something is left.
  bool Repairs() {
    const FsckReport report = Check(true);
    for (const FsckProblem& problem : report.problems) {
      EXPECT_TRUE(problem.is_repaired) << KindName(problem.kind) << " " << problem.text;
    }
    return Check().problems.empty();
  }
  void Write(Ino home, client::Write::Kind kind, Bytes ck, Bytes value = {}) {
    client::Commit commit;
    commit.txns.push_back({.pk = keys::DirectoryPk(home),
                           .asserts = {},
                           .writes = {{kind, std::move(ck), std::move(value)}}});
    ASSERT_TRUE(tree.Await(tree.store().client()->Submit(std::move(commit))).status.ok());
  }
  void Erase(Ino home, Bytes ck) { Write(home, client::Write::Kind::kErase, std::move(ck)); }
  void Put(Ino home, Bytes ck, Bytes value) {
    Write(home, client::Write::Kind::kPut, std::move(ck), std::move(value));
  }
  void Damage(const std::string& path, const std::function<void(pb::Inode*)>& change) {
    auto loaded = tree.Await(LoadInode(tree.store().client(), Ref(path)));
    ASSERT_TRUE(loaded.ok());
    change(&loaded->record);
    client::Write write = PutRecord(*loaded);
    Put(loaded->ref.home, write.ck, write.value);
  }
  InodeRef Ref(const std::string& path) { return tree.Find(path)->ref; }
  Bytes EntryKey(const Bytes& name) {
    return keys::Dentry(keys::NameHash(tree.store().client()->info().name_hash_key, name), name);
  }

  static std::string Rescued(Ino ino) { return "/lost+found/#" + std::to_string(ino); }

  TestTree tree;
};

TEST_F(FsckTest, AHealthyTreeIsHealthy) {
  ASSERT_TRUE(tree.Rename("/a/b", "/b").ok());
  tree.open.insert(Ref("/g").ino);
  ASSERT_TRUE(tree.Unlink("/g").ok());
  ASSERT_TRUE(tree.Unlink("/a/f").ok());
  ASSERT_TRUE(tree.Unlink("/a/s").ok());
  ASSERT_TRUE(tree.Rmdir("/a").ok());  // the home of /b/f2
  const FsckReport report = Check();
  for (const FsckProblem& problem : report.problems) {
    ADD_FAILURE() << KindName(problem.kind) << " " << problem.where << " " << problem.text;
  }
  EXPECT_EQ(report.directories, 2u);
  EXPECT_EQ(report.files, 2u);
  EXPECT_EQ(report.names, 2u);
  EXPECT_EQ(report.orphans, 1u);
}

TEST_F(FsckTest, ANameWithoutItsInode) {
  Erase(kRootIno, keys::Inode(Ref("/g").ino));
  EXPECT_EQ(Kinds(), std::vector<Kind>{Kind::kDanglingEntry});
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.List("/"), std::vector<Bytes>{"a"});
}

TEST_F(FsckTest, ADirectoryEntryWithoutItsDirectory) {
  const Ino b = Ref("/a/b").ino;
  Erase(b, keys::Self());
  const std::vector<Kind> kinds = Kinds();
  EXPECT_NE(std::find(kinds.begin(), kinds.end(), Kind::kDanglingEntry), kinds.end());
  EXPECT_NE(std::find(kinds.begin(), kinds.end(), Kind::kWrongSubdirectories), kinds.end());
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Stat("/a").nlink, 2u);
  EXPECT_EQ(tree.Find(Rescued(b) + "/f2")->ref, Ref("/a/f"));
  EXPECT_EQ(tree.Stat("/a/f").nlink, 2u);
}

TEST_F(FsckTest, ADirectoryThatNoNameLeadsTo) {
  const Ino a = Ref("/a").ino;
  ASSERT_TRUE(tree.Dir("/a/b/c").ok());
  ASSERT_TRUE(tree.File("/a/b/c/deep").ok());
  Erase(kRootIno, EntryKey("a"));
  EXPECT_EQ(Kinds(), (std::vector<Kind>{Kind::kWrongSubdirectories, Kind::kUnreachable}));
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Stat("/").nlink, 3u);  // lost+found
  EXPECT_EQ(tree.Stat("/lost+found").nlink, 3u);
  EXPECT_TRUE(tree.Find(Rescued(a) + "/b/c/deep").ok());
  EXPECT_EQ(tree.Await(tree.names().LookupParent(Ref(Rescued(a))))->ref, Ref("/lost+found"));
  EXPECT_TRUE(tree.Rename(Rescued(a), "/a").ok());
  EXPECT_EQ(tree.Stat("/a/f").nlink, 2u);
  EXPECT_TRUE(Kinds().empty());
}

TEST_F(FsckTest, DirectoriesThatLeadOnlyToEachOther) {
  const Ino a = Ref("/a").ino;
  const Ino b = Ref("/a/b").ino;
  pb::Dentry dentry;
  dentry.set_ino(a);
  dentry.set_home(a);
  dentry.set_type(S_IFDIR >> 12);
  Put(b, EntryKey("up"), EncodeDentry(dentry));
  Erase(kRootIno, EntryKey("a"));
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.List("/lost+found").size(), 1u);
  EXPECT_TRUE(tree.Find(Rescued(a) + "/b/f2").ok());
  EXPECT_FALSE(tree.Find(Rescued(a) + "/b/up").ok());
}

TEST_F(FsckTest, AFileWhoseHomeIsGoneAndWithoutAName) {
  const InodeRef file = Ref("/a/f");
  ASSERT_TRUE(tree.Unlink("/a/f").ok());  // its other name is in /a/b
  ASSERT_TRUE(tree.Unlink("/a/s").ok());
  ASSERT_TRUE(tree.Rename("/a/b", "/b").ok());
  ASSERT_TRUE(tree.Rmdir("/a").ok());
  Erase(Ref("/b").ino, EntryKey("f2"));
  EXPECT_EQ(Kinds(), std::vector<Kind>{Kind::kNameless});
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Find(Rescued(file.ino))->ref, file);
}

TEST_F(FsckTest, CountsOfLinks) {
  Damage("/a/f", [](pb::Inode* record) { record->set_nlink(5); });
  Damage("/g", [](pb::Inode* record) { record->mutable_sole_link()->set_name("other"); });
  EXPECT_EQ(Kinds(), (std::vector<Kind>{Kind::kWrongLinks, Kind::kWrongLinks}));
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Stat("/a/f").nlink, 2u);
  EXPECT_TRUE(tree.Rename("/g", "/h").ok());
  EXPECT_TRUE(Kinds().empty());
}

TEST_F(FsckTest, AnEntryThatNoLinkKnows) {
  pb::Dentry dentry;
  dentry.set_ino(Ref("/g").ino);
  dentry.set_home(kRootIno);
  dentry.set_type(S_IFREG >> 12);
  dentry.set_link_id(77);
  Put(Ref("/a/b").ino, EntryKey("second"), EncodeDentry(dentry));
  EXPECT_EQ(Kinds(), std::vector<Kind>{Kind::kWrongLinks});
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Stat("/g").nlink, 2u);
  EXPECT_TRUE(tree.Unlink("/g").ok());
  EXPECT_TRUE(tree.Unlink("/a/b/second").ok());
  EXPECT_TRUE(Kinds().empty());
}

TEST_F(FsckTest, AnInodeWithoutAName) {
  const InodeRef file = Ref("/g");
  Erase(kRootIno, EntryKey("g"));
  EXPECT_EQ(Kinds(), std::vector<Kind>{Kind::kNameless});
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Find("/lost+found/#" + std::to_string(file.ino))->ref, file);
}

TEST_F(FsckTest, AnOrphanThatNobodyWouldReclaim) {
  tree.open.insert(Ref("/g").ino);
  const InodeRef file = Ref("/g");
  ASSERT_TRUE(tree.Unlink("/g").ok());
  auto loaded = tree.Await(LoadInode(tree.store().client(), file));
  client::Commit commit;
  commit.txns.push_back({.pk = keys::DirectoryPk(kRootIno), .asserts = {}, .writes = {}});
  commit.txns.front().work_erases.push_back(OrphanWork(loaded->record));
  ASSERT_TRUE(tree.Await(tree.store().client()->Submit(std::move(commit))).status.ok());
  EXPECT_EQ(Kinds(), std::vector<Kind>{Kind::kUnlistedOrphan});
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Await(tree.store().client()->DueWork(INT64_MAX, 10))->size(), 1u);
}

TEST_F(FsckTest, DirectoriesThatDisagreeWithTheirPlace) {
  Damage("/a", [](pb::Inode* record) { record->set_subdirectories(9); });
  Damage("/a/b", [](pb::Inode* record) { record->mutable_sole_link()->set_parent(kRootIno); });
  Erase(Ref("/a/b").ino, keys::Alive());
  EXPECT_EQ(Kinds(),
            (std::vector<Kind>{Kind::kWrongSubdirectories, Kind::kNotAlive, Kind::kWrongPlace}));
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.Stat("/a").nlink, 3u);
  EXPECT_TRUE(tree.File("/a/b/new").ok());
  EXPECT_EQ(tree.Await(tree.names().LookupParent(Ref("/a/b")))->ref, Ref("/a"));
}

TEST_F(FsckTest, ADirectoryUnderTwoNames) {
  pb::Dentry dentry;
  dentry.set_ino(Ref("/a/b").ino);
  dentry.set_home(Ref("/a/b").ino);
  dentry.set_type(S_IFDIR >> 12);
  Put(Ref("/a/b").ino, EntryKey("loop"), EncodeDentry(dentry));
  EXPECT_EQ(Kinds(), std::vector<Kind>{Kind::kSecondName});
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.List("/a/b"), std::vector<Bytes>{"f2"});
}

TEST_F(FsckTest, TypesStraysAndNonsense) {
  auto item = tree.Await(tree.store().client()->Get({keys::DirectoryPk(kRootIno), EntryKey("g")}));
  auto dentry = DecodeDentry((*item)->value());
  dentry->set_type(S_IFLNK >> 12);
  Put(kRootIno, EntryKey("g"), EncodeDentry(*dentry));
  Put(kRootIno, keys::Xattr(4711, "user.a"), "v");
  Put(kRootIno, keys::Inode(4712), "\xff\xff");
  Put(kRootIno, keys::Dentry(99, "misplaced"), EncodeDentry(*dentry));
  EXPECT_EQ(Kinds().size(), 4u);
  EXPECT_TRUE(Repairs());
  EXPECT_EQ(tree.List("/").size(), 2u);
}

}  // namespace
}  // namespace kvfs::fs
