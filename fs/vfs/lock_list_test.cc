#include "fs/vfs/lock_list.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <random>
#include <string>

#include "tests/support/temp_directory.h"

namespace kvfs::fs {
namespace {

FileLock Lock(uint64_t owner, bool exclusive, uint64_t begin, uint64_t last) {
  FileLock lock;
  lock.owner = {1, owner, LockKind::kPosix};
  lock.exclusive = exclusive;
  lock.begin = begin;
  lock.last = last;
  return lock;
}

TEST(LockList, ALockFallsIntoTwoAndGrowsTogether) {
  LockList list;
  list.Set(Lock(1, true, 0, 99));
  list.Clear({1, 1, LockKind::kPosix}, 40, 59);
  EXPECT_EQ(list.size(), 2u);
  EXPECT_FALSE(list.Conflict(Lock(2, true, 40, 59)).has_value());
  EXPECT_TRUE(list.Conflict(Lock(2, true, 39, 40)).has_value());
  EXPECT_TRUE(list.Conflict(Lock(2, true, 59, 60)).has_value());
  list.Set(Lock(1, true, 40, 59));
  EXPECT_EQ(list.locks(), std::vector<FileLock>{Lock(1, true, 0, 99)});
  list.Set(Lock(1, false, 0, kLastByte));
  EXPECT_EQ(list.locks(), (std::vector<FileLock>{Lock(1, false, 0, kLastByte)}));
  list.Clear({1, 1, LockKind::kPosix}, 0, kLastByte);
  EXPECT_TRUE(list.empty());
}

TEST(LockList, OfSeveralConflictsTheFirst) {
  LockList list;
  list.Set(Lock(1, true, 50, 59));
  list.Set(Lock(2, true, 10, 19));
  EXPECT_EQ(list.Conflict(Lock(3, false, 0, 99))->begin, 10u);
  EXPECT_FALSE(list.Conflict(Lock(2, true, 10, 40)).has_value()) << "one's own forbid nothing";
}

TEST(LockList, MountsAreKeptApart) {
  LockList list;
  FileLock theirs = Lock(1, false, 0, 9);
  theirs.owner.session = 2;
  list.Set(Lock(1, false, 0, 9));
  list.Set(theirs);
  EXPECT_EQ(list.size(), 2u) << "the same number in another mount is another owner";
  EXPECT_EQ(list.Of(2).locks(), std::vector<FileLock>{theirs});
  EXPECT_EQ(list.Without(2).size(), 1u);
  LockList both = list.Of(1);
  both.Add(list);
  EXPECT_EQ(both.size(), 2u);
}

// The kernel's own locks on a local file, by open files as owners.
class Model {
 public:
  static constexpr size_t kOwners = 3;
  static constexpr uint64_t kBytes = 24;

  Model() {
    const std::string path = directory_.path() + "/file";
    for (int& fd : fds_) {
      fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
      EXPECT_GE(fd, 0);
    }
  }
  ~Model() {
    for (const int fd : fds_) {
      close(fd);
    }
  }

  bool Set(size_t owner, short type, uint64_t begin, uint64_t last) {
    struct flock lock = Range(type, begin, last);
    return fcntl(fds_[owner], F_OFD_SETLK, &lock) == 0;
  }
  // Whether the owner could lock this byte.
  bool IsFree(size_t owner, short type, uint64_t byte) {
    struct flock lock = Range(type, byte, byte);
    EXPECT_EQ(fcntl(fds_[owner], F_OFD_GETLK, &lock), 0);
    return lock.l_type == F_UNLCK;
  }
  bool Flock(size_t owner, int operation) { return flock(fds_[owner], operation | LOCK_NB) == 0; }

 private:
  static struct flock Range(short type, uint64_t begin, uint64_t last) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(begin);
    lock.l_len = last == kLastByte ? 0 : static_cast<off_t>(last - begin + 1);
    return lock;
  }

  test::TempDirectory directory_;
  int fds_[kOwners + 1] = {};
};

TEST(LockList, RangesDoAsTheKernelsDo) {
  std::mt19937 random(15);
  Model model;
  LockList list;
  int granted = 0;
  int refused = 0;
  for (int step = 0; step < 6'000; ++step) {
    const size_t owner = random() % Model::kOwners;
    const uint64_t begin = random() % Model::kBytes;
    const uint64_t last = random() % 8 == 0 ? kLastByte : begin + random() % 6;
    const int what = static_cast<int>(random() % 3);
    if (what == 2) {
      ASSERT_TRUE(model.Set(owner, F_UNLCK, begin, last));
      list.Clear({1, owner, LockKind::kPosix}, begin, last);
    } else {
      const FileLock wanted = Lock(owner, what == 1, begin, last);
      const bool is_free = !list.Conflict(wanted).has_value();
      ASSERT_EQ(model.Set(owner, what == 1 ? F_WRLCK : F_RDLCK, begin, last), is_free)
          << "step " << step;
      if (is_free) {
        list.Set(wanted);
      }
      (is_free ? granted : refused) += 1;
    }
    for (uint64_t byte = 0; byte < Model::kBytes + 8; ++byte) {
      for (size_t who = 0; who <= Model::kOwners; ++who) {  // the last one never holds any
        for (const bool exclusive : {false, true}) {
          ASSERT_EQ(model.IsFree(who, exclusive ? F_WRLCK : F_RDLCK, byte),
                    !list.Conflict(Lock(who, exclusive, byte, byte)).has_value())
              << "step " << step << ", byte " << byte << ", owner " << who;
        }
      }
    }
    ASSERT_LE(list.size(), Model::kOwners * (Model::kBytes + 6) / 2) << "neighbours are joined";
    if (step % 500 == 499) {  // else one owner ends up with all
      for (size_t who = 0; who < Model::kOwners; ++who) {
        ASSERT_TRUE(model.Set(who, F_UNLCK, 0, kLastByte));
        list.Clear({1, who, LockKind::kPosix}, 0, kLastByte);
      }
      ASSERT_TRUE(list.empty());
    }
  }
  EXPECT_GT(granted, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(LockList, WholeFilesDoAsTheKernelsDo) {
  std::mt19937 random(16);
  Model model;
  LockList list;
  list.Set(Lock(9, true, 0, kLastByte));  // of fcntl: another kind
  for (int step = 0; step < 5'000; ++step) {
    const size_t owner = random() % Model::kOwners;
    FileLock wanted;
    wanted.owner = {1, owner, LockKind::kFlock};
    wanted.exclusive = random() % 2 == 0;
    if (random() % 3 == 0) {
      ASSERT_TRUE(model.Flock(owner, LOCK_UN));
      list.Clear(wanted.owner, 0, kLastByte);
      continue;
    }
    const bool is_free = !list.Conflict(wanted).has_value();
    ASSERT_EQ(model.Flock(owner, wanted.exclusive ? LOCK_EX : LOCK_SH), is_free) << step;
    if (is_free) {
      list.Set(wanted);
    } else {
      list.Clear(wanted.owner, 0, kLastByte);  // as LockManager does
    }
  }
}

}  // namespace
}  // namespace kvfs::fs
