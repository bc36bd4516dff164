// The FileManager under real threads, on a node on the real environment: regions of one
// file, appends to another, and private files that come and go, with buffers so small
// that everybody publishes everybody's.

#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/vfs/content_reader.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/reference_audit_test_support.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "kvcore/node/node.h"

namespace kvfs::fs {
namespace {

using env::posix::BlockingWait;

struct Runner {
  template <typename T>
  T Run(Task<T> task) {
    return BlockingWait(std::move(task));
  }
};

class FileThreadsTest : public ::testing::Test {
 protected:
  static constexpr InodeRef kRoot{kRootIno, kRootIno};

  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kvfs-files-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    posix_ = std::make_unique<env::posix::PosixEnv>(2);
    node::NodeOptions options;
    options.memory_bytes = 8u << 20;
    options.reserve_bytes = 0;
    auto node = BlockingWait(node::Node::Open(options, posix_->env(), directory_ + "/data"));
    ASSERT_TRUE(node.ok()) << node.status().ToString();
    node_ = std::move(*node);
    names_ =
        std::make_unique<Namespace>(NamespaceOptions{}, node_->client(), posix_->env(), nullptr);
    ASSERT_TRUE(BlockingWait(names_->Initialise({})).ok());
    FileManagerOptions file_options;
    file_options.write_buffer_bytes = 1u << 20;
    file_options.chunk_cache_bytes = 1u << 20;
    file_options.max_dirty_micros = 50'000;
    files_ = FileManager::Create(file_options, node_->client(), posix_->env());
  }
  void TearDown() override {
    EXPECT_TRUE(BlockingWait(files_->Drain(true)).ok());
    files_.reset();
    names_.reset();
    EXPECT_TRUE(BlockingWait(node_->Close()).ok());
    node_.reset();
    posix_.reset();
    std::filesystem::remove_all(directory_);
  }

  InodeRef Create(const std::string& name) {
    auto node = BlockingWait(names_->MakeNode(kRoot, name, S_IFREG | 0644, 0, {}));
    EXPECT_TRUE(node.ok());
    return node->ref;
  }
  Bytes Read(InodeRef ref, uint64_t offset, uint64_t size) {
    auto pieces = BlockingWait(files_->Read(ref, offset, size));
    EXPECT_TRUE(pieces.ok()) << pieces.error().value();
    return pieces.ok() ? JoinPieces(*pieces) : Bytes();
  }

  std::string directory_;
  std::unique_ptr<env::posix::PosixEnv> posix_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<Namespace> names_;
  std::unique_ptr<FileManager> files_;
};

TEST_F(FileThreadsTest, NothingIsLostOrMixedUp) {
  constexpr int kThreads = 4;
  constexpr int kSteps = 300;
  constexpr uint64_t kRegion = 300'000;  // no multiple of a chunk: neighbours share chunks
  constexpr size_t kRecord = 1000;
  const InodeRef shared = Create("shared");
  const InodeRef log = Create("log");
  const FileHandle shared_handle = *BlockingWait(files_->Open(shared));
  const FileHandle log_handle = *BlockingWait(files_->Open(log));
  std::vector<Bytes> regions(kThreads, Bytes(kRegion, '\0'));
  std::vector<int> appended(kThreads, 0);

  auto work = [&](int thread) {
    std::mt19937_64 random(static_cast<uint64_t>(thread));
    Bytes& region = regions[static_cast<size_t>(thread)];
    const uint64_t base = static_cast<uint64_t>(thread) * kRegion;
    int private_files = 0;
    for (int step = 0; step < kSteps; ++step) {
      switch (random() % 8) {
        case 0: {
          const Bytes record(kRecord, static_cast<char>('A' + thread));
          auto end = BlockingWait(files_->Write(log, 0, record, true));
          EXPECT_TRUE(end.ok());
          ++appended[static_cast<size_t>(thread)];
          break;
        }
        case 1:
          EXPECT_TRUE(BlockingWait(files_->Fsync(shared, shared_handle)).ok());
          break;
        case 2: {
          const std::string name =
              "t" + std::to_string(thread) + "." + std::to_string(private_files++);
          const InodeRef ref = Create(name);
          const FileHandle handle = *BlockingWait(files_->Open(ref));
          const Bytes bytes(random() % 500'000, static_cast<char>('a' + thread));
          EXPECT_TRUE(BlockingWait(files_->Write(ref, 0, bytes, false)).ok());
          EXPECT_TRUE(BlockingWait(files_->Flush(ref, handle)).ok());
          EXPECT_EQ(Read(ref, 0, 1u << 20), bytes);
          EXPECT_TRUE(BlockingWait(names_->Unlink(kRoot, name)).ok());
          EXPECT_TRUE(BlockingWait(files_->Release(ref, handle)).ok());
          EXPECT_TRUE(BlockingWait(files_->ReclaimOrphan(ref)).ok());
          break;
        }
        case 3:
        case 4: {
          const uint64_t offset = random() % kRegion;
          const uint64_t size = std::min<uint64_t>(kRegion - offset, random() % 200'000);
          Bytes found = Read(shared, base + offset, size);
          found.resize(size, '\0');  // the file may end before
          EXPECT_EQ(found, region.substr(offset, size)) << "thread " << thread << " at " << offset;
          break;
        }
        default: {
          const uint64_t offset = random() % kRegion;
          const uint64_t most = random() % 4 == 0 ? 150'000 : 5000;
          const uint64_t size = std::min<uint64_t>(kRegion - offset, 1 + random() % most);
          const Bytes bytes(size, static_cast<char>(random()));
          EXPECT_TRUE(BlockingWait(files_->Write(shared, base + offset, bytes, false)).ok());
          region.replace(offset, size, bytes);
          break;
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(work, i);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }

  EXPECT_TRUE(BlockingWait(files_->Flush(log, log_handle)).ok());
  const Bytes records = Read(log, 0, 1u << 30);
  std::vector<int> found(kThreads, 0);
  ASSERT_EQ(records.size() % kRecord, 0u);
  for (size_t at = 0; at < records.size(); at += kRecord) {
    ASSERT_EQ(records.substr(at, kRecord), Bytes(kRecord, records[at]));
    ++found[static_cast<size_t>(records[at] - 'A')];
  }
  EXPECT_EQ(found, appended);
  for (int i = 0; i < kThreads; ++i) {
    Bytes bytes = Read(shared, static_cast<uint64_t>(i) * kRegion, kRegion);
    bytes.resize(kRegion, '\0');
    EXPECT_EQ(bytes, regions[static_cast<size_t>(i)]) << i;
  }
  EXPECT_TRUE(BlockingWait(files_->Release(log, log_handle)).ok());
  EXPECT_TRUE(BlockingWait(files_->Release(shared, shared_handle)).ok());
  EXPECT_TRUE(BlockingWait(files_->Drain(false)).ok());
  Runner runner;
  NeededReferences<Runner> needed(node_->client(), &runner);
  needed.Add(shared);
  needed.Add(log);
  EXPECT_EQ(StoredReferences(node_->store()), needed.references());
}

}  // namespace
}  // namespace kvfs::fs
