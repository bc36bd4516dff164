// Locks of two mounts of one store.
#include <gtest/gtest.h>

#include <random>

#include "fs/meta/fsck.h"
#include "fs/meta/keys.h"
#include "fs/vfs/two_mounts_test_support.h"
#include "kvcore/node/store_check.h"

namespace kvfs::fs {
namespace {

constexpr int64_t kLease = 15'000'000;

LockRequest Whole(uint64_t owner, bool exclusive = true) {
  LockRequest request;
  request.owner = owner;
  request.kind = LockKind::kFlock;
  request.exclusive = exclusive;
  return request;
}
LockRequest Range(uint64_t owner, bool exclusive, uint64_t begin, uint64_t last) {
  LockRequest request;
  request.owner = owner;
  request.exclusive = exclusive;
  request.begin = begin;
  request.last = last;
  request.pid = 1234;
  return request;
}

class VfsLocksTest : public ::testing::Test {
 protected:
  VfsLocksTest() : mounts_(Options()) {
    ino_ = mounts_.MakeFile("f", "content");
    for (size_t i = 0; i < 2; ++i) {
      handles_[i] = mounts_.Open(i, ino_);
      EXPECT_NE(handles_[i], 0u);
    }
  }
  VfsOptions Options() {
    VfsOptions options;
    options.locks.lease_micros = kLease;
    options.locks.max_locks = 50;
    options.locks.warn = [this](const std::string& text) { warnings_.push_back(text); };
    return options;
  }

  Errno Set(size_t i, LockRequest request) {
    return mounts_.Await(mounts_[i]->SetLock(ino_, handles_[i], request, nullptr));
  }
  Errno Clear(size_t i, LockRequest request) {
    return mounts_.Await(mounts_[i]->ClearLock(ino_, handles_[i], request));
  }
  // Whether anything in the store says that the file is locked.
  bool IsInStore() {
    client::ItemKey key(keys::DirectoryPk(kRootIno), keys::Lock(ino_));
    const auto item = mounts_.Await(mounts_.store().client()->Get(std::move(key)));
    EXPECT_TRUE(item.ok());
    return item->has_value();
  }
  void Die(size_t i) { mounts_[i].client.SetCutOff(true); }

  std::vector<std::string> warnings_;
  TwoMounts mounts_;
  Ino ino_ = 0;
  uint64_t handles_[2] = {};
};

TEST_F(VfsLocksTest, MountsExcludeEachOther) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  EXPECT_EQ(Set(1, Whole(1)), Errno(EAGAIN));
  EXPECT_EQ(Set(1, Whole(1, false)), Errno(EAGAIN));
  EXPECT_EQ(Set(0, Whole(2)), Errno(EAGAIN));
  EXPECT_TRUE(Set(1, Range(1, true, 0, kLastByte)).ok()) << "fcntl's are others";
  ASSERT_TRUE(Clear(0, Whole(1)).ok());
  EXPECT_TRUE(Set(1, Whole(1)).ok());
  ASSERT_TRUE(Clear(1, Whole(1)).ok());
  ASSERT_TRUE(Clear(1, Range(1, true, 0, kLastByte)).ok());
  EXPECT_FALSE(IsInStore());
}

TEST_F(VfsLocksTest, RangesOfOneFile) {
  ASSERT_TRUE(Set(0, Range(1, true, 0, 9)).ok());
  ASSERT_TRUE(Set(1, Range(1, true, 10, 19)).ok());
  EXPECT_EQ(Set(1, Range(1, false, 5, 5)), Errno(EAGAIN));
  const auto found = mounts_.Await(mounts_[1]->TestLock(ino_, Range(7, false, 0, kLastByte)));
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->begin, 0u);
  EXPECT_EQ((*found)->last, 9u);
  EXPECT_EQ((*found)->pid, 0u) << "a process of another machine";
  const auto own = mounts_.Await(mounts_[1]->TestLock(ino_, Range(7, false, 10, kLastByte)));
  ASSERT_TRUE(own.ok() && own->has_value());
  EXPECT_EQ((*own)->pid, 1234u);
  const auto none = mounts_.Await(mounts_[1]->TestLock(ino_, Range(7, true, 20, kLastByte)));
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
}

TEST_F(VfsLocksTest, WhoWaitsIsWokenByTheOtherMount) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  auto wait = std::make_shared<LockWait>();
  Task<Errno> waiting = mounts_[1]->SetLock(ino_, handles_[1], Whole(1), wait);
  mounts_.Advance(4'000'000);
  ASSERT_FALSE(waiting.IsDone());
  ASSERT_TRUE(Clear(0, Whole(1)).ok());
  mounts_.Advance(5'000);
  ASSERT_TRUE(waiting.IsDone());
  EXPECT_TRUE(waiting.TakeValue().ok());
}

TEST_F(VfsLocksTest, WhoWaitsIsWokenAlsoWhereNoKeysAreTold) {
  using Told = testing::TellingClient::Told;
  for (const Told told : {Told::kPks, Told::kThatThereIsSomething}) {
    mounts_[1].client.SetTold(told);
    ASSERT_TRUE(Set(0, Whole(1)).ok());
    Task<Errno> waiting =
        mounts_[1]->SetLock(ino_, handles_[1], Whole(1), std::make_shared<LockWait>());
    mounts_.Advance(4'000'000);
    ASSERT_TRUE(Clear(0, Whole(1)).ok());
    mounts_.Advance(5'000);
    ASSERT_TRUE(waiting.IsDone());
    ASSERT_TRUE(Clear(1, Whole(1)).ok());
  }
}

TEST_F(VfsLocksTest, WhoWaitsLooksAgainThoughNobodyTellsHim) {
  mounts_[1].client.SetDeaf(true);
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  auto wait = std::make_shared<LockWait>();
  Task<Errno> waiting = mounts_[1]->SetLock(ino_, handles_[1], Whole(1), wait);
  mounts_.Advance(4'000'000);
  ASSERT_TRUE(Clear(0, Whole(1)).ok());
  mounts_.Advance(1'100'000);
  ASSERT_TRUE(waiting.IsDone());
  EXPECT_TRUE(waiting.TakeValue().ok());
}

TEST_F(VfsLocksTest, WhoWaitsForOneOfTheSameMountIsWokenAtOnce) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  auto wait = std::make_shared<LockWait>();
  Task<Errno> waiting = mounts_[0]->SetLock(ino_, handles_[0], Whole(2), wait);
  mounts_.Advance(4'000'000);
  ASSERT_FALSE(waiting.IsDone());
  ASSERT_TRUE(Clear(0, Whole(1)).ok());
  mounts_.Advance(0);
  EXPECT_TRUE(waiting.IsDone());
}

TEST_F(VfsLocksTest, AWaitIsInterrupted) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  for (const bool before : {false, true}) {
    auto wait = std::make_shared<LockWait>();
    if (before) {
      wait->Interrupt();
    }
    Task<Errno> waiting = mounts_[1]->SetLock(ino_, handles_[1], Whole(1), wait);
    if (!before) {
      mounts_.Advance(100'000);
      ASSERT_FALSE(waiting.IsDone());
      wait->Interrupt();
    }
    mounts_.Advance(0);
    ASSERT_TRUE(waiting.IsDone());
    EXPECT_EQ(waiting.TakeValue(), Errno(EINTR));
  }
  ASSERT_TRUE(Clear(0, Whole(1)).ok());
  mounts_.Advance(2'000'000);
  EXPECT_FALSE(IsInStore()) << "whoever was interrupted has nothing";
}

TEST_F(VfsLocksTest, NobodyWaitsForAMountThatEnds) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  auto wait = std::make_shared<LockWait>();
  Task<Errno> waiting = mounts_[1]->SetLock(ino_, handles_[1], Whole(1), wait);
  mounts_[1]->EndLockWaits();
  mounts_.Advance(0);
  ASSERT_TRUE(waiting.IsDone());
  EXPECT_EQ(waiting.TakeValue(), Errno(EINTR));
}

// flock(2): what is to be converted goes first, so two that convert do not wait for each other.
TEST_F(VfsLocksTest, TwoThatConvertDoNotWaitForEachOther) {
  ASSERT_TRUE(Set(0, Whole(1, false)).ok());
  ASSERT_TRUE(Set(1, Whole(1, false)).ok());
  Task<Errno> one = mounts_[0]->SetLock(ino_, handles_[0], Whole(1), std::make_shared<LockWait>());
  Task<Errno> two = mounts_[1]->SetLock(ino_, handles_[1], Whole(1), std::make_shared<LockWait>());
  mounts_.Advance(2'000'000);
  ASSERT_NE(one.IsDone(), two.IsDone());
  const size_t winner = one.IsDone() ? 0 : 1;
  ASSERT_TRUE(Clear(winner, Whole(1)).ok());
  mounts_.Advance(2'000'000);
  EXPECT_TRUE(one.IsDone() && two.IsDone());
}

TEST_F(VfsLocksTest, WhatIsRenewedStays) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  for (int second = 0; second < 150; ++second) {
    mounts_.Advance(1'000'000);
    ASSERT_EQ(Set(1, Whole(1)), Errno(EAGAIN)) << second;
  }
  EXPECT_TRUE(warnings_.empty());
  EXPECT_TRUE(Clear(0, Whole(1)).ok());
}

TEST_F(VfsLocksTest, LocksOfADeadMountAreFreeAfterItsLeaseAndNotBefore) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  ASSERT_TRUE(Set(0, Range(2, true, 0, 9)).ok());
  mounts_.Advance(60'000'000);  // renewed all the time
  Die(0);
  const int64_t died = mounts_.store().steps().MonotonicMicros();
  Task<Errno> waiting =
      mounts_[1]->SetLock(ino_, handles_[1], Whole(1), std::make_shared<LockWait>());
  mounts_.Advance(kLease - 2'000'000);
  ASSERT_FALSE(waiting.IsDone());
  mounts_.Advance(3'000'000);
  ASSERT_TRUE(waiting.IsDone());
  EXPECT_TRUE(waiting.TakeValue().ok());
  EXPECT_LE(mounts_.store().steps().MonotonicMicros() - died, kLease + 1'000'000);
  EXPECT_TRUE(Set(1, Range(1, true, 0, 9)).ok()) << "all of its locks";

  // It was not dead after all.
  mounts_[0].client.SetCutOff(false);
  mounts_.Advance(kLease);
  EXPECT_EQ(Set(0, Whole(1)), Errno(EIO));
  EXPECT_EQ(Clear(0, Whole(1)), Errno(EIO));
  EXPECT_EQ(Clear(0, Range(2, true, 0, 9)), Errno(EIO));
  EXPECT_EQ(Set(0, Whole(5)), Errno(EAGAIN)) << "who had none has lost none";
  ASSERT_EQ(warnings_.size(), 2u);
  // Whoever opens it anew is as everybody.
  EXPECT_TRUE(mounts_.Await(mounts_[0]->Release(ino_, handles_[0])).ok());
  handles_[0] = mounts_.Open(0, ino_);
  EXPECT_EQ(Set(0, Whole(1)), Errno(EAGAIN));
  ASSERT_TRUE(Clear(1, Whole(1)).ok());
  EXPECT_TRUE(Set(0, Whole(1)).ok());
}

// Whoever asks now and then, without waiting, takes them too.
TEST_F(VfsLocksTest, AskingAgainAndAgainIsEnough) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  Die(0);
  int64_t waited = 0;
  while (!Set(1, Whole(1)).ok()) {
    mounts_.Advance(500'000);
    waited += 500'000;
    ASSERT_LE(waited, kLease + 1'000'000);
  }
  EXPECT_GE(waited, kLease);
}

TEST_F(VfsLocksTest, ALeaseOverWithoutAnybodyWantingThemLosesNothing) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  Die(0);
  mounts_.Advance(3 * kLease);
  mounts_[0].client.SetCutOff(false);
  mounts_.Advance(kLease / 2);
  EXPECT_EQ(Set(1, Whole(1)), Errno(EAGAIN));
  EXPECT_TRUE(Clear(0, Whole(1)).ok());
  EXPECT_TRUE(warnings_.empty());
  EXPECT_TRUE(Set(1, Whole(1)).ok());
}

// The store was away for everybody: the holder gets the chance to renew.
TEST_F(VfsLocksTest, WhileTheStoreIsAwayNoLeaseRunsOut) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  ASSERT_EQ(Set(1, Whole(1)), Errno(EAGAIN));
  Die(0);
  Die(1);
  mounts_.Advance(2 * kLease);
  EXPECT_EQ(Set(1, Whole(1)), Errno(ETIMEDOUT));
  mounts_[0].client.SetCutOff(false);
  mounts_[1].client.SetCutOff(false);
  EXPECT_EQ(Set(1, Whole(1)), Errno(EAGAIN));
  mounts_.Advance(2 * kLease);
  EXPECT_EQ(Set(1, Whole(1)), Errno(EAGAIN));
  EXPECT_TRUE(Clear(0, Whole(1)).ok());
}

TEST_F(VfsLocksTest, WhatCouldNotBeGivenBackIsGivenBackLater) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  Die(0);
  EXPECT_EQ(Clear(0, Whole(1)), Errno(ETIMEDOUT));
  mounts_[0].client.SetCutOff(false);
  EXPECT_EQ(Set(1, Whole(1)), Errno(EAGAIN));
  mounts_.Advance(kLease / 3 + 100'000);
  EXPECT_TRUE(Set(1, Whole(1)).ok());
}

TEST_F(VfsLocksTest, ClosingGivesBack) {
  // An owner per open file (flock, OFD): with the file.
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  ASSERT_TRUE(Set(0, Range(2, true, 0, 9)).ok());
  EXPECT_TRUE(mounts_.Await(mounts_[0]->Release(ino_, handles_[0])).ok());
  EXPECT_FALSE(IsInStore());
  // A process: with the first file that it closes, whatever else it has open.
  handles_[0] = mounts_.Open(0, ino_);
  ASSERT_TRUE(Set(0, Range(2, true, 0, 9)).ok());
  ASSERT_TRUE(Set(0, Range(3, true, 20, 29)).ok());
  mounts_.Await([](Vfs* vfs, Ino ino) -> Task<bool> {
    co_await vfs->DropLocks(ino, 2);
    co_return true;
  }(mounts_[0].vfs.get(), ino_));
  EXPECT_TRUE(Set(1, Range(1, true, 0, 9)).ok());
  EXPECT_EQ(Set(1, Range(1, true, 20, 29)), Errno(EAGAIN));
}

TEST_F(VfsLocksTest, WhatCostsNothingAndWhatCostsOneTransaction) {
  const int before = mounts_[0].client.submitted();
  mounts_.Await([](Vfs* vfs, Ino ino) -> Task<bool> {
    co_await vfs->DropLocks(ino, 2);
    co_return true;
  }(mounts_[0].vfs.get(), ino_));
  EXPECT_TRUE(Clear(0, Whole(1)).ok());
  EXPECT_EQ(mounts_[0].client.submitted(), before);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(Set(0, Whole(1)).ok());
    ASSERT_TRUE(Clear(0, Whole(1)).ok());
  }
  EXPECT_EQ(mounts_[0].client.submitted(), before + 20);
}

TEST_F(VfsLocksTest, UnmountingGivesEverythingBack) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  ASSERT_TRUE(Set(1, Range(1, true, 0, 9)).ok());
  mounts_.Stop(0);
  EXPECT_TRUE(Set(1, Whole(1)).ok());
}

// The lock brings what was written under it, whether or not anybody is told.
TEST_F(VfsLocksTest, WithTheLockComesTheContent) {
  mounts_[0].client.SetDeaf(true);
  mounts_[1].client.SetDeaf(true);
  ASSERT_EQ(mounts_.Read(1, ino_, handles_[1]), "content");
  for (int round = 0; round < 6; ++round) {
    const size_t i = static_cast<size_t>(round) % 2;
    ASSERT_TRUE(Set(i, Range(1, true, 0, 9)).ok());
    const Bytes read = mounts_.Read(i, ino_, handles_[i]);
    EXPECT_EQ(read, round == 0 ? "content" : "round " + std::to_string(round - 1));
    ASSERT_TRUE(mounts_.Write(i, ino_, handles_[i], 0, "round " + std::to_string(round)));
    ASSERT_TRUE(Clear(i, Range(1, true, 0, 9)).ok());
  }
  EXPECT_TRUE(mounts_[1].kernel.pages.contains(ino_)) << "the kernel held older ones";
}

TEST_F(VfsLocksTest, LocksAreBounded) {
  Errno set;
  uint64_t count = 0;
  for (; set.ok() && count < 100; ++count) {
    set = Set(count % 2, Range(1, true, 2 * count, 2 * count));
  }
  EXPECT_EQ(set, Errno(ENOLCK));
  EXPECT_EQ(count, 51u);
  EXPECT_TRUE(Clear(0, Range(1, true, 0, kLastByte)).ok());
  EXPECT_TRUE(Clear(1, Range(1, true, 0, kLastByte)).ok());
  EXPECT_FALSE(IsInStore());
}

TEST_F(VfsLocksTest, NothingIsLeftOfADeletedFile) {
  ASSERT_TRUE(Set(0, Whole(1)).ok());
  Die(0);  // and never comes back
  EXPECT_TRUE(IsInStore());
  EXPECT_TRUE(mounts_.Await(mounts_[1]->Release(ino_, handles_[1])).ok());
  ASSERT_TRUE(mounts_.Await(mounts_[1]->Unlink(kRootIno, "f")).ok());
  mounts_[1]->Forget(ino_, 1);
  mounts_.Advance(200'000'000);
  EXPECT_FALSE(IsInStore());
  const auto pks = node::ListPartitionKeys(&mounts_.store().memory());
  ASSERT_TRUE(pks.ok());
  const auto report = mounts_.Await(
      CheckFilesystem(mounts_.store().client(), mounts_.store().env(), HomesAmong(*pks), false));
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->problems.empty());
  // Nor can anybody lock what is gone.
  mounts_[0].client.SetCutOff(false);
  EXPECT_FALSE(Set(0, Whole(7)).ok());
  EXPECT_FALSE(IsInStore());
}

// Whatever two mounts do, one after the other, has the outcome that one list says.
TEST_F(VfsLocksTest, TwoMountsAreAsOneList) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    std::mt19937 random(seed);
    LockList model;
    for (int step = 0; step < 600; ++step) {
      const size_t i = random() % 2;
      LockRequest request;
      request.owner = 1 + random() % 2;
      request.kind = random() % 4 == 0 ? LockKind::kFlock : LockKind::kPosix;
      request.exclusive = random() % 2 == 0;
      if (request.kind == LockKind::kPosix) {
        request.begin = random() % 12;
        request.last = request.begin + random() % 4;
      }
      FileLock lock;
      lock.owner = {i, request.owner, request.kind};
      lock.exclusive = request.exclusive;
      lock.begin = request.begin;
      lock.last = request.last;
      if (random() % 3 == 0) {
        ASSERT_TRUE(Clear(i, request).ok());
        model.Clear(lock.owner, lock.begin, lock.last);
      } else {
        const bool is_free = !model.Conflict(lock).has_value();
        ASSERT_EQ(Set(i, request), is_free ? Errno() : Errno(EAGAIN))
            << "seed " << seed << ", step " << step;
        if (is_free) {
          model.Set(lock);
        } else if (lock.owner.kind == LockKind::kFlock) {
          model.Clear(lock.owner, 0, kLastByte);
        }
      }
      mounts_[0].client.SetDeaf(random() % 2 == 0);
      mounts_[1].client.SetDeaf(random() % 2 == 0);
      mounts_.Advance(static_cast<int64_t>(random() % 400'000));
    }
    for (size_t i = 0; i < 2; ++i) {
      for (const uint64_t owner : {1, 2}) {
        ASSERT_TRUE(Clear(i, Whole(owner)).ok());
        ASSERT_TRUE(Clear(i, Range(owner, true, 0, kLastByte)).ok());
      }
    }
    EXPECT_FALSE(IsInStore());
  }
  EXPECT_TRUE(warnings_.empty());
}

}  // namespace
}  // namespace kvfs::fs
