// For the engine's tests: a store on the real disk and a real pool of threads.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "kvcore/engine/db.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "tests/support/temp_directory.h"

namespace kvfs::engine::testing {

using env::posix::BlockingWait;

class DiskStoreTest : public ::testing::Test {
 protected:
  DiskStoreTest() { options_.reserve_bytes = 0; }

  // Again, if it was open.
  void Open() {
    db_.reset();
    auto opened = Db::Open(options_, posix_.env(), directory_);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    db_ = std::move(*opened);
  }

  test::TempDirectory temp_;
  const std::string directory_ = temp_ / "store";
  env::posix::PosixEnv posix_{3};
  Options options_;
  std::unique_ptr<Db> db_;
};

}  // namespace kvfs::engine::testing
