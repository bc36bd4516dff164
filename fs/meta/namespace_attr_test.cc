// Attributes and extended attributes of the namespace.
#include <gtest/gtest.h>

#include "fs/meta/namespace.h"
#include "fs/meta/posix_acl.h"
#include "kvcore/base/coding.h"
#include "tests/support/test_tree.h"

namespace kvfs::fs {
namespace {

using testing::TestTree;

// "u::7 g::5 o::5" and the like, as the kernel passes it.
Bytes Acl(std::vector<PosixAcl::Entry> entries) {
  Bytes value;
  PutFixed32(&value, 2);
  for (const PosixAcl::Entry& entry : entries) {
    PutFixed<uint16_t>(&value, static_cast<uint16_t>(entry.tag));
    PutFixed<uint16_t>(&value, entry.perm);
    PutFixed32(&value, entry.id);
  }
  return value;
}

using Tag = PosixAcl::Tag;
constexpr uint32_t kNoId = 0xffffffff;

Bytes MinimalAcl(uint16_t user, uint16_t group, uint16_t other) {
  return Acl(
      {{Tag::kUserObj, user, kNoId}, {Tag::kGroupObj, group, kNoId}, {Tag::kOther, other, kNoId}});
}

Bytes NamedAcl(uint16_t user, uint16_t named, uint16_t group, uint16_t mask, uint16_t other) {
  return Acl({{Tag::kUserObj, user, kNoId},
              {Tag::kUser, named, 1234},
              {Tag::kGroupObj, group, kNoId},
              {Tag::kMask, mask, kNoId},
              {Tag::kOther, other, kNoId}});
}

class NamespaceAttrTest : public ::testing::Test {
 protected:
  void Wait() { tree.store().steps().Advance(1'000'000); }
  InodeRef Ref(const std::string& path) { return tree.Find(path)->ref; }
  FsResult<Attr> SetAttr(const std::string& path, SetAttrRequest request) {
    return tree.Await(tree.names().SetAttr(Ref(path), request, {}));
  }
  int Set(const std::string& path, Bytes name, Bytes value, bool create = false,
          bool replace = false, bool kill_sgid = false) {
    return tree
        .Await(tree.names().SetXattr(Ref(path), std::move(name), std::move(value), create, replace,
                                     kill_sgid))
        .value();
  }
  Bytes Get(const std::string& path, Bytes name) {
    auto value = tree.Await(tree.names().GetXattr(Ref(path), std::move(name)));
    return value.ok() ? *value : "E" + std::to_string(value.error().value());
  }
  int Remove(const std::string& path, Bytes name) {
    return tree.Await(tree.names().RemoveXattr(Ref(path), std::move(name))).value();
  }
  std::vector<Bytes> List(const std::string& path) {
    return *tree.Await(tree.names().ListXattrs(Ref(path)));
  }

  TestTree tree;
  const Bytes no_data = "E" + std::to_string(ENODATA);
};

TEST_F(NamespaceAttrTest, ChmodChangesPermissionBitsOnly) {
  ASSERT_TRUE(tree.File("/f").ok());
  const Attr before = tree.Stat("/f");
  Wait();
  SetAttrRequest request;
  request.set_mode = true;
  request.mode = S_IFDIR | 06711;
  auto attr = SetAttr("/f", request);
  ASSERT_TRUE(attr.ok());
  EXPECT_EQ(attr->mode, uint32_t{S_IFREG | 06711});
  EXPECT_GT(attr->ctime, before.ctime);
  EXPECT_EQ(attr->mtime, before.mtime);
  EXPECT_EQ(tree.Stat("/f").mode, attr->mode);
}

TEST_F(NamespaceAttrTest, ChownClearsSetIdsOfFiles) {
  ASSERT_TRUE(tree.File("/exec", 06755).ok());
  ASSERT_TRUE(tree.File("/lock", 06644).ok());  // setgid without group execution: no set-id
  ASSERT_TRUE(tree.Dir("/d", 06755).ok());
  ASSERT_EQ(Set("/exec", "security.capability", "cap"), 0);
  SetAttrRequest request;
  request.set_uid = true;
  request.uid = 7;
  for (const char* path : {"/exec", "/lock", "/d"}) {
    ASSERT_TRUE(SetAttr(path, request).ok());
    EXPECT_EQ(tree.Stat(path).uid, 7u);
    EXPECT_EQ(tree.Stat(path).gid, 1000u);
  }
  EXPECT_EQ(tree.Stat("/exec").mode & 07777, 0755u);
  EXPECT_EQ(tree.Stat("/lock").mode & 07777, 02644u);
  EXPECT_EQ(tree.Stat("/d").mode & 07777, 06755u);
  EXPECT_EQ(Get("/exec", "security.capability"), no_data);
  EXPECT_TRUE(List("/exec").empty());
}

TEST_F(NamespaceAttrTest, WritersLoseSetIds) {
  ASSERT_TRUE(tree.File("/f", 06777).ok());
  SetAttrRequest request;
  request.kill_suid_sgid = true;
  ASSERT_TRUE(SetAttr("/f", request).ok());
  EXPECT_EQ(tree.Stat("/f").mode & 07777, 0755u);
}

TEST_F(NamespaceAttrTest, TimesAreSetOneByOne) {
  ASSERT_TRUE(tree.File("/f").ok());
  const Attr before = tree.Stat("/f");
  Wait();
  SetAttrRequest request;
  request.set_atime = true;
  request.atime = {.seconds = 1, .nanos = 999'999'999};
  ASSERT_TRUE(SetAttr("/f", request).ok());
  EXPECT_EQ(tree.Stat("/f").atime, request.atime);
  EXPECT_EQ(tree.Stat("/f").mtime, before.mtime);
  EXPECT_GT(tree.Stat("/f").ctime, before.ctime);
  Wait();
  request = {};
  request.set_mtime = true;
  request.mtime_now = true;
  ASSERT_TRUE(SetAttr("/f", request).ok());
  EXPECT_GT(tree.Stat("/f").mtime, before.mtime);
  EXPECT_EQ(tree.Stat("/f").mtime, tree.Stat("/f").ctime);
  EXPECT_EQ(tree.Stat("/f").atime.seconds, 1);
  EXPECT_EQ(tree.Stat("/f").btime, before.btime);
}

TEST_F(NamespaceAttrTest, AnEmptyRequestChangesNothing) {
  ASSERT_TRUE(tree.File("/f").ok());
  const uint64_t batches = tree.store().memory().batches();
  Wait();
  auto attr = SetAttr("/f", {});
  ASSERT_TRUE(attr.ok());
  EXPECT_EQ(attr->ctime, attr->btime);
  EXPECT_EQ(tree.store().memory().batches(), batches);
}

TEST_F(NamespaceAttrTest, AtimeIsRelative) {
  ASSERT_TRUE(tree.File("/f").ok());
  const InodeRef file = Ref("/f");
  Wait();
  const Attr before = tree.Stat("/f");
  ASSERT_TRUE(tree.Await(tree.names().TouchAtime(file)).ok());
  const Attr first = tree.Stat("/f");
  EXPECT_GT(first.atime, before.atime);  // it was not newer than mtime
  EXPECT_EQ(first.ctime, before.ctime);
  Wait();
  ASSERT_TRUE(tree.Await(tree.names().TouchAtime(file)).ok());
  EXPECT_EQ(tree.Stat("/f").atime, first.atime);
  tree.store().steps().Advance(int64_t{25} * 3600 * 1'000'000);
  ASSERT_TRUE(tree.Await(tree.names().TouchAtime(file)).ok());
  EXPECT_GT(tree.Stat("/f").atime, first.atime);
}

TEST_F(NamespaceAttrTest, SetgidDirectoriesHandTheirGroupDown) {
  ASSERT_TRUE(tree.Dir("/d", 02755).ok());
  SetAttrRequest request;
  request.set_gid = true;
  request.gid = 77;
  ASSERT_TRUE(SetAttr("/d", request).ok());
  ASSERT_TRUE(tree.File("/d/f").ok());
  ASSERT_TRUE(tree.Dir("/d/e").ok());
  ASSERT_TRUE(tree.Symlink("x", "/d/s").ok());
  EXPECT_EQ(tree.Stat("/d/f").gid, 77u);
  EXPECT_EQ(tree.Stat("/d/s").gid, 77u);
  EXPECT_EQ(tree.Stat("/d/e").gid, 77u);
  EXPECT_EQ(tree.Stat("/d/e").mode & 07777, 02755u);
  EXPECT_EQ(tree.Stat("/d/f").mode & 07777, 0644u);
}

TEST_F(NamespaceAttrTest, XattrsAreSetReadListedRemoved) {
  ASSERT_TRUE(tree.File("/f").ok());
  EXPECT_EQ(Get("/f", "user.a"), no_data);
  EXPECT_EQ(Set("/f", "user.a", "1", false, true), ENODATA);
  EXPECT_EQ(Set("/f", "user.a", "1", true), 0);
  EXPECT_EQ(Set("/f", "user.a", "2", true), EEXIST);
  EXPECT_EQ(Set("/f", "user.a", "2", false, true), 0);
  EXPECT_EQ(Set("/f", "user.empty", ""), 0);
  EXPECT_EQ(Set("/f", "trusted.t", "3"), 0);
  EXPECT_EQ(Set("/f", "security.selinux", "4"), 0);
  EXPECT_EQ(Get("/f", "user.a"), "2");
  EXPECT_EQ(Get("/f", "user.empty"), "");
  EXPECT_EQ(Get("/f", "user.b"), no_data);
  EXPECT_EQ(Get("/f", "security.capability"), no_data);
  EXPECT_EQ(List("/f"),
            (std::vector<Bytes>{"security.selinux", "trusted.t", "user.a", "user.empty"}));
  EXPECT_EQ(Remove("/f", "user.b"), ENODATA);
  EXPECT_EQ(Remove("/f", "user.a"), 0);
  EXPECT_EQ(Get("/f", "user.empty"), "");  // its kind is still marked as present
  EXPECT_EQ(Remove("/f", "user.empty"), 0);
  EXPECT_EQ(Remove("/f", "user.empty"), ENODATA);
  EXPECT_EQ(List("/f"), (std::vector<Bytes>{"security.selinux", "trusted.t"}));
}

TEST_F(NamespaceAttrTest, DirectoriesAreStrongOrAvailableAndHandItDown) {
  const Bytes name = "user.kvfs.consistency";
  ASSERT_TRUE(tree.Dir("/d").ok());
  EXPECT_EQ(Get("/d", name), "available");
  EXPECT_EQ(Set("/d", name, "eventual"), EINVAL);
  EXPECT_EQ(Set("/d", name, "strong", true), EEXIST);
  EXPECT_EQ(Set("/d", name, "strong"), 0);
  EXPECT_EQ(Get("/d", name), "strong");
  EXPECT_EQ(List("/d"), std::vector<Bytes>());
  ASSERT_TRUE(tree.Dir("/d/inner").ok());
  EXPECT_EQ(Get("/d/inner", name), "strong");
  EXPECT_EQ(Set("/d", name, "available", false, true), 0);
  EXPECT_EQ(Get("/d", name), "available");
  EXPECT_EQ(Get("/d/inner", name), "strong");
  EXPECT_EQ(Remove("/d/inner", name), 0);
  EXPECT_EQ(Get("/d/inner", name), "available");
  ASSERT_TRUE(tree.Dir("/d/later").ok());
  EXPECT_EQ(Get("/d/later", name), "available");
}

TEST_F(NamespaceAttrTest, XattrsHaveLimits) {
  ASSERT_TRUE(tree.File("/f").ok());
  ASSERT_TRUE(tree.Symlink("x", "/s").ok());
  EXPECT_EQ(Set("/f", "user." + std::string(250, 'n'), "v"), 0);
  EXPECT_EQ(Set("/f", "user." + std::string(251, 'n'), "v"), ERANGE);
  EXPECT_EQ(Set("/f", "user.big", Bytes(65536, 'v')), 0);
  EXPECT_EQ(Get("/f", "user.big").size(), 65536u);
  EXPECT_EQ(Set("/f", "user.big", Bytes(65537, 'v')), E2BIG);
  EXPECT_EQ(Set("/f", "user.", "v"), EINVAL);
  EXPECT_EQ(Set("/f", "other.a", "v"), EOPNOTSUPP);
  EXPECT_EQ(Set("/s", "user.a", "v"), EPERM);
  EXPECT_EQ(Set("/s", "trusted.a", "v"), 0);
  EXPECT_EQ(Set("/f", "user.kvfs.consistency", "v"), EPERM);
  EXPECT_EQ(Remove("/f", "user.kvfs.consistency"), EPERM);
  EXPECT_EQ(Get("/f", "user.kvfs.consistency"), no_data);
  EXPECT_EQ(Set("/f", "user.kvfs.other", "v"), EPERM);
  int set = 0;
  int error = 0;
  while (error == 0 && set < 1000) {
    error = Set("/f", "user." + std::string(246, 'n') + std::to_string(1000 + set), "");
    set += error == 0 ? 1 : 0;
  }
  EXPECT_EQ(error, ENOSPC);
  uint64_t bytes = 0;
  for (const Bytes& name : List("/f")) {
    bytes += name.size() + 1;
  }
  EXPECT_LE(bytes, 65536u);
  EXPECT_GT(bytes, 65536u - 260);
}

TEST_F(NamespaceAttrTest, AnAccessAclAndTheModeAreOne) {
  ASSERT_TRUE(tree.File("/f", 0644).ok());
  ASSERT_EQ(Set("/f", "system.posix_acl_access", NamedAcl(7, 6, 4, 6, 0)), 0);
  EXPECT_EQ(tree.Stat("/f").mode & 0777, 0760u);  // the group bits show the mask
  EXPECT_EQ(Get("/f", "system.posix_acl_access"), NamedAcl(7, 6, 4, 6, 0));
  SetAttrRequest request;
  request.set_mode = true;
  request.mode = 0640;
  ASSERT_TRUE(SetAttr("/f", request).ok());
  EXPECT_EQ(Get("/f", "system.posix_acl_access"), NamedAcl(6, 6, 4, 4, 0));
  // A list that says no more than the mode is not kept.
  ASSERT_EQ(Set("/f", "system.posix_acl_access", MinimalAcl(6, 0, 4)), 0);
  EXPECT_EQ(tree.Stat("/f").mode & 0777, 0604u);
  EXPECT_EQ(Get("/f", "system.posix_acl_access"), no_data);
  EXPECT_TRUE(List("/f").empty());
  EXPECT_EQ(Remove("/f", "system.posix_acl_access"), 0);
  EXPECT_EQ(Set("/f", "system.posix_acl_default", MinimalAcl(6, 0, 4)), EACCES);
  EXPECT_EQ(Set("/f", "system.posix_acl_access", "nonsense"), EINVAL);
}

TEST_F(NamespaceAttrTest, SettingAnAclMayTakeSetgid) {
  ASSERT_TRUE(tree.File("/f", 02755).ok());
  ASSERT_EQ(Set("/f", "system.posix_acl_access", MinimalAcl(7, 5, 5), false, false, true), 0);
  EXPECT_EQ(tree.Stat("/f").mode & 07777, 0755u);
}

TEST_F(NamespaceAttrTest, DefaultAclsAreInherited) {
  tree.who.umask = 077;
  ASSERT_TRUE(tree.Dir("/d", 0755).ok());
  ASSERT_EQ(Set("/d", "system.posix_acl_default", NamedAcl(7, 7, 5, 7, 5)), 0);
  ASSERT_TRUE(tree.File("/d/f", 0664).ok());
  EXPECT_EQ(tree.Stat("/d/f").mode & 0777, 0664u);  // the umask does not count
  EXPECT_EQ(Get("/d/f", "system.posix_acl_access"), NamedAcl(6, 7, 5, 6, 4));
  EXPECT_EQ(Get("/d/f", "system.posix_acl_default"), no_data);
  ASSERT_TRUE(tree.Dir("/d/e", 0777).ok());
  EXPECT_EQ(Get("/d/e", "system.posix_acl_default"), NamedAcl(7, 7, 5, 7, 5));
  EXPECT_EQ(Get("/d/e", "system.posix_acl_access"), NamedAcl(7, 7, 5, 7, 5));
  ASSERT_TRUE(tree.Symlink("x", "/d/s").ok());
  EXPECT_TRUE(List("/d/s").empty());

  ASSERT_EQ(Set("/d", "system.posix_acl_default", MinimalAcl(7, 5, 0)), 0);
  ASSERT_TRUE(tree.File("/d/g", 0666).ok());
  EXPECT_EQ(tree.Stat("/d/g").mode & 0777, 0640u);
  EXPECT_TRUE(List("/d/g").empty());
  ASSERT_EQ(Remove("/d", "system.posix_acl_default"), 0);
  ASSERT_TRUE(tree.File("/d/h", 0666).ok());
  EXPECT_EQ(tree.Stat("/d/h").mode & 0777, 0600u);
}

TEST_F(NamespaceAttrTest, AFullStoreSaysSo) {
  ASSERT_TRUE(tree.File("/f").ok());
  tree.store().memory().SetCapacity(tree.store().memory().bytes());
  auto made = tree.File("/g");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error(), Errno(ENOSPC));
  EXPECT_TRUE(tree.Unlink("/f").ok());
}

}  // namespace
}  // namespace kvfs::fs
