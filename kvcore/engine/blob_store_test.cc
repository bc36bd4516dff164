// Finishing blob files, as a flush and a checkpoint do at the same time.
#include "kvcore/engine/blob_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "kvcore/env/posix/posix_env.h"
#include "tests/support/temp_directory.h"

namespace kvfs::engine {
namespace {

// A second edit for a file would take back what came between: that it was dropped, or rewritten.
TEST(BlobStoreTest, EachFileIsFinishedOnce) {
  constexpr uint64_t kFiles = 100;
  const test::TempDirectory directory;
  env::posix::PosixEnv posix(2);
  const env::Env env = posix.env();
  std::mutex state_mutex;
  VersionSet versions(env.files, directory.path(), &state_mutex, [] {});
  ASSERT_TRUE(versions.StartManifest().ok());
  BlobStore store(Options(), env, directory.path(), &versions, &state_mutex);
  for (uint64_t i = 0; i < kFiles; ++i) {
    ASSERT_TRUE(store.Put("value").ok());
    store.CloseCurrent();
    const auto finish = [&store] { EXPECT_TRUE(store.FinishFull().ok()); };
    std::thread beside(finish);
    finish();
    beside.join();
    EXPECT_FALSE(store.HasFull());
  }
  std::map<std::string, int> finishes;
  const Status dumped = DumpManifest(
      env.files, FilePath(directory.path(), FileKind::kManifest, versions.manifest_number()),
      [&finishes](const std::string& line) {
        if (const auto at = line.find("blob file "); line.ends_with("in records")) {
          ++finishes[line.substr(at, line.find(',') - at)];
        }
      });
  ASSERT_TRUE(dumped.ok()) << dumped.ToString();
  EXPECT_EQ(finishes.size(), kFiles);
  for (const auto& [file, count] : finishes) {
    EXPECT_EQ(count, 1) << file;
  }
}

}  // namespace
}  // namespace kvfs::engine
