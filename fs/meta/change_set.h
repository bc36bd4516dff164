// ChangeSet: one change of the filesystem while it is put together: transactions on
// the partition keys of one or several directories, and what it means for the caller
// when one of their asserts does not hold.
//
// Built and committed by one coroutine; no synchronisation.
#pragma once

#include <vector>

#include "fs/meta/inode_store.h"
#include "fs/meta/keys.h"
#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"

namespace kvfs::fs {

// What an assert answers when somebody changed what was read: read again and retry.
inline constexpr Errno kRetry = EAGAIN;
// An item has several siblings, and what becomes of them cannot be written down now.
inline constexpr Errno kUnresolved = ETIMEDOUT;

class ChangeSet {
 public:
  // The directory whose transaction decides the outcome is the one named first.
  void AssertAbsent(Ino home, Bytes ck, Errno otherwise = kRetry);
  void AssertPresent(Ino home, Bytes ck, Errno otherwise = kRetry);
  void AssertVersion(Ino home, Bytes ck, client::VersionId version);
  void AssertNoneWithPrefix(Ino home, Bytes prefix, Errno otherwise = kRetry);
  void Put(Ino home, Bytes ck, Bytes value);
  void Erase(Ino home, Bytes ck);
  void PutWork(Ino home, client::WorkKey key, Bytes value = {});
  void EraseWork(Ino home, client::WorkKey key);

  // The record in the version loaded becomes `loaded.record`, or goes. One in conflict is left
  // alone: the commit answers kUnresolved, for a version that nobody has looked at would go too.
  void Update(const LoadedInode& loaded);
  void EraseRecord(const LoadedInode& loaded);
  // What people are told of a conflict: an item of keys::ConflictsPk.
  void PutNote(Bytes ck, Bytes value);
  void Drop(client::ChunkDrop drop) { commit_.drops.push_back(drop); }
  // An entry of the directory changed at `now`.
  void TouchDirectory(Ino home, TimeSpec now, client::HybridTime set_at);

  // Whether the directory's partition key does without a majority.
  void SetStrong(Ino home, bool strong) { commit_.txns[On(home)].set_strong = strong; }

  // It is to be taken on a full disk, because it frees space.
  void AllowReserve() { commit_.may_use_reserve = true; }

  bool empty() const { return commit_.txns.empty(); }
  // Once. The errno of the assert that failed, or of the store.
  Task<Errno> Commit(client::Client* client);

 private:
  size_t On(Ino home) { return OnPk(keys::DirectoryPk(home)); }
  size_t OnPk(Bytes pk);
  void AddAssert(Ino home, client::Assert assertion, Errno otherwise);

  client::Commit commit_;
  std::vector<std::vector<Errno>> otherwise_;  // per transaction and assert
  bool record_too_large_ = false;
  bool in_conflict_ = false;
};

// Runs `attempt` (a callable returning a Task of FsResult or Errno) until it does not answer
// kRetry. Somebody else got on each time it does, so the bound is only met where the store
// misbehaves: EIO.
template <typename Attempt>
std::invoke_result_t<Attempt> RetryOnConflict(Attempt attempt) {
  constexpr int kMaxAttempts = 200;
  for (int i = 0; i < kMaxAttempts; ++i) {
    auto result = co_await attempt();
    if constexpr (std::is_same_v<decltype(result), Errno>) {
      if (result != kRetry) {
        co_return result;
      }
    } else {
      if (result.ok() || result.error() != kRetry) {
        co_return result;
      }
    }
  }
  co_return Errno(EIO);
}

// The same, at first with what was so a moment ago: `attempt` takes a Freshness, and asserts what
// it has read before it changes anything. An answer that may be owed to the age of that is asked
// for again.
template <typename Attempt>
std::invoke_result_t<Attempt, Freshness> RecentThenNow(Attempt attempt) {
  auto recent = co_await attempt(Freshness::kRecent);
  if (recent.ok()) {
    co_return recent;
  }
  for (const Errno aged : {kRetry, Errno(ENOENT), Errno(EEXIST), Errno(ENOTEMPTY), Errno(ENOTDIR),
                           Errno(EISDIR), Errno(EINVAL), Errno(EMLINK)}) {
    if (recent.error() == aged) {
      auto now = co_await RetryOnConflict([&attempt] { return attempt(Freshness::kNow); });
      co_return now;
    }
  }
  co_return recent;
}

}  // namespace kvfs::fs
