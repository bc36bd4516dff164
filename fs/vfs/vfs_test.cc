#include "fs/vfs/vfs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "fs/meta/keys.h"
#include "tests/support/test_vfs.h"

namespace kvfs::fs {
namespace {

using testing::TestVfs;

template <typename T>
int Error(const FsResult<T>& result) {
  return result.ok() ? 0 : result.error().value();
}

class VfsTest : public ::testing::Test {
 protected:
  FsResult<CreateReply> Create(Ino dir, Bytes name, int flags = O_RDWR, uint32_t mode = 0644) {
    return vfs.Await(vfs->CreateFile(dir, std::move(name), mode, flags, vfs.who));
  }
  Attr Stat(Ino ino) {
    auto attr = vfs.Await(vfs->GetAttr(ino));
    return attr.ok() ? *attr : Attr{};
  }
  int Close(Ino ino, uint64_t handle) {
    const Errno flushed = vfs.Await(vfs->Flush(ino, handle));
    const Errno released = vfs.Await(vfs->Release(ino, handle));
    return flushed.ok() ? released.value() : flushed.value();
  }
  // Lines of orphans in the work index.
  uint64_t OrphanLines() {
    const auto due = vfs.Await(vfs.store().client()->DueWork(INT64_MAX, 100));
    return static_cast<uint64_t>(
        std::count_if(due->begin(), due->end(), [](const client::WorkItem& item) {
          return item.key.kind == static_cast<uint8_t>(keys::WorkKind::kOrphan);
        }));
  }
  struct Listed {
    std::vector<Bytes> names;
    std::vector<uint64_t> cookies;
    std::map<Bytes, Attr> attrs;
  };
  // At most `room` entries per call.
  Listed List(Ino ino, bool with_attrs, size_t room = 1000) {
    Listed listed;
    const uint64_t handle = *vfs.Await(vfs->OpenDirectory(ino));
    uint64_t cookie = 0;
    while (true) {
      size_t taken = 0;
      const Errno done = vfs.Await(vfs->ReadDirectory(ino, handle, cookie, with_attrs,
                                                      [&](const DirEntry& entry, const Attr* attr) {
                                                        if (taken == room) {
                                                          return false;
                                                        }
                                                        ++taken;
                                                        listed.names.push_back(entry.name);
                                                        listed.cookies.push_back(entry.cookie);
                                                        cookie = entry.cookie;
                                                        if (attr != nullptr) {
                                                          listed.attrs[entry.name] = *attr;
                                                        }
                                                        return true;
                                                      }));
      EXPECT_TRUE(done.ok());
      if (taken == 0) {
        break;
      }
    }
    EXPECT_TRUE(vfs.Await(vfs->ReleaseDirectory(ino, handle)).ok());
    return listed;
  }

  TestVfs vfs;
};

TEST_F(VfsTest, WhatIsWrittenIsReadAlsoAfterARemount) {
  const Bytes big(300'000, 'b');
  ASSERT_NE(vfs.WriteFile(kRootIno, "small", "hello"), 0u);
  ASSERT_NE(vfs.WriteFile(kRootIno, "big", big), 0u);
  EXPECT_EQ(vfs.ReadFile(vfs.Walk("/small")), "hello");
  EXPECT_EQ(Stat(vfs.Walk("/big")).size, 300'000u);
  vfs.Remount();
  EXPECT_EQ(vfs.ReadFile(vfs.Walk("/small")), "hello");
  EXPECT_EQ(vfs.ReadFile(vfs.Walk("/big")), big);
  EXPECT_EQ(Stat(vfs.Walk("/big")).size, 300'000u);
  EXPECT_TRUE(vfs.Fsck().problems.empty());
}

TEST_F(VfsTest, InodesTheKernelWasNeverToldOfAreStale) {
  EXPECT_EQ(Error(vfs.Await(vfs->GetAttr(4711))), ESTALE);
  EXPECT_EQ(Error(Create(4711, "f")), ESTALE);
  const Ino file = vfs.WriteFile(kRootIno, "f", "x");
  EXPECT_EQ(vfs->GetStats().remembered_inodes, 1u);
  ASSERT_EQ(vfs.Walk("/f"), file);
  vfs->Forget(file, 1);
  EXPECT_EQ(Stat(file).ino, file);
  vfs->Forget(file, 1);
  EXPECT_EQ(Error(vfs.Await(vfs->GetAttr(file))), ESTALE);
  EXPECT_EQ(vfs->GetStats().remembered_inodes, 0u);
  vfs->Forget(kRootIno, 100);
  EXPECT_EQ(Stat(kRootIno).ino, kRootIno);
}

TEST_F(VfsTest, CreateOpensWhatIsThereUnlessExclusive) {
  const Ino file = vfs.WriteFile(kRootIno, "f", "content");
  EXPECT_EQ(Error(Create(kRootIno, "f", O_RDWR | O_EXCL)), EEXIST);
  auto opened = Create(kRootIno, "f");
  ASSERT_EQ(Error(opened), 0);
  EXPECT_EQ(opened->attr.ino, file);
  EXPECT_EQ(opened->attr.size, 7u);
  EXPECT_EQ(vfs.ReadHandle(file, opened->open.handle), "content");
  auto truncated = Create(kRootIno, "f", O_RDWR | O_TRUNC);
  ASSERT_EQ(Error(truncated), 0);
  EXPECT_EQ(truncated->attr.size, 0u);
  EXPECT_EQ(vfs.ReadHandle(file, opened->open.handle), "");
  ASSERT_EQ(Error(vfs.Await(vfs->MakeDirectory(kRootIno, "d", 0755, vfs.who))), 0);
  EXPECT_EQ(Error(Create(kRootIno, "d")), EISDIR);
  EXPECT_EQ(Error(vfs.Await(vfs->Open(vfs.Walk("/d"), O_RDONLY))), EISDIR);
}

TEST_F(VfsTest, AppendsGoToTheEndWhereverItIs) {
  const Ino file = vfs.WriteFile(kRootIno, "f", "one");
  auto first = vfs.Await(vfs->Open(file, O_WRONLY | O_APPEND));
  auto second = vfs.Await(vfs->Open(file, O_WRONLY | O_APPEND));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*vfs.Await(vfs->Write(file, first->handle, 3, "two")), 3u);
  EXPECT_EQ(*vfs.Await(vfs->Write(file, second->handle, 3, "three")), 5u);
  EXPECT_EQ(Close(file, first->handle) + Close(file, second->handle), 0);
  EXPECT_EQ(vfs.ReadFile(file), "onetwothree");
}

TEST_F(VfsTest, AnUnlinkedFileLivesUntilItsLastRelease) {
  const Bytes big(200'000, 'x');
  for (const Bytes& content : {Bytes("small"), big}) {
    const Ino file = vfs.WriteFile(kRootIno, "f", content);
    auto open = vfs.Await(vfs->Open(file, O_RDWR));
    ASSERT_EQ(Error(open), 0);
    ASSERT_TRUE(vfs.Await(vfs->Unlink(kRootIno, "f")).ok());
    EXPECT_EQ(vfs.Walk("/f"), 0u);
    EXPECT_EQ(Stat(file).nlink, 0u);
    vfs.Advance(10'000'000);  // the work index is looked at meanwhile
    EXPECT_EQ(vfs.ReadHandle(file, open->handle), content);
    ASSERT_EQ(Error(vfs.Await(vfs->Write(file, open->handle, content.size(), "more"))), 0);
    EXPECT_EQ(vfs.ReadHandle(file, open->handle), content + "more");
    SetAttrRequest cut;
    cut.set_size = true;
    cut.size = 2;
    ASSERT_EQ(Error(vfs.Await(vfs->SetAttr(file, cut, vfs.who))), 0);
    EXPECT_EQ(vfs.ReadHandle(file, open->handle), content.substr(0, 2));
    EXPECT_EQ(OrphanLines(), 1u);
    EXPECT_EQ(Close(file, open->handle), 0);
    vfs.Advance(10'000'000);
    EXPECT_EQ(Stat(file).nlink, 0u);
    EXPECT_EQ(vfs.ReadFile(file), content.substr(0, 2));  // found before, opened after
    EXPECT_EQ(OrphanLines(), 1u);
    vfs->Forget(file, 1);
    vfs.Advance(10'000'000);
    EXPECT_EQ(OrphanLines(), 0u);
    EXPECT_EQ(Error(vfs.Await(vfs->Open(file, O_RDONLY))), ESTALE);
    const FsckReport report = vfs.Fsck();
    EXPECT_TRUE(report.problems.empty());
    EXPECT_EQ(report.files, 0u);
  }
}

TEST_F(VfsTest, OrphansOfACrashAreReclaimedByTheNextMount) {
  const Ino file = vfs.WriteFile(kRootIno, "f", Bytes(200'000, 'x'));
  ASSERT_EQ(Error(vfs.Await(vfs->Open(file, O_RDWR))), 0);
  ASSERT_TRUE(vfs.Await(vfs->Unlink(kRootIno, "f")).ok());
  vfs.Remount();  // the handle was never released
  EXPECT_EQ(vfs.Fsck().orphans, 1u);
  vfs.Advance(10'000'000);
  EXPECT_EQ(vfs.Fsck().orphans, 0u);
  EXPECT_EQ(OrphanLines(), 0u);
}

TEST_F(VfsTest, AReplacedOpenFileIsAnOrphanToo) {
  const Ino old = vfs.WriteFile(kRootIno, "f", "old");
  vfs.WriteFile(kRootIno, "g", "new");
  auto open = vfs.Await(vfs->Open(old, O_RDONLY));
  ASSERT_TRUE(vfs.Await(vfs->Rename(kRootIno, "g", kRootIno, "f", RenameMode::kReplace)).ok());
  EXPECT_EQ(vfs.ReadHandle(old, open->handle), "old");
  EXPECT_EQ(vfs.ReadFile(vfs.Walk("/f")), "new");
  EXPECT_EQ(Close(old, open->handle), 0);
  vfs->Forget(old, 1);
  vfs.Advance(1);
  EXPECT_EQ(OrphanLines(), 0u);
  EXPECT_EQ(vfs.Fsck().files, 1u);
}

TEST_F(VfsTest, WhoIsOnTheWayToAReplacedFileFindsIt) {
  const Ino old = vfs.WriteFile(kRootIno, "f", "old");
  vfs.WriteFile(kRootIno, "g", "new");
  ASSERT_TRUE(vfs.Await(vfs->Rename(kRootIno, "g", kRootIno, "f", RenameMode::kReplace)).ok());
  vfs.Advance(10'000'000);
  EXPECT_EQ(vfs.ReadFile(old), "old");  // looked up before the rename, opened after it
  vfs->Forget(old, 1);
  vfs.Advance(10'000'000);
  EXPECT_EQ(vfs.Fsck().orphans, 0u);
}

TEST_F(VfsTest, HeldOrphansDoNotKeepOthersFromBeingReclaimed) {
  std::vector<std::pair<Ino, uint64_t>> held;
  for (int i = 0; i < 300; ++i) {
    auto created = Create(kRootIno, "f");
    ASSERT_EQ(Error(created), 0);
    held.emplace_back(created->attr.ino, created->open.handle);
    ASSERT_TRUE(vfs.Await(vfs->Unlink(kRootIno, "f")).ok());
  }
  const Ino last = vfs.WriteFile(kRootIno, "g", Bytes(200'000, 'x'));
  ASSERT_TRUE(vfs.Await(vfs->Unlink(kRootIno, "g")).ok());
  EXPECT_EQ(vfs.Fsck().orphans, 301u);
  vfs->Forget(last, 1);
  vfs.Advance(10'000'000);
  EXPECT_EQ(vfs.Fsck().orphans, 300u);
  for (const auto& [ino, handle] : held) {
    EXPECT_EQ(Close(ino, handle), 0);
    vfs->Forget(ino, 1);
  }
  vfs.Advance(10'000'000);
  EXPECT_EQ(vfs.Fsck().orphans, 0u);
}

TEST_F(VfsTest, ARemovedDirectoryStillHasAttributes) {
  const Ino dir = vfs.Await(vfs->MakeDirectory(kRootIno, "d", 0755, vfs.who))->attr.ino;
  ASSERT_TRUE(vfs.Await(vfs->RemoveDirectory(kRootIno, "d")).ok());
  EXPECT_EQ(Stat(dir).nlink, 0u);
  EXPECT_EQ(Stat(dir).mode, uint32_t{S_IFDIR | 0755});
  EXPECT_EQ(Error(Create(dir, "f")), ENOENT);
  SetAttrRequest request;
  request.set_mode = true;
  request.mode = 0700;
  EXPECT_EQ(vfs.Await(vfs->SetAttr(dir, request, vfs.who))->mode, uint32_t{S_IFDIR | 0700});
  vfs->Forget(dir, 1);
  EXPECT_EQ(Error(vfs.Await(vfs->GetAttr(dir))), ESTALE);
}

TEST_F(VfsTest, DirectoriesAreListedInPartsOfAnySize) {
  std::set<Bytes> expected = {".", ".."};
  const Ino dir = vfs.Await(vfs->MakeDirectory(kRootIno, "d", 0755, vfs.who))->attr.ino;
  for (int i = 0; i < 200; ++i) {
    const Bytes name = "n" + std::to_string(i);
    ASSERT_NE(vfs.WriteFile(dir, name, name), 0u);
    expected.insert(name);
  }
  for (size_t room : {1u, 3u, 50u, 1000u}) {
    const Listed listed = List(dir, room == 3, room);
    EXPECT_EQ(listed.names.size(), expected.size());
    EXPECT_EQ(std::set<Bytes>(listed.names.begin(), listed.names.end()), expected);
    EXPECT_EQ(listed.names[0], ".");
    EXPECT_EQ(listed.names[1], "..");
    EXPECT_TRUE(std::is_sorted(listed.cookies.begin(), listed.cookies.end()));
    for (const auto& [name, attr] : listed.attrs) {
      EXPECT_EQ(attr.size, name.size());
    }
    EXPECT_EQ(listed.attrs.size(), room == 3 ? 200u : 0u);
  }
}

TEST_F(VfsTest, ReaddirplusCountsLookups) {
  const Ino file = vfs.WriteFile(kRootIno, "f", "x");
  vfs->Forget(file, 1);
  ASSERT_EQ(vfs->GetStats().remembered_inodes, 0u);
  List(kRootIno, false);
  EXPECT_EQ(vfs->GetStats().remembered_inodes, 0u);
  List(kRootIno, true);
  EXPECT_EQ(vfs->GetStats().remembered_inodes, 1u);
  EXPECT_EQ(Stat(file).size, 1u);
  vfs->Forget(file, 1);
  EXPECT_EQ(vfs->GetStats().remembered_inodes, 0u);
}

TEST_F(VfsTest, TimesSetByHandOutliveWhatWasBuffered) {
  auto created = Create(kRootIno, "f");
  const Ino file = created->attr.ino;
  ASSERT_EQ(Error(vfs.Await(vfs->Write(file, created->open.handle, 0, "data"))), 0);
  vfs.Advance(1000);
  SetAttrRequest request;
  request.set_mtime = request.set_atime = true;
  request.mtime = request.atime = {.seconds = 1000, .nanos = 5};
  auto attr = vfs.Await(vfs->SetAttr(file, request, vfs.who));
  ASSERT_EQ(Error(attr), 0);
  EXPECT_EQ(attr->size, 4u);
  EXPECT_EQ(attr->mtime, request.mtime);
  EXPECT_EQ(Close(file, created->open.handle), 0);
  EXPECT_EQ(Stat(file).mtime, request.mtime);
  vfs.Remount();
  EXPECT_EQ(Stat(vfs.Walk("/f")).mtime, request.mtime);
  EXPECT_EQ(Stat(vfs.Walk("/f")).atime, request.atime);
}

TEST_F(VfsTest, SetattrOfSizeTruncates) {
  const Ino file = vfs.WriteFile(kRootIno, "f", "content");
  SetAttrRequest request;
  request.set_size = true;
  request.size = 3;
  request.set_mode = true;
  request.mode = 0600;
  auto attr = vfs.Await(vfs->SetAttr(file, request, vfs.who));
  ASSERT_EQ(Error(attr), 0);
  EXPECT_EQ(attr->size, 3u);
  EXPECT_EQ(attr->mode & 07777, 0600u);
  EXPECT_EQ(vfs.ReadFile(file), "con");
  EXPECT_EQ(Error(vfs.Await(vfs->SetAttr(kRootIno, request, vfs.who))), EISDIR);
}

TEST_F(VfsTest, ReadsMoveTheAccessTimeLazily) {
  const Ino file = vfs.WriteFile(kRootIno, "f", "content");
  const Attr before = Stat(file);
  vfs.Advance(100);
  const uint64_t batches = vfs.store().memory().batches();
  vfs.ReadFile(file);
  const Attr after = Stat(file);
  EXPECT_GT(after.atime, before.atime);
  EXPECT_EQ(after.ctime, before.ctime);
  EXPECT_EQ(vfs.store().memory().batches(), batches);  // no write yet
  vfs.Advance(2'000'000);
  EXPECT_EQ(Stat(file).atime, after.atime);
  vfs.Remount();
  EXPECT_EQ(Stat(vfs.Walk("/f")).atime, after.atime);
}

TEST_F(VfsTest, XattrsAndSpaceAndLinksPassThrough) {
  const Ino file = vfs.WriteFile(kRootIno, "f", "x");
  EXPECT_EQ(vfs.Await(vfs->SetXattr(file, "user.a", "1", XATTR_REPLACE, false)), Errno(ENODATA));
  EXPECT_TRUE(vfs.Await(vfs->SetXattr(file, "user.a", "1", XATTR_CREATE, false)).ok());
  EXPECT_EQ(*vfs.Await(vfs->GetXattr(file, "user.a")), "1");
  EXPECT_EQ(vfs.Await(vfs->ListXattrs(file))->size(), 1u);
  EXPECT_TRUE(vfs.Await(vfs->RemoveXattr(file, "user.a")).ok());
  auto link = vfs.Await(vfs->Link(file, kRootIno, "g"));
  ASSERT_EQ(Error(link), 0);
  EXPECT_EQ(link->attr.nlink, 2u);
  const Ino symlink = vfs.Await(vfs->MakeSymlink(kRootIno, "s", "to", vfs.who))->attr.ino;
  EXPECT_EQ(*vfs.Await(vfs->ReadLink(symlink)), "to");
  auto space = vfs.Await(vfs->StatFs());
  ASSERT_EQ(Error(space), 0);
  EXPECT_LE(space->available_bytes, space->total_bytes);
  EXPECT_TRUE(vfs.Await(vfs->FsyncDirectory(kRootIno)).ok());
  EXPECT_EQ(vfs.Await(vfs->Fsync(file, 4711, false)), Errno(EBADF));
}

TEST_F(VfsTest, ManyFilesLeaveNothingBehind) {
  const uint64_t before = vfs.store().memory().Contents().size();
  for (int i = 0; i < 50; ++i) {
    const Ino file =
        vfs.WriteFile(kRootIno, std::to_string(i), Bytes(150'000, static_cast<char>(i)));
    ASSERT_NE(file, 0u);
    vfs->Forget(file, 1);
  }
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(vfs.Await(vfs->Unlink(kRootIno, std::to_string(i))).ok());
  }
  vfs.Advance(10'000'000);
  EXPECT_EQ(OrphanLines(), 0u);
  // The root's times, and counters of the store.
  EXPECT_LE(vfs.store().memory().Contents().size(), before + 4);
}

}  // namespace
}  // namespace kvfs::fs
