// The FileManager against plain strings: random writes, truncations, holes, copies,
// publishes, changes of the record by others, remounts and deaths of the daemon, with
// chunks and buffers so small that lists, trees, overlays and folds are all in play.

#include <random>

#include "fs/vfs/file_test_support.h"

namespace kvfs::fs {
namespace {

struct ModelFile {
  InodeRef ref;
  Bytes bytes;
  // What a death of the daemon may leave: every state since the last publish, oldest first.
  std::vector<Bytes> possible;
  FileHandle handle = 0;
};

class FileModel : public ::testing::TestWithParam<int> {
 protected:
  static FileManagerOptions Options(int seed) {
    FileManagerOptions options;
    options.write_buffer_bytes = seed % 3 == 0 ? 64u << 10 : 1u << 20;
    options.chunk_cache_bytes = seed % 2 == 0 ? 64u << 10 : 4u << 20;
    options.read_ahead_chunks = static_cast<uint32_t>(seed % 4);
    options.fold_blocks = static_cast<uint32_t>(1 + seed % 8);
    options.unfolded_bytes = seed % 3 == 0 ? 0 : static_cast<uint64_t>(seed % 5) << 14;
    return options;
  }
  static uint32_t ChunkBytes(int seed) { return seed % 2 == 0 ? 8u << 10 : 32u << 10; }

  FileModel()
      : random_(static_cast<uint64_t>(GetParam())),
        bench_(static_cast<uint64_t>(GetParam()), ChunkBytes(GetParam()), Options(GetParam())) {}

  uint64_t Pick(uint64_t below) { return random_() % below; }
  // Offsets crowd at the start of the file, and on boundaries.
  uint64_t PickOffset() {
    const uint64_t limit = uint64_t{1} << (6 + Pick(16));
    uint64_t offset = Pick(limit);
    if (Pick(3) == 0) {
      const uint64_t unit = Pick(2) == 0 ? 4096 : ChunkBytes(GetParam());
      offset = offset / unit * unit;
    }
    return std::min<uint64_t>(offset, kMostBytes);
  }
  Bytes PickBytes() {
    const uint64_t size = 1 + Pick(uint64_t{1} << (1 + Pick(16)));
    if (Pick(8) == 0) {
      return Bytes(size, '\0');
    }
    Bytes bytes(size, '\0');
    const uint64_t seed = Pick(4);
    for (size_t i = 0; i < size; ++i) {
      bytes[i] = static_cast<char>(i * 31 + seed * 7 + i / 256);
    }
    return bytes;
  }

  void Open(ModelFile* file) {
    auto handle = bench_.Await(bench_.files().Open(file->ref));
    ASSERT_TRUE(handle.ok());
    file->handle = *handle;
  }
  void Create(ModelFile* file) {
    file->ref = bench_.Create("f" + std::to_string(next_name_++));
    file->bytes.clear();
    file->possible.assign(1, "");
    Open(file);
  }
  static void WriteModel(Bytes* bytes, uint64_t offset, ByteView data) {
    if (bytes->size() < offset + data.size()) {
      bytes->resize(offset + data.size(), '\0');
    }
    bytes->replace(offset, data.size(), data);
  }
  void Changed(ModelFile* file) {
    file->possible.push_back(file->bytes);
    if (file->possible.size() > 40) {
      Published(file, bench_.Await(bench_.files().Flush(file->ref, file->handle)));
    }
  }
  void Published(ModelFile* file, Errno outcome) {
    ASSERT_TRUE(outcome.ok()) << outcome.value();
    file->possible.assign(1, file->bytes);
  }

  void Check(const ModelFile& file) {
    const Bytes all = bench_.Read(file.ref, 0, kMostBytes * 4);
    ASSERT_EQ(all.size(), file.bytes.size());
    if (all != file.bytes) {
      const size_t at = static_cast<size_t>(
          std::mismatch(all.begin(), all.end(), file.bytes.begin()).first - all.begin());
      FAIL() << "content differs from byte " << at;
    }
    ASSERT_EQ(bench_.GetAttr(file.ref).size, file.bytes.size());
  }
  void CheckPart(const ModelFile& file) {
    const uint64_t offset = PickOffset();
    const uint64_t size = 1 + Pick(uint64_t{1} << Pick(17));
    const Bytes part = bench_.Read(file.ref, offset, size);
    ASSERT_EQ(part, offset < file.bytes.size() ? file.bytes.substr(offset, size) : Bytes());
  }
  void CheckSeek(const ModelFile& file) {
    const uint64_t offset = PickOffset();
    auto data = bench_.Await(bench_.files().Seek(file.ref, offset, SEEK_DATA));
    auto hole = bench_.Await(bench_.files().Seek(file.ref, offset, SEEK_HOLE));
    if (offset >= file.bytes.size()) {
      ASSERT_EQ(data.ok() ? 0 : data.error().value(), ENXIO);
      ASSERT_EQ(hole.ok() ? 0 : hole.error().value(), ENXIO);
      return;
    }
    ASSERT_TRUE(hole.ok());
    ASSERT_GE(*hole, offset);
    ASSERT_LE(*hole, file.bytes.size());
    const uint64_t data_at = data.ok() ? *data : file.bytes.size();
    ASSERT_TRUE(data.ok() || data.error() == Errno(ENXIO));
    ASSERT_TRUE(data_at == offset || *hole == offset);
    // What was skipped as a hole is zeros.
    for (uint64_t i = offset; i < data_at; ++i) {
      ASSERT_EQ(file.bytes[i], '\0') << i;
    }
  }
  void CheckReferences() {
    ASSERT_TRUE(bench_.Await(bench_.files().Drain(false)).ok());
    std::vector<InodeRef> refs;
    for (ModelFile& file : files_) {
      refs.push_back(file.ref);
      file.possible.assign(1, file.bytes);
    }
    ASSERT_EQ(bench_.StoredReferences(), bench_.NeededReferences(refs));
  }

  void Step();
  void ChangeRange(ModelFile* file);
  void Copy(ModelFile* file);
  void Die();

  static constexpr uint64_t kMostBytes = 2500u << 10;
  std::mt19937_64 random_;
  FileTestBench bench_;
  std::vector<ModelFile> files_{3};
  int next_name_ = 0;
};

void FileModel::Step() {
  ModelFile& file = files_[Pick(files_.size())];
  FileManager& manager = bench_.files();
  switch (Pick(20)) {
    case 0: {
      const Bytes data = PickBytes();
      auto end = bench_.Await(manager.Write(file.ref, 0, data, true));
      ASSERT_TRUE(end.ok());
      file.bytes += data;
      ASSERT_EQ(*end, file.bytes.size());
      Changed(&file);
      break;
    }
    case 1:
      Published(&file, bench_.Await(manager.Fsync(file.ref, file.handle)));
      break;
    case 2:
      Published(&file, bench_.Await(manager.Flush(file.ref, file.handle)));
      break;
    case 3: {
      const uint64_t size = Pick(5) == 0 ? 0 : PickOffset();
      auto attr = bench_.Await(manager.Truncate(file.ref, size));
      ASSERT_TRUE(attr.ok());
      ASSERT_EQ(attr->size, size);
      file.bytes.resize(size, '\0');
      Published(&file, 0);
      break;
    }
    case 4:
    case 5:
      ChangeRange(&file);
      break;
    case 6:
    case 7:
      Copy(&file);
      break;
    case 8:
      CheckSeek(file);
      break;
    case 9: {  // somebody changes the record
      SetAttrRequest request;
      request.set_mode = true;
      request.mode = static_cast<uint32_t>(Pick(0777));
      ASSERT_TRUE(bench_.Await(bench_.names().SetAttr(file.ref, request, {})).ok());
      break;
    }
    case 10:
      bench_.store().steps().Advance(static_cast<int64_t>(Pick(3'000'000)));
      break;
    case 11:
      bench_.store().steps().RunReady();
      Check(file);
      break;
    case 12:
    case 13:
      CheckPart(file);
      break;
    default: {
      const uint64_t offset = PickOffset();
      const Bytes data = PickBytes();
      ASSERT_TRUE(bench_.Write(file.ref, offset, data).ok());
      WriteModel(&file.bytes, offset, data);
      Changed(&file);
      break;
    }
  }
}

void FileModel::ChangeRange(ModelFile* file) {
  const uint64_t offset = PickOffset();
  const uint64_t size = 1 + Pick(200'000);
  const int kModes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
  const int mode = kModes[Pick(std::size(kModes))];
  ASSERT_TRUE(bench_.Await(bench_.files().Fallocate(file->ref, mode, offset, size)).ok());
  // Several published versions may lie between: what was buffered, then the change.
  file->possible.push_back(file->bytes);
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && offset + size > file->bytes.size()) {
    file->bytes.resize(offset + size, '\0');
    file->possible.push_back(file->bytes);
  }
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0 && offset < file->bytes.size()) {
    const uint64_t end = std::min<uint64_t>(offset + size, file->bytes.size());
    file->bytes.replace(offset, end - offset, end - offset, '\0');
  }
  Changed(file);
}

void FileModel::Copy(ModelFile* to) {
  ModelFile& from = files_[Pick(files_.size())];
  const uint64_t from_offset = PickOffset();
  const uint64_t to_offset = Pick(2) == 0 ? from_offset : PickOffset();
  const uint64_t size = 1 + Pick(300'000);
  auto copied =
      bench_.Await(bench_.files().CopyRange(from.ref, from_offset, to->ref, to_offset, size));
  if (&from == to && from_offset < to_offset + size && to_offset < from_offset + size) {
    ASSERT_EQ(copied.ok() ? 0 : copied.error().value(), EINVAL);
    return;
  }
  ASSERT_TRUE(copied.ok()) << copied.error().value();
  if (from_offset >= from.bytes.size()) {
    ASSERT_EQ(*copied, 0u);
    return;
  }
  ASSERT_GT(*copied, 0u);
  ASSERT_LE(*copied, std::min<uint64_t>(size, from.bytes.size() - from_offset));
  const Bytes data = from.bytes.substr(from_offset, *copied);
  WriteModel(&to->bytes, to_offset, data);
  Changed(to);
}

// The daemon dies: each file is one of the versions it had since it was last published.
void FileModel::Die() {
  bench_.Restart();
  for (ModelFile& file : files_) {
    const Bytes all = bench_.Read(file.ref, 0, kMostBytes * 4);
    ASSERT_TRUE(std::find(file.possible.begin(), file.possible.end(), all) != file.possible.end());
    file.bytes = all;
    file.possible.assign(1, all);
    Open(&file);
  }
}

TEST_P(FileModel, BehavesLikeAString) {
  for (ModelFile& file : files_) {
    Create(&file);
  }
  for (int step = 0; step < 1500; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    Step();
    if (HasFatalFailure()) {
      return;
    }
    if (step % 250 == 249) {
      CheckReferences();
    }
    if (step % 400 == 399) {
      Die();
    }
    if (step % 400 == 199) {
      bench_.Remount();
      for (ModelFile& file : files_) {
        file.possible.assign(1, file.bytes);
        Check(file);
        Open(&file);
      }
    }
    if (HasFatalFailure()) {
      return;
    }
  }
  for (ModelFile& file : files_) {
    Check(file);
    ASSERT_TRUE(bench_.Await(bench_.files().Release(file.ref, file.handle)).ok());
  }
  CheckReferences();
  const auto stats = bench_.files().GetStats();
  EXPECT_EQ(stats.dirty_bytes, 0u);
  EXPECT_EQ(stats.open_files, 0u);
  EXPECT_EQ(stats.tracked_inodes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FileModel, ::testing::Range(0, 12));

}  // namespace
}  // namespace kvfs::fs
