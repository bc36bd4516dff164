#include "fs/vfs/lock_record.h"

#include <gtest/gtest.h>

#include <random>

namespace kvfs::fs {
namespace {

LockRecord Some() {
  LockRecord record;
  record.sessions[7] = {3, 15'000};
  record.sessions[8] = {1, 5'000};
  FileLock lock;
  lock.owner = {7, 70, LockKind::kPosix};
  lock.exclusive = true;
  lock.begin = 10;
  lock.last = 19;
  lock.pid = 123;
  record.locks.Set(lock);
  lock.owner = {8, 70, LockKind::kFlock};
  lock.begin = 0;
  lock.last = kLastByte;
  record.locks.Set(lock);
  return record;
}

TEST(LockRecord, ComesBackAsItWas) {
  const auto read = DecodeLocks(EncodeLocks(Some()));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->sessions, Some().sessions);
  EXPECT_EQ(read->locks.locks(), Some().locks.locks());
}

TEST(LockRecord, OfSeveralVersionsAll) {
  client::Item item;
  item.siblings.emplace_back().value = EncodeLocks(Some());
  LockRecord other = Some();
  other.sessions[7].renewals = 9;
  other.sessions[9] = {1, 5'000};
  FileLock lock;
  lock.owner = {9, 1, LockKind::kPosix};
  other.locks.Set(lock);
  item.siblings.emplace_back().value = EncodeLocks(other);
  item.siblings.emplace_back().tombstone = true;
  const auto read = DecodeLocks(item);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->locks.size(), 3u);
  EXPECT_EQ(read->sessions.at(7).renewals, 9u);
  EXPECT_EQ(read->sessions.size(), 3u);
}

TEST(LockRecord, AnyBytesAreReadOrRefused) {
  std::mt19937 random(3);
  const Bytes good = EncodeLocks(Some());
  int read = 0;
  for (int i = 0; i < 50'000; ++i) {
    Bytes bytes = good;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
    const auto record = DecodeLocks(bytes);
    if (!record.ok()) {
      EXPECT_EQ(record.status().code(), Code::kCorruption);
      continue;
    }
    ++read;
    for (const FileLock& lock : record->locks.locks()) {
      EXPECT_LE(lock.begin, lock.last);
      EXPECT_TRUE(record->sessions.contains(lock.owner.session));
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace kvfs::fs
