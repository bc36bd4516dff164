// kill -9 in a loop, on a real disk with real threads: a process writes until it is killed at a
// random moment, now and then while it is opening the store. What the next one finds holds every
// write that had returned and is a prefix of those begun. KVFS_LONG=1 makes it run long.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "tests/crash/engine_script.h"
#include "tests/support/temp_directory.h"

namespace kvfs::engine {
namespace {

using env::posix::BlockingWait;

// Shared between the processes.
struct Progress {
  std::atomic<uint64_t> begun{0};     // number of the last write begun
  std::atomic<uint64_t> returned{0};  // number of the last write that returned
  std::atomic<uint64_t> found{0};     // number of the last write there after the kill
  std::atomic<uint64_t> compactions{0};
  std::atomic<uint64_t> blob_rewrites{0};
};

class EngineKill : public ::testing::Test {
 protected:
  static constexpr uint64_t kSeed = 97;

  EngineKill() {
    void* shared = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(shared, MAP_FAILED);
    progress_ = new (shared) Progress;
    options_.memtable_bytes = 64u << 10;
    options_.table_bytes = 32u << 10;
    options_.level0_tables = 2;
    options_.level1_bytes = 64u << 10;
    options_.blob_threshold_bytes = 1000;
    options_.blob_file_bytes = 256u << 10;
    options_.background_sync_micros = 5000;
    options_.reserve_bytes = 0;
  }
  ~EngineKill() override { ::munmap(progress_, sizeof(Progress)); }

  // A child that ends without running anything of the parent's. Threads are made in children only.
  template <typename Work>
  static pid_t Start(const Work& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(work());
    }
    return child;
  }

  // Writes until it is killed; 1 if anything fails.
  int WriteForEver() {
    env::posix::PosixEnv posix(3);
    auto opened = Db::Open(options_, posix.env(), directory_);
    if (!opened.ok()) {
      std::fprintf(stderr, "%s\n", opened.error().ToString().c_str());
      return 1;
    }
    const auto db = std::move(*opened);
    for (uint64_t number = progress_->returned + 1;; ++number) {
      if (!BlockingWait(db->Admit(1000)).ok()) {
        return 1;
      }
      progress_->begun = number;
      const auto position = Write(db.get(), Changes(kSeed, number));
      if (!position.ok()) {
        std::fprintf(stderr, "%s\n", position.error().ToString().c_str());
        return 1;
      }
      progress_->returned = number;
      if (number % 50 == 0) {
        if (!BlockingWait(db->Sync(*position)).ok()) {
          return 1;
        }
        const Stats stats = db->GetStats();
        progress_->compactions.store(std::max(progress_->compactions.load(), stats.compactions));
        progress_->blob_rewrites.store(
            std::max(progress_->blob_rewrites.load(), stats.blob_rewrites));
      }
    }
  }

  // `state`: what the store held after write `upto`, no later than what it holds now. Closes the
  // store or leaves it as it is.
  int Check(Contents state, uint64_t upto, bool close) {
    env::posix::PosixEnv posix(3);
    auto opened = Db::Open(options_, posix.env(), directory_);
    if (!opened.ok()) {
      std::fprintf(stderr, "%s\n", opened.error().ToString().c_str());
      return 2;
    }
    const auto db = std::move(*opened);
    const auto contents = ReadAll(db.get());
    if (!contents.ok()) {
      std::fprintf(stderr, "%s\n", contents.error().ToString().c_str());
      return 3;
    }
    const auto last = contents->find(kNumberKey);
    const uint64_t found = last == contents->end() ? 0 : std::stoull(last->second);
    progress_->found = found;
    if (found < progress_->returned || found > progress_->begun) {
      return 4;
    }
    for (uint64_t number = upto + 1; number <= found; ++number) {
      Apply(Changes(kSeed, number), &state);
    }
    if (state != *contents) {
      return 5;
    }
    if (const Status verified = BlockingWait(db->Verify()); !verified.ok()) {
      std::fprintf(stderr, "%s\n", verified.ToString().c_str());
      return 6;
    }
    if (!close) {
      ::_exit(0);
    }
    return 0;
  }

  const test::TempDirectory temp_{
      std::getenv("KVFS_TEST_TMP") != nullptr ? std::getenv("KVFS_TEST_TMP") : "/var/tmp"};
  const std::string directory_ = temp_ / "store";
  Options options_;
  Progress* progress_ = nullptr;
};

TEST_F(EngineKill, EveryWriteThatReturnedIsThere) {
  const int rounds = std::getenv("KVFS_LONG") != nullptr ? 500 : 25;
  std::mt19937_64 random(kSeed);
  Contents state;
  uint64_t upto = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const pid_t writer = Start([this] { return WriteForEver(); });
    ASSERT_GT(writer, 0);
    ::usleep(static_cast<useconds_t>(random() % 4 == 0 ? random() % 5000 : random() % 200'000));
    ASSERT_EQ(::kill(writer, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(writer, &status, 0), writer);
    ASSERT_TRUE(WIFSIGNALED(status)) << "ended by itself with " << status;
    const bool close = round % 2 == 0;
    const pid_t checker = Start([&] { return Check(state, upto, close); });
    ASSERT_EQ(::waitpid(checker, &status, 0), checker);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), 0) << "found up to write " << progress_->found << ", returned "
                                      << progress_->returned << ", begun " << progress_->begun;
    while (upto < progress_->found) {
      Apply(Changes(kSeed, ++upto), &state);
    }
    progress_->begun = upto;
    progress_->returned = upto;
  }
  EXPECT_GT(upto, 1000u);
  EXPECT_GT(progress_->compactions, 0u);
  EXPECT_GT(progress_->blob_rewrites, 0u);
}

}  // namespace
}  // namespace kvfs::engine
