#include "fs/meta/inode_store.h"

#include <gtest/gtest.h>

#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/posix.h"
#include "tests/support/local_fs_store.h"

namespace kvfs::fs {
namespace {

class InodeStoreTest : public ::testing::Test {
 protected:
  void Put(Ino home, Bytes ck, Bytes value) {
    client::Commit commit;
    commit.txns.push_back(
        {.pk = keys::DirectoryPk(home),
         .asserts = {},
         .writes = {{client::Write::Kind::kPut, std::move(ck), std::move(value)}}});
    ASSERT_TRUE(store_.Await(store_.client()->Submit(std::move(commit))).status.ok());
  }
  int LoadError(InodeRef ref) {
    auto loaded = store_.Await(LoadInode(store_.client(), ref));
    return loaded.ok() ? 0 : loaded.error().value();
  }
  static pb::Inode Record(InodeRef ref, uint32_t mode) {
    pb::Inode record;
    FillNewRecord(ref, mode, {.seconds = 10, .nanos = 5}, 100, &record);
    return record;
  }

  testing::LocalFsStore store_;
};

TEST_F(InodeStoreTest, TheLargestRecordFits) {
  pb::Inode record =
      Record({.ino = (uint64_t{1} << 53) - 1, .home = (uint64_t{1} << 53) - 1}, S_IFREG | 07777);
  record.set_uid(UINT32_MAX);
  record.set_gid(UINT32_MAX);
  record.set_rdev(UINT64_MAX);
  record.set_owner_set_at(UINT64_MAX);
  for (pb::Time* time : {record.mutable_atime(), record.mutable_mtime(), record.mutable_ctime(),
                         record.mutable_btime()}) {
    SetTime(time, {.seconds = INT64_MIN, .nanos = 999'999'999}, UINT64_MAX);
  }
  record.set_size(kMaxFileBytes);
  record.mutable_sole_link()->set_parent((uint64_t{1} << 53) - 1);
  record.mutable_sole_link()->set_name(std::string(kMaxNameBytes, 'n'));
  record.mutable_sole_link()->set_link_id(UINT64_MAX);
  record.mutable_content()->set_overlay(UINT64_MAX);
  record.mutable_content()->set_is_chunked(true);
  for (int i = 0; i < 8; ++i) {
    record.mutable_content()->add_chunks(std::string(32, 'h'));
  }
  record.set_allocated_bytes(kMaxFileBytes);
  record.set_xattr_bits(63);
  record.set_xattr_name_bytes(65536);
  record.set_gc_gen(UINT64_MAX);
  record.set_orphan_due_millis(INT64_MAX);
  EXPECT_LE(record.ByteSizeLong(), kMaxRecordBytes);
  EXPECT_TRUE(RecordFits(record));
}

TEST_F(InodeStoreTest, HostileBytesAreErrors) {
  const InodeRef file{.ino = 9, .home = 5};
  EXPECT_EQ(LoadError(file), ENOENT);
  Put(5, keys::Inode(9), "\xff\xff\xff not a record");
  EXPECT_EQ(LoadError(file), EIO);
  Put(5, keys::Inode(9), EncodeInode(Record({.ino = 8, .home = 5}, S_IFREG)));
  EXPECT_EQ(LoadError(file), EIO);  // somebody else's
  Put(5, keys::Inode(9), EncodeInode(Record(file, S_IFDIR)));
  EXPECT_EQ(LoadError(file), EIO);  // a directory lies in itself
  Put(5, keys::Inode(9), EncodeInode(Record(file, S_IFREG)));
  EXPECT_EQ(LoadError(file), 0);
  EXPECT_FALSE(DecodeInode(Bytes(kMaxRecordBytes + 1, '\0')).ok());
}

TEST_F(InodeStoreTest, ADirectorysTimesAreThoseSetLast) {
  const InodeRef dir{.ino = 5, .home = 5};
  Put(5, keys::Self(), EncodeInode(Record(dir, S_IFDIR)));
  auto loaded = store_.Await(LoadInode(store_.client(), dir));
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(AttrOf(loaded->record).mtime, (TimeSpec{.seconds = 10, .nanos = 5}));
  client::Write times = PutDirectoryTimes({.seconds = 20, .nanos = 0}, 99);
  Put(5, times.ck, times.value);
  loaded = store_.Await(LoadInode(store_.client(), dir));
  EXPECT_EQ(AttrOf(loaded->record).mtime.seconds, 10);  // set before the record's
  times = PutDirectoryTimes({.seconds = 3, .nanos = 0}, 101);
  Put(5, times.ck, times.value);
  loaded = store_.Await(LoadInode(store_.client(), dir));
  EXPECT_EQ(AttrOf(loaded->record).mtime.seconds, 3);
  EXPECT_EQ(AttrOf(loaded->record).ctime.seconds, 3);
  EXPECT_EQ(AttrOf(loaded->record).atime.seconds, 10);
}

TEST_F(InodeStoreTest, SeveralAreLoadedAtOnce) {
  const InodeRef dir{.ino = 5, .home = 5};
  const InodeRef file{.ino = 9, .home = 5};
  Put(5, keys::Self(), EncodeInode(Record(dir, S_IFDIR)));
  Put(5, keys::Inode(9), EncodeInode(Record(file, S_IFREG)));
  std::vector<InodeRef> refs = {file, {.ino = 10, .home = 5}, dir};
  auto loaded = store_.Await(LoadInodes(store_.client(), refs));
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->size(), 3u);
  EXPECT_EQ((*loaded)[0]->ref, file);
  EXPECT_FALSE((*loaded)[1].has_value());
  EXPECT_EQ((*loaded)[2]->ref, dir);
}

}  // namespace
}  // namespace kvfs::fs
