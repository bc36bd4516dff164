// What the FileManager promises beside "a file is a string of bytes": when what is
// published and synced, how errors are told, bounds, holes, shared chunks, reclaiming.

#include "fs/vfs/file_manager.h"

#include "fs/meta/keys.h"
#include "fs/vfs/file_test_support.h"

namespace kvfs::fs {
namespace {

constexpr uint64_t kChunk = 8u << 10;

Bytes Pattern(size_t size, int seed = 0) {
  Bytes bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(i * 7 + i / 251 + static_cast<size_t>(seed) * 13 + 1);
  }
  return bytes;
}

class FileManagerTest : public ::testing::Test {
 protected:
  explicit FileManagerTest(FileManagerOptions options = {}) : bench_(1, kChunk, options) {}

  FileHandle Open(InodeRef ref) {
    auto handle = bench_.Await(bench_.files().Open(ref));
    EXPECT_TRUE(handle.ok());
    return *handle;
  }
  Errno Flush(InodeRef ref, FileHandle handle) {
    return bench_.Await(bench_.files().Flush(ref, handle));
  }
  Errno Fsync(InodeRef ref, FileHandle handle) {
    return bench_.Await(bench_.files().Fsync(ref, handle));
  }
  Errno Truncate(InodeRef ref, uint64_t size) {
    auto attr = bench_.Await(bench_.files().Truncate(ref, size));
    return attr.ok() ? Errno() : attr.error();
  }
  // The size that the store knows of.
  uint64_t PublishedSize(InodeRef ref) {
    auto inode = bench_.Await(LoadInode(bench_.store().client(), ref));
    EXPECT_TRUE(inode.ok());
    return inode->record.size();
  }
  testing::MemoryLocalStore& memory() { return bench_.store().memory(); }
  uint64_t ItemsOf(InodeRef ref) {
    uint64_t items = 0;
    auto page =
        bench_.Await(bench_.store().client()->Scan(keys::DirectoryPk(ref.home), "", "", 10'000));
    for (const client::Item& item : page->items) {
      items += item.ck.find(keys::Inode(ref.ino).substr(1)) == 1 ? 1 : 0;
    }
    return items;
  }
  void Unlink(const std::string& name) {
    ASSERT_TRUE(bench_.Await(bench_.names().Unlink(FileTestBench::Root(), name)).ok());
  }

  FileTestBench bench_;
};

TEST_F(FileManagerTest, AttributesAreSettledOnceNothingIsBuffered) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  EXPECT_TRUE(bench_.GetAttr(ref).is_settled);
  ASSERT_TRUE(bench_.Write(ref, 0, Pattern(3 * kChunk)).ok());
  EXPECT_FALSE(bench_.GetAttr(ref).is_settled);
  ASSERT_TRUE(Flush(ref, handle).ok());
  const Attr open = bench_.GetAttr(ref);
  EXPECT_TRUE(open.is_settled);
  ASSERT_TRUE(bench_.Await(bench_.files().Release(ref, handle)).ok());
  const Attr closed = bench_.GetAttr(ref);
  EXPECT_TRUE(closed.is_settled);
  EXPECT_EQ(open.size, closed.size);
  EXPECT_EQ(open.blocks_512, closed.blocks_512);
  EXPECT_EQ(open.mtime, closed.mtime);
  EXPECT_EQ(open.ctime, closed.ctime);
}

// What the store said before the file was published, looked at after it was closed.
TEST_F(FileManagerTest, AttributesReadAcrossTheLastCloseAreNotSettled) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  ASSERT_TRUE(bench_.Write(ref, 0, Pattern(10)).ok());
  const uint64_t before = bench_.files().ReleasedCount();
  auto attr = bench_.Await(bench_.names().GetAttr(ref));
  ASSERT_TRUE(attr.ok());
  ASSERT_EQ(attr->size, 0u);
  ASSERT_TRUE(Flush(ref, handle).ok());
  ASSERT_TRUE(bench_.Await(bench_.files().Release(ref, handle)).ok());
  bench_.files().Overlay(&*attr, before);
  EXPECT_FALSE(attr->is_settled);
}

TEST_F(FileManagerTest, FlushPublishesAndFsyncSyncsOnce) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  ASSERT_TRUE(bench_.Write(ref, 0, "hello").ok());
  EXPECT_EQ(PublishedSize(ref), 0u);
  EXPECT_EQ(bench_.GetAttr(ref).size, 5u);
  const uint64_t batches = memory().batches();
  uint64_t syncs = memory().syncs();
  ASSERT_TRUE(Flush(ref, handle).ok());
  EXPECT_EQ(PublishedSize(ref), 5u);
  EXPECT_EQ(memory().batches(), batches + 1);
  EXPECT_EQ(memory().syncs(), syncs);
  ASSERT_TRUE(Flush(ref, handle).ok());  // clean: nothing to do
  EXPECT_EQ(memory().batches(), batches + 1);

  ASSERT_TRUE(Fsync(ref, handle).ok());  // published before, but not durable
  EXPECT_EQ(memory().syncs(), ++syncs);
  for (const uint64_t size : {100u, 100'000u}) {
    ASSERT_TRUE(bench_.Write(ref, 0, Pattern(size)).ok());
    ASSERT_TRUE(Fsync(ref, handle).ok());
    EXPECT_EQ(memory().syncs(), ++syncs) << size;
  }
}

TEST_F(FileManagerTest, OldBuffersArePublishedUnasked) {
  const InodeRef ref = bench_.Create("f");
  ASSERT_TRUE(bench_.Write(ref, 0, "hello").ok());
  const uint64_t syncs = memory().syncs();
  bench_.store().steps().Advance(5'000'000);
  EXPECT_EQ(PublishedSize(ref), 5u);
  EXPECT_EQ(memory().syncs(), syncs + 1);  // the store's own sync may be 5 s away
  EXPECT_EQ(bench_.files().GetStats().dirty_bytes, 0u);
  EXPECT_EQ(bench_.files().GetStats().tracked_inodes, 0u);
  ASSERT_TRUE(bench_.Write(ref, 5, " again").ok());  // the timer starts anew
  bench_.store().steps().Advance(5'000'000);
  EXPECT_EQ(PublishedSize(ref), 11u);
}

TEST_F(FileManagerTest, SmallContentLiesBesideTheRecordUntilItGrows) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  ASSERT_TRUE(bench_.Write(ref, 0, Pattern(4096)).ok());
  ASSERT_TRUE(Flush(ref, handle).ok());
  EXPECT_EQ(ItemsOf(ref), 2u);
  EXPECT_TRUE(bench_.StoredReferences().empty());
  ASSERT_TRUE(bench_.Write(ref, 4096, "x").ok());
  ASSERT_TRUE(Flush(ref, handle).ok());
  EXPECT_EQ(ItemsOf(ref), 1u);
  EXPECT_EQ(bench_.StoredReferences().size(), 1u);
  EXPECT_EQ(bench_.Read(ref, 0, 10'000), Pattern(4096) + "x");
  ASSERT_TRUE(Truncate(ref, 0).ok());
  EXPECT_TRUE(bench_.StoredReferences().empty());
  ASSERT_TRUE(bench_.Write(ref, 0, "small").ok());
  ASSERT_TRUE(Flush(ref, handle).ok());
  EXPECT_EQ(ItemsOf(ref), 2u);
  EXPECT_EQ(bench_.Read(ref, 0, 10'000), "small");
}

TEST_F(FileManagerTest, EveryHandleIsToldOnceOfAnErrorOfWriteBack) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle early = Open(ref);
  const FileHandle other = Open(ref);
  ASSERT_TRUE(bench_.Write(ref, 0, "hello").ok());
  memory().FailApply(Status::IoError("bad disk"));
  bench_.store().steps().Advance(5'000'000);
  const FileHandle late = Open(ref);  // after the error
  memory().FailApply({});
  EXPECT_EQ(Flush(ref, early).value(), EIO);
  EXPECT_EQ(Flush(ref, early).value(), 0);
  EXPECT_EQ(Fsync(ref, other).value(), EIO);
  EXPECT_EQ(Fsync(ref, other).value(), 0);
  EXPECT_EQ(Flush(ref, late).value(), 0);
  EXPECT_EQ(PublishedSize(ref), 5u);  // and the data was kept
}

TEST_F(FileManagerTest, AFailedFsyncIsToldToItsCallerAndOnceToOthers) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle one = Open(ref);
  const FileHandle other = Open(ref);
  ASSERT_TRUE(bench_.Write(ref, 0, "hello").ok());
  memory().FailSync(Status::IoError("bad disk"));
  EXPECT_EQ(Fsync(ref, one).value(), EIO);
  memory().FailSync({});
  EXPECT_EQ(Fsync(ref, one).value(), 0);
  EXPECT_EQ(Fsync(ref, other).value(), EIO);
  EXPECT_EQ(Fsync(ref, other).value(), 0);
}

TEST_F(FileManagerTest, AFullDiskIsSaidByWriteAndDeletingHelps) {
  memory().SetCapacity(memory().bytes() + (1u << 20));
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  Errno outcome;
  uint64_t written = 0;
  while (outcome.ok() && written < (4u << 20)) {
    outcome = bench_.Write(ref, written, Pattern(64u << 10, static_cast<int>(written >> 16)));
    written += outcome.ok() ? 64u << 10 : 0;
  }
  EXPECT_EQ(outcome.value(), ENOSPC);
  EXPECT_GE(written, 768u << 10);
  EXPECT_TRUE(Flush(ref, handle).ok());  // what was taken fits
  EXPECT_EQ(PublishedSize(ref), written);
  memory().SetCapacity(memory().bytes());
  EXPECT_EQ(bench_.Write(ref, 0, Pattern(1)).value(), ENOSPC);
  EXPECT_TRUE(Truncate(ref, 3 * kChunk + 1).ok());
  EXPECT_TRUE(Truncate(ref, 0).ok());
  EXPECT_TRUE(bench_.Write(ref, 0, Pattern(100'000)).ok());
  EXPECT_TRUE(Flush(ref, handle).ok());
}

TEST_F(FileManagerTest, HolesCostNothing) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  const uint64_t before = memory().batches();
  ASSERT_TRUE(Truncate(ref, kMaxFileBytes).ok());
  ASSERT_TRUE(bench_.Write(ref, kMaxFileBytes - 5, "at the end").value() == EFBIG);
  ASSERT_TRUE(bench_.Write(ref, kMaxFileBytes - 3, "end").ok());
  ASSERT_TRUE(bench_.Write(ref, uint64_t{3} << 40, "middle").ok());
  ASSERT_TRUE(Flush(ref, handle).ok());
  FileManager& files = bench_.files();
  auto seek = [&](uint64_t from, int whence) {
    auto found = bench_.Await(files.Seek(ref, from, whence));
    return found.ok() ? *found : ~uint64_t{0};
  };
  EXPECT_EQ(seek(0, SEEK_DATA), uint64_t{3} << 40);
  EXPECT_EQ(seek(0, SEEK_HOLE), 0u);
  EXPECT_EQ(seek(uint64_t{3} << 40, SEEK_HOLE), (uint64_t{3} << 40) + kChunk);
  EXPECT_EQ(seek((uint64_t{3} << 40) + kChunk, SEEK_DATA), kMaxFileBytes - kChunk);
  EXPECT_EQ(seek(kMaxFileBytes - 1, SEEK_HOLE), kMaxFileBytes);
  EXPECT_EQ(bench_.GetAttr(ref).blocks_512, 2 * kChunk / 512);
  EXPECT_EQ(bench_.Read(ref, kMaxFileBytes - 6, 100), Bytes(3, '\0') + "end");
  ASSERT_TRUE(bench_
                  .Await(files.Fallocate(ref, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5,
                                         kMaxFileBytes - 5))
                  .ok());
  EXPECT_EQ(seek(0, SEEK_HOLE), 0u);
  EXPECT_EQ(bench_.Await(files.Seek(ref, 0, SEEK_DATA)).error().value(), ENXIO);
  EXPECT_TRUE(bench_.StoredReferences().empty());
  ASSERT_TRUE(Truncate(ref, 1).ok());
  EXPECT_LE(memory().batches() - before, 8u);
  EXPECT_EQ(Truncate(ref, kMaxFileBytes + 1).value(), EFBIG);
  auto appended = bench_.Await(files.Write(ref, 0, "x", true));
  EXPECT_TRUE(appended.ok() && *appended == 2);
}

TEST_F(FileManagerTest, ALargeTruncationIsOneVersionButManyCommits) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  constexpr uint64_t kChunks = 9000;
  for (uint64_t i = 0; i < kChunks; ++i) {
    ASSERT_TRUE(bench_.Write(ref, i * kChunk, Pattern(kChunk, static_cast<int>(i))).ok());
  }
  ASSERT_TRUE(Flush(ref, handle).ok());
  memory().FailApply(Status::IoError("power"), 1);
  EXPECT_FALSE(Truncate(ref, 2 * kChunk).ok());
  memory().FailApply({});
  EXPECT_EQ(PublishedSize(ref), 2 * kChunk);
  bench_.Restart();
  EXPECT_EQ(bench_.Read(ref, 0, kChunks * kChunk).size(), 2 * kChunk);
  // What is left of the old bytes never comes back.
  ASSERT_TRUE(bench_.Write(ref, 100 * kChunk, "x").ok());
  ASSERT_TRUE(Flush(ref, Open(ref)).ok());
  EXPECT_EQ(bench_.Read(ref, 0, kChunks * kChunk),
            Pattern(kChunk, 0) + Pattern(kChunk, 1) + Bytes(98 * kChunk, '\0') + "x");
  EXPECT_EQ(bench_.StoredReferences(), bench_.NeededReferences({ref}));
  // The same for a hole of that size.
  ASSERT_TRUE(
      bench_.Await(bench_.files().Fallocate(ref, FALLOC_FL_ZERO_RANGE, kChunk, kChunks * kChunk))
          .ok());
  EXPECT_EQ(bench_.StoredReferences().size(), 3u);  // the first chunk, and the way to it
  EXPECT_EQ(PublishedSize(ref), (kChunks + 1) * kChunk);
}

TEST_F(FileManagerTest, CopiesShareChunks) {
  const InodeRef from = bench_.Create("from");
  const InodeRef to = bench_.Create("to");
  const Bytes bytes = Pattern(20 * kChunk + 100);
  ASSERT_TRUE(bench_.Write(from, 0, bytes).ok());
  ASSERT_TRUE(bench_.Await(bench_.files().Publish(from)).ok());
  uint64_t chunks = 0;
  const size_t references = bench_.StoredReferences(&chunks).size();
  auto copied = bench_.Await(bench_.files().CopyRange(from, 0, to, 0, 1u << 30));
  ASSERT_TRUE(copied.ok());
  EXPECT_EQ(*copied, bytes.size());
  EXPECT_EQ(bench_.Read(to, 0, 1u << 20), bytes);
  ASSERT_TRUE(bench_.Await(bench_.files().Drain(false)).ok());
  uint64_t chunks_after = 0;
  EXPECT_EQ(bench_.StoredReferences(&chunks_after).size(), 2 * references);
  EXPECT_EQ(chunks_after, chunks);
  // A copy lives on without its source.
  ASSERT_TRUE(Truncate(from, 0).ok());
  EXPECT_EQ(bench_.Read(to, 0, 1u << 20), bytes);
}

// A database that writes its log again from the start, block by block; how often a chunk folded
// within two chunks written over whole.
int FoldsOfARewrittenLog(uint64_t unfolded_bytes) {
  FileManagerOptions options;
  options.unfolded_bytes = unfolded_bytes;
  FileTestBench bench(1, 128u << 10, options);
  const InodeRef ref = bench.Create("f");
  const FileHandle handle = *bench.Await(bench.files().Open(ref));
  Bytes bytes = Pattern(1u << 20);
  EXPECT_TRUE(bench.Write(ref, 0, bytes).ok());
  EXPECT_TRUE(bench.Await(bench.files().Fsync(ref, handle)).ok());
  ReferenceSet before = bench.StoredReferences();
  int folds = 0;
  for (uint64_t block = 0; block < 64; ++block) {
    const Bytes data = Pattern(4096, static_cast<int>(block) + 5);
    bytes.replace(block * 4096, data.size(), data);
    EXPECT_TRUE(bench.Write(ref, block * 4096, data).ok());
    EXPECT_TRUE(bench.Await(bench.files().Fsync(ref, handle)).ok());
    const ReferenceSet after = bench.StoredReferences();
    folds += after != before ? 1 : 0;
    before = after;
  }
  EXPECT_EQ(bench.Read(ref, 0, 1u << 20), bytes);
  bench.Remount();
  EXPECT_EQ(bench.Read(ref, 0, 1u << 20), bytes);
  return folds;
}

TEST_F(FileManagerTest, AChunkThatIsWrittenOverWholeFoldsOnce) {
  EXPECT_EQ(FoldsOfARewrittenLog(0), 2);
}

TEST_F(FileManagerTest, ASmallOverlayDoesNotFoldForBeingWrittenOverWhole) {
  EXPECT_EQ(FoldsOfARewrittenLog(1u << 20), 0);
  EXPECT_EQ(FoldsOfARewrittenLog(160u << 10), 1);  // beyond 40 blocks the second chunk is full
}

TEST_F(FileManagerTest, SmallOverwritesBecomeBlocksAndFold) {
  FileManagerOptions options;
  options.fold_blocks = 8;
  options.unfolded_bytes = 0;
  FileTestBench bench(1, 128u << 10, options);
  const InodeRef ref = bench.Create("f");
  const FileHandle handle = *bench.Await(bench.files().Open(ref));
  Bytes bytes = Pattern(4u << 20);
  ASSERT_TRUE(bench.Write(ref, 0, bytes).ok());
  ASSERT_TRUE(bench.Await(bench.files().Fsync(ref, handle)).ok());
  const ReferenceSet before = bench.StoredReferences();
  const auto overwrite = [&](uint64_t block) {
    const Bytes data = Pattern(4096, static_cast<int>(block) + 5);
    bytes.replace(block * 4096, data.size(), data);
    const uint64_t stored = bench.store().memory().bytes();
    EXPECT_TRUE(bench.Write(ref, block * 4096, data).ok());
    EXPECT_TRUE(bench.Await(bench.files().Fsync(ref, handle)).ok());
    return bench.store().memory().bytes() - stored;
  };
  for (uint64_t block = 0; block < 8; ++block) {
    EXPECT_LE(overwrite(64 + 2 * block), 5000u);
  }
  EXPECT_EQ(bench.StoredReferences(), before);
  EXPECT_EQ(bench.Read(ref, 0, 8u << 20), bytes);
  overwrite(65);  // the ninth block of the chunk
  EXPECT_NE(bench.StoredReferences(), before);
  EXPECT_EQ(bench.StoredReferences(), bench.NeededReferences({ref}));
  EXPECT_EQ(bench.Read(ref, 0, 8u << 20), bytes);
  bench.Remount();
  EXPECT_EQ(bench.Read(ref, 0, 8u << 20), bytes);
}

TEST_F(FileManagerTest, OverlaysOfIdleFilesFold) {
  FileTestBench bench(1, 128u << 10, {});
  testing::StepEnv& steps = bench.store().steps();
  const InodeRef ref = bench.Create("f");
  Bytes bytes = Pattern(20u << 20);
  ASSERT_TRUE(bench.Write(ref, 0, bytes).ok());
  ASSERT_TRUE(bench.Await(bench.files().Publish(ref)).ok());
  const auto overwrite = [&](uint64_t offset) {
    bytes.replace(offset, 5, "other");
    ASSERT_TRUE(bench.Write(ref, offset, "other").ok());
    ASSERT_TRUE(bench.Await(bench.files().Publish(ref)).ok());
  };
  const auto is_overlaid = [&] {
    return bench.Await(LoadInode(bench.store().client(), ref))->record.content().overlay() != 0;
  };
  for (uint64_t chunk = 0; chunk < 150; ++chunk) {
    overwrite(chunk * (128u << 10) + 77'000);
  }
  const int64_t idle = FileManagerOptions().fold_after_micros;
  steps.Advance(idle - 1'000'000);
  overwrite(100);  // not idle: put off
  steps.Advance(idle - 1'000'000);
  EXPECT_TRUE(bench.Await(bench.files().RunDueWork()).ok());
  EXPECT_TRUE(is_overlaid());
  steps.Advance(2 * idle);
  EXPECT_TRUE(bench.Await(bench.files().RunDueWork()).ok());
  EXPECT_FALSE(is_overlaid());
  auto blocks = bench.Await(
      bench.store().client()->Scan(keys::DirectoryPk(ref.home), keys::BlockPrefix(ref.ino),
                                   keys::PrefixEnd(keys::BlockPrefix(ref.ino)), 10));
  EXPECT_TRUE(blocks.ok() && blocks->items.empty());
  EXPECT_EQ(bench.Read(ref, 0, bytes.size()), bytes);
  EXPECT_EQ(bench.StoredReferences(), bench.NeededReferences({ref}));
  EXPECT_TRUE(bench.Await(bench.store().client()->DueWork(INT64_MAX / 2, 10))->empty());
  overwrite(200);  // and a new overlay
  EXPECT_TRUE(is_overlaid());
  EXPECT_EQ(bench.Read(ref, 0, bytes.size()), bytes);
}

TEST_F(FileManagerTest, OrphansAreReclaimedWhole) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  ASSERT_TRUE(bench_.Write(ref, 0, Pattern(5000 * kChunk)).ok());
  ASSERT_TRUE(Flush(ref, handle).ok());
  ASSERT_TRUE(bench_.Write(ref, 10, "overlaid").ok());
  ASSERT_TRUE(Flush(ref, handle).ok());
  Unlink("f");
  EXPECT_EQ(bench_.Await(bench_.files().ReclaimOrphan(ref)).value(), EBUSY);
  EXPECT_EQ(bench_.Read(ref, 10, 8), "overlaid");
  ASSERT_TRUE(bench_.Write(ref, 0, "still writable").ok());
  ASSERT_TRUE(bench_.Await(bench_.files().Release(ref, handle)).ok());
  // The daemon dies in the middle.
  memory().FailApply(Status::IoError("power"), 1);
  EXPECT_FALSE(bench_.Await(bench_.files().ReclaimOrphan(ref)).ok());
  memory().FailApply({});
  EXPECT_FALSE(bench_.StoredReferences().empty());
  bench_.Restart();
  EXPECT_TRUE(bench_.Await(bench_.files().RunDueWork()).ok());
  EXPECT_TRUE(bench_.StoredReferences().empty());
  EXPECT_EQ(ItemsOf(ref), 0u);
  bench_.store().steps().Advance(2 * FileManagerOptions().fold_after_micros);
  EXPECT_TRUE(bench_.Await(bench_.files().RunDueWork()).ok());  // the line of the overlay
  auto due = bench_.Await(bench_.store().client()->DueWork(INT64_MAX / 2, 10));
  EXPECT_TRUE(due.ok() && due->empty());
  // Again, and reading it: it is gone.
  EXPECT_TRUE(bench_.Await(bench_.files().ReclaimOrphan(ref)).ok());
  EXPECT_EQ(bench_.Await(bench_.files().Read(ref, 0, 10)).error().value(), ESTALE);
}

TEST_F(FileManagerTest, BuffersOfADeletedFileAreDropped) {
  const InodeRef ref = bench_.Create("f");
  const FileHandle handle = Open(ref);
  ASSERT_TRUE(bench_.Write(ref, 0, Pattern(100'000)).ok());
  Unlink("f");  // empty so far: the record goes at once
  EXPECT_TRUE(Flush(ref, handle).ok());
  ASSERT_TRUE(bench_.Await(bench_.files().Release(ref, handle)).ok());
  EXPECT_EQ(bench_.files().GetStats().dirty_bytes, 0u);
  EXPECT_TRUE(bench_.StoredReferences().empty());
}

class SmallBuffers : public FileManagerTest {
 protected:
  static FileManagerOptions Options() {
    FileManagerOptions options;
    options.write_buffer_bytes = 1u << 20;
    options.chunk_cache_bytes = 1u << 20;
    return options;
  }
  SmallBuffers() : FileManagerTest(Options()) {}
};

TEST_F(SmallBuffers, BoundsHoldOverAllFiles) {
  std::vector<InodeRef> refs;
  for (int i = 0; i < 20; ++i) {
    refs.push_back(bench_.Create("f" + std::to_string(i)));
  }
  for (int i = 0; i < 3000; ++i) {
    const size_t size = static_cast<size_t>(1 + i * 37 % 9000);
    ASSERT_TRUE(bench_
                    .Write(refs[static_cast<size_t>(i) % 20], static_cast<uint64_t>(i) * 3000,
                           Pattern(size, i))
                    .ok());
    ASSERT_LE(bench_.files().GetStats().dirty_bytes, (1u << 20) + kChunk * 3);
    if (i % 10 == 0) {
      bench_.Read(refs[static_cast<size_t>(i) % 7], 0, 1u << 20);
      ASSERT_LE(bench_.files().GetStats().cached_bytes, 1u << 20);
    }
  }
}

}  // namespace
}  // namespace kvfs::fs
