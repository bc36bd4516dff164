// Two mounts of three simulated nodes: what one does the other is told of, and locks exclude each
// other whatever becomes of the nodes.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "fs/meta/posix.h"
#include "fs/vfs/vfs.h"
#include "kvcore/node/sim_nodes_test_support.h"

namespace kvfs::fs {
namespace {

constexpr int64_t kSecond = 1'000'000;

class NoKernel final : public KernelCache {
 public:
  void ForgetName(Ino, Bytes) override {}
  void ForgetAttributes(Ino) override {}
  void ForgetPages(Ino, std::function<void()> done) override {
    if (done) {
      done();
    }
  }
};

class VfsClusterTest : public ::testing::Test {
 protected:
  explicit VfsClusterTest(uint64_t seed = 5) : nodes_(seed) {
    client::ClusterClient* const clients[] = {nodes_.client(), nodes_.AnotherClient()};
    for (size_t i = 0; i < 2; ++i) {
      VfsOptions options;
      options.is_shared = true;
      options.locks.lease_micros = 15 * kSecond;
      options.locks.warn = [this](const std::string& text) { warnings_.push_back(text); };
      vfs_[i] = Vfs::Create(options, clients[i], env());
      EXPECT_TRUE(nodes_.Run(vfs_[i]->Start(who_)).ok());
    }
    auto created = nodes_.Run(vfs_[0]->CreateFile(kRootIno, "f", 0644, O_RDWR, who_));
    EXPECT_TRUE(created.ok());
    ino_ = created->attr.ino;
    handles_[0] = created->open.handle;
    EXPECT_TRUE(nodes_.Run(vfs_[1]->Lookup(kRootIno, "f")).ok());
    auto open = nodes_.Run(vfs_[1]->Open(ino_, O_RDWR));
    EXPECT_TRUE(open.ok());
    handles_[1] = open->handle;
  }
  ~VfsClusterTest() override {
    for (auto& vfs : vfs_) {
      (void)nodes_.Run(vfs->Stop());
    }
  }

  env::Env env() { return nodes_.world().machine(nodes_.nodes()).env(); }
  void Sleep(int64_t micros) { nodes_.Run(env::SleepFor(&nodes_.world().scheduler(), micros)); }

  static LockRequest Exclusive(uint64_t owner) {
    LockRequest request;
    request.owner = owner;
    request.exclusive = true;
    return request;
  }

  Task<std::optional<int>> ReadNumber(size_t mount) {
    auto pieces = co_await vfs_[mount]->Read(ino_, handles_[mount], 0, 100);
    if (!pieces.ok()) {
      co_return std::nullopt;
    }
    Bytes text;
    for (const ReadPiece& piece : *pieces) {
      text += piece.buffer->substr(piece.offset, piece.size);
    }
    co_return text.empty() ? 0 : std::stoi(text);
  }

  // Adds 1 under the lock, again and again.
  Task<void> Count(size_t mount, uint64_t owner, int times) {
    for (int i = 0; i < times; ++i) {
      const Errno locked = co_await vfs_[mount]->SetLock(ino_, handles_[mount], Exclusive(owner),
                                                         std::make_shared<LockWait>());
      if (!locked.ok()) {
        co_await env::SleepFor(&nodes_.world().scheduler(), kSecond);
        continue;
      }
      EXPECT_EQ(++inside_, 1) << "somebody else has the lock too";
      const std::optional<int> number = co_await ReadNumber(mount);
      bool done = false;
      if (number.has_value()) {
        const auto written = co_await vfs_[mount]->Write(
            ino_, handles_[mount], 0, std::to_string(1'000'001 + *number % 1'000'000));
        const Errno flushed = co_await vfs_[mount]->Flush(ino_, handles_[mount]);
        done = written.ok() && flushed.ok();
        unclear_ += done ? 0 : 1;
      }
      --inside_;
      const Errno cleared =
          co_await vfs_[mount]->ClearLock(ino_, handles_[mount], Exclusive(owner));
      counted_ += done ? 1 : 0;
      (void)cleared;  // given back with the next renewal, then
    }
    ++finished_;
  }

  node::test::SimNodes nodes_;
  std::vector<std::string> warnings_;
  NoKernel kernel_;
  const Credentials who_{.uid = 1, .gid = 1, .umask = 022, .pid = 1};
  std::unique_ptr<Vfs> vfs_[2];
  Ino ino_ = 0;
  uint64_t handles_[2] = {};
  int inside_ = 0;
  int counted_ = 0;
  int unclear_ = 0;
  int finished_ = 0;
};

// However long nothing has been asked of the store: the kernel reads its pages without asking.
TEST_F(VfsClusterTest, AnOpenFileIsFollowedAlsoAfterLongQuiet) {
  ASSERT_TRUE(nodes_.Run(vfs_[1]->Write(ino_, handles_[1], 0, "1")).ok());
  ASSERT_TRUE(nodes_.Run(vfs_[1]->Flush(ino_, handles_[1])).ok());
  Sleep(300 * kSecond);
  ASSERT_TRUE(nodes_.Run(vfs_[0]->Write(ino_, handles_[0], 0, "2")).ok());
  ASSERT_TRUE(nodes_.Run(vfs_[0]->Flush(ino_, handles_[0])).ok());
  Sleep(100'000);
  EXPECT_EQ(nodes_.Run(ReadNumber(1)), 2);
}

class VfsClusterSeeds : public VfsClusterTest, public ::testing::WithParamInterface<int> {
 protected:
  VfsClusterSeeds() : VfsClusterTest(static_cast<uint64_t>(GetParam())) {}
};

TEST_P(VfsClusterSeeds, CountersUnderALockLoseNothingWhileNodesDie) {
  constexpr int kTimes = 12;
  env::TaskSet workers(&nodes_.world().scheduler());
  for (size_t mount = 0; mount < 2; ++mount) {
    for (uint64_t owner = 1; owner <= 2; ++owner) {
      workers.Start(Count(mount, owner, kTimes));
    }
  }
  env::sim::LinkOptions lossy;
  lossy.loss = 0.02;
  lossy.duplication = 0.02;
  nodes_.world().bus().SetDefaultLink(lossy);
  auto& random = nodes_.world().random();
  for (int round = 0; round < 4; ++round) {
    Sleep(static_cast<int64_t>(random.Next() % 300'000));
    const size_t victim = random.Next() % 3;
    nodes_.Kill(victim);
    Sleep(static_cast<int64_t>(random.Next() % 3'000'000));
    nodes_.Start(victim);
    nodes_.world().scheduler().RunUntil([&] { return nodes_.AllUp(); });
    Sleep(static_cast<int64_t>(random.Next() % 2'000'000));
  }
  nodes_.world().bus().SetDefaultLink({});
  nodes_.world().scheduler().RunUntil([&] { return finished_ == 4; });
  nodes_.Run(workers.Drain());
  const Errno locked =
      nodes_.Run(vfs_[0]->SetLock(ino_, handles_[0], Exclusive(9), std::make_shared<LockWait>()));
  ASSERT_TRUE(locked.ok());
  const std::optional<int> number = nodes_.Run(ReadNumber(0));
  ASSERT_TRUE(number.has_value());
  EXPECT_GT(counted_, 4 * kTimes / 2);
  EXPECT_GE(*number % 1'000'000, counted_);
  EXPECT_LE(*number % 1'000'000, counted_ + unclear_);
}

INSTANTIATE_TEST_SUITE_P(Seeds, VfsClusterSeeds, ::testing::Range(1, 13));

}  // namespace
}  // namespace kvfs::fs
