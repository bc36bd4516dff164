// LockManager: the locks that this mount holds on files for its processes, against those of other
// mounts: items of the store that every mount reads and changes by transactions that assert what
// they have read (doc/decisions/0064-locks-with-leases.md).
//
// A mount renews what it holds. Whoever wants a lock that one forbids which has not been renewed
// for as long as its holder said, by his own clock, takes it away. Clocks are never compared.
//
// Owned by the Vfs. Thread-safe. A call that waits holds no thread; it is woken by what others do
// here, by Changed(), and now and then by itself.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/meta/types.h"
#include "fs/vfs/lock_list.h"
#include "kvcore/client/client.h"
#include "kvcore/env/completion.h"
#include "kvcore/env/env.h"
#include "kvcore/env/task_set.h"

namespace kvfs::fs {

struct LockOptions {
  // Locks of a mount that has died are free after this time. 3 s .. 1 h.
  int64_t lease_micros = 15'000'000;
  size_t max_locks = 1000;  // on one file, by all mounts; more: ENOLCK. 1 .. 10,000
  // Whoever waits for another mount looks again after this time, at first and at most, if he is not
  // told. 1 ms .. 1 min.
  int64_t poll_micros = 20'000;
  int64_t most_poll_micros = 1'000'000;
  // Told, for people, of locks that were lost or taken away. May be empty.
  std::function<void(const std::string&)> warn;
};

// One call that waits for a lock. Shared by it and by whoever may end it.
class LockWait {
 public:
  // The call ends with EINTR, now or when it begins to wait. Any thread.
  void Interrupt();

 private:
  friend class LockManager;
  bool IsInterrupted();
  // False: it is interrupted.
  bool Begin(const env::Completion<bool>& wake);

  std::mutex mutex_;  // guards the rest
  bool interrupted_ = false;
  std::optional<env::Completion<bool>> wake_;
};

class LockManager {
 public:
  LockManager(const LockOptions& options, client::Client* client, env::Env env);
  LockManager(const LockManager&) = delete;
  LockManager& operator=(const LockManager&) = delete;
  ~LockManager();

  // Who asks, as an owner of this mount.
  LockOwner Owner(uint64_t owner, LockKind kind) const { return {session_, owner, kind}; }

  // A lock that forbids `wanted`.
  Task<FsResult<std::optional<FileLock>>> Test(InodeRef ref, FileLock wanted);
  // `wait` null: EAGAIN where it would have to wait. EINTR. ENOLCK: too many. EIO: the owner has
  // lost locks on this file. ESTALE: the file is gone.
  Task<Errno> Set(InodeRef ref, FileLock wanted, std::shared_ptr<LockWait> wait);
  Task<Errno> Clear(InodeRef ref, LockOwner owner, uint64_t begin, uint64_t last);
  // All of the owner's on the file, and that it has lost some is forgotten.
  Task<void> Drop(InodeRef ref, LockOwner owner);
  // Cheap: whether Clear would do anything.
  bool Holds(Ino ino, LockOwner owner) const;

  // Others may have changed the locks on this file, or on any.
  void Changed(Ino ino);
  void ChangedAny();

  // Renews what is held, and writes what could not be written before. To be called at least every
  // third of the lease; returns at once.
  void Renew();
  // Those who wait get EINTR, and nobody can from now on.
  void EndWaits();
  // Gives everything back. Nothing may be called any more.
  Task<void> Close();

  size_t held() const;  // locks, of this mount

 private:
  struct File;
  using FilePtr = std::shared_ptr<File>;

  FilePtr FileOf(InodeRef ref);
  FilePtr Find(Ino ino) const;
  // The rest with file->storing held.
  Task<Errno> Read(File* file);
  // The item as it shall be with these of this mount. EAGAIN: others changed it meanwhile.
  enum class Others : uint8_t { kSame, kFewer };  // whether file->record has all of theirs
  Task<Errno> Write(File* file, LockList mine, Others others);
  Task<Errno> WriteMine(File* file);
  // EAGAIN: somebody forbids it; looking again is worth it after `*again_micros`, if not told
  // before. kNow: only what is read from now on forbids anything; kLately: what was read since
  // others were last known to change it, too.
  enum class Forbids : uint8_t { kNow, kLately };
  Task<Errno> Try(FilePtr file, FileLock wanted, Forbids what, int64_t* again_micros);
  bool IsStale(const File& file) const;
  void NoteSessions(File* file);
  void NoteLoss(File* file);
  // True: its lease is over by this mount's clock, and its locks were taken out of file->record.
  bool TakeAway(File* file, uint64_t session, int64_t* again_micros);
  LockList Mine(const File& file) const;

  Task<void> RenewFile(FilePtr file);
  void WakeAll(File* file);  // REQUIRES: mutex_ held
  void Warn(const std::string& text) const;

  const LockOptions options_;
  client::Client* const client_;
  const env::Env env_;
  const uint64_t session_;
  std::atomic<uint64_t> renewals_{1};
  mutable std::mutex mutex_;  // guards what follows, and what File says; innermost
  bool ending_ = false;
  std::map<Ino, FilePtr> files_;
  env::TaskSet tasks_;
};

}  // namespace kvfs::fs
