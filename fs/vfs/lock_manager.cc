#include "fs/vfs/lock_manager.h"

#include <algorithm>
#include <utility>

#include "fs/meta/keys.h"
#include "fs/vfs/lock_record.h"
#include "kvcore/env/async_mutex.h"

namespace kvfs::fs {
namespace {

// Each lost race means that somebody else got on; more than this of them in a row is a bug.
constexpr int kMaxAttempts = 1000;
// What is known of a file that nobody has locked is forgotten after this time.
constexpr int64_t kIdleMicros = 60'000'000;

uint64_t NonZero(env::Random* random) {
  uint64_t number = 0;
  while (number == 0) {
    number = random->Next();
  }
  return number;
}

}  // namespace

void LockWait::Interrupt() {
  std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (wake_.has_value()) {
    wake_->Set(true);
  }
}

bool LockWait::IsInterrupted() {
  std::lock_guard lock(mutex_);
  return interrupted_;
}

bool LockWait::Begin(const env::Completion<bool>& wake) {
  std::lock_guard lock(mutex_);
  wake_ = wake;
  return !interrupted_;
}

struct LockManager::File {
  File(InodeRef file, env::Scheduler* scheduler) : ref(file), storing(scheduler) {}

  // Another mount, as last seen here.
  struct Seen {
    LockSession state;
    int64_t since_micros = 0;  // when it was first seen so
  };

  const InodeRef ref;
  env::AsyncMutex storing;  // one change of the item at a time; guards what follows
  bool is_known = false;    // then these are the item as it was last read or written
  LockRecord record;
  client::VersionId version;
  std::map<uint64_t, Seen> seen;

  // Guarded by LockManager::mutex_.
  LockList mine;             // what processes here were told that they hold
  std::set<LockOwner> lost;  // whose locks were taken away
  bool is_stale = false;     // others have changed the item since
  bool is_unclear = false;   // it does not say `mine`, or may not
  bool is_renewing = false;
  int64_t written_micros = 0;  // when the last write began that happened
  int64_t used_micros = 0;
  std::vector<env::Completion<bool>> waiting;
};

LockManager::LockManager(const LockOptions& options, client::Client* client, env::Env env)
    : options_(options),
      client_(client),
      env_(env),
      session_(NonZero(env.random)),
      tasks_(env.scheduler) {}

LockManager::~LockManager() = default;

void LockManager::Warn(const std::string& text) const {
  if (options_.warn) {
    options_.warn(text);
  }
}

LockManager::FilePtr LockManager::FileOf(InodeRef ref) {
  std::lock_guard lock(mutex_);
  FilePtr& file = files_[ref.ino];
  if (file == nullptr) {
    file = std::make_shared<File>(ref, env_.scheduler);
  }
  file->used_micros = env_.clock->MonotonicMicros();
  return file;
}

LockManager::FilePtr LockManager::Find(Ino ino) const {
  std::lock_guard lock(mutex_);
  const auto found = files_.find(ino);
  return found == files_.end() ? nullptr : found->second;
}

LockList LockManager::Mine(const File& file) const {
  std::lock_guard lock(mutex_);
  return file.mine;
}

bool LockManager::IsStale(const File& file) const {
  std::lock_guard lock(mutex_);
  return !file.is_known || file.is_stale;
}

// ---- the item ---------------------------------------------------------------

Task<Errno> LockManager::Read(File* file) {
  {
    std::lock_guard lock(mutex_);
    file->is_stale = false;  // what is told from now on is perhaps not in what is read
  }
  file->is_known = false;
  client::ItemKey key(keys::DirectoryPk(file->ref.home), keys::Lock(file->ref.ino));
  auto item = co_await client_->Get(std::move(key));
  if (!item.ok()) {
    // Nor can others read and write perhaps, or renew: their leases begin anew.
    file->seen.clear();
    co_return ToErrno(item.error());
  }
  file->record = {};
  file->version = {};
  if (item->has_value()) {
    auto record = DecodeLocks(**item);
    if (!record.ok()) {
      co_return ToErrno(record.status());
    }
    file->record = std::move(*record);
    file->version = (*item)->version;
  }
  file->is_known = true;
  NoteSessions(file);
  NoteLoss(file);
  co_return Errno();
}

void LockManager::NoteSessions(File* file) {
  const int64_t now = env_.clock->MonotonicMicros();
  std::map<uint64_t, File::Seen> seen;
  for (const auto& [session, state] : file->record.sessions) {
    const auto before = file->seen.find(session);
    const bool is_same = before != file->seen.end() && before->second.state == state;
    seen[session] = is_same ? before->second : File::Seen{state, now};
  }
  file->seen = std::move(seen);
}

void LockManager::NoteLoss(File* file) {
  {
    std::lock_guard lock(mutex_);
    if (file->mine.empty() || file->record.sessions.contains(session_)) {
      return;
    }
    for (const FileLock& held : file->mine.locks()) {
      file->lost.insert(held.owner);
    }
    file->mine = {};
    file->is_unclear = false;
    WakeAll(file);
  }
  Warn("the locks on inode " + std::to_string(file->ref.ino) +
       " could not be renewed in time, and another mount has taken them away");
}

Task<Errno> LockManager::Write(File* file, LockList mine, Others others) {
  if (mine.empty() && others == Others::kSame && !file->record.sessions.contains(session_)) {
    std::lock_guard lock(mutex_);
    file->is_unclear = false;
    co_return Errno();
  }
  LockRecord next;
  next.locks = file->record.locks.Without(session_);
  for (const FileLock& lock : next.locks.locks()) {
    next.sessions[lock.owner.session] = file->record.sessions[lock.owner.session];
  }
  if (!mine.empty()) {
    next.locks.Add(mine);
    next.sessions[session_] = {renewals_.fetch_add(1),
                               static_cast<uint32_t>(options_.lease_micros / 1000)};
  }
  if (next.locks.size() > options_.max_locks && next.locks.size() > file->record.locks.size()) {
    co_return Errno(ENOLCK);
  }
  client::Txn txn;
  txn.pk = keys::DirectoryPk(file->ref.home);
  client::Assert unchanged;
  unchanged.kind = client::Assert::Kind::kVersion;
  unchanged.ck = keys::Lock(file->ref.ino);
  unchanged.version = file->version;
  txn.asserts.push_back(std::move(unchanged));
  client::Write write;
  write.ck = keys::Lock(file->ref.ino);
  if (next.locks.empty()) {
    write.kind = client::Write::Kind::kErase;
  } else {
    write.value = EncodeLocks(next);
    // So that nothing is left behind by an inode that goes.
    client::Assert exists;
    exists.kind = client::Assert::Kind::kPresent;
    exists.ck = keys::Record(file->ref);
    txn.asserts.push_back(std::move(exists));
  }
  txn.writes.push_back(std::move(write));
  client::Commit commit;
  commit.may_use_reserve = next.locks.size() <= file->record.locks.size();
  commit.txns.push_back(std::move(txn));
  const int64_t began = env_.clock->MonotonicMicros();
  const auto result = co_await client_->Submit(std::move(commit));
  if (result.status.code() == Code::kConflict) {
    file->is_known = false;
    co_return Errno(result.failed_assert == 0 ? EAGAIN : ESTALE);
  }
  std::lock_guard lock(mutex_);
  if (!result.status.ok()) {
    file->is_known = false;
    file->is_unclear = true;
    co_return ToErrno(result.status);
  }
  file->version = next.locks.empty() ? client::VersionId{} : result.versions[0];
  file->record = std::move(next);
  file->written_micros = began;
  file->is_unclear = false;
  co_return Errno();
}

Task<Errno> LockManager::WriteMine(File* file) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    if (IsStale(*file)) {
      const Errno read = co_await Read(file);
      if (!read.ok()) {
        co_return read;
      }
    }
    const Errno written = co_await Write(file, Mine(*file), Others::kSame);
    if (written != Errno(EAGAIN)) {
      co_return written;
    }
  }
  co_return Errno(EIO);
}

// ---- taking and giving back -------------------------------------------------

bool LockManager::TakeAway(File* file, uint64_t session, int64_t* again_micros) {
  const auto seen = file->seen.find(session);
  if (seen == file->seen.end()) {
    return false;
  }
  const int64_t lease = int64_t{seen->second.state.lease_millis} * 1000;
  const int64_t left = seen->second.since_micros + lease - env_.clock->MonotonicMicros();
  if (left > 0) {
    *again_micros = std::min(*again_micros, left);
    return false;
  }
  file->record.locks = file->record.locks.Without(session);
  file->record.sessions.erase(session);
  return true;
}

Task<Errno> LockManager::Try(FilePtr file, FileLock wanted, Forbids what, int64_t* again_micros) {
  auto guard = co_await file->storing.Lock();
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    bool is_fresh = false;
    if (IsStale(*file)) {
      const Errno read = co_await Read(file.get());
      if (!read.ok()) {
        co_return read;
      }
      is_fresh = true;
    }
    LockList mine;
    {
      std::lock_guard lock(mutex_);
      if (file->lost.contains(wanted.owner)) {
        co_return Errno(EIO);
      }
      mine = file->mine;
    }
    LockList all = file->record.locks.Without(session_);
    all.Add(mine);
    const auto conflict = all.Conflict(wanted);
    if (conflict.has_value() && conflict->owner.session == session_) {
      co_return Errno(EAGAIN);
    }
    if (conflict.has_value() && !is_fresh) {
      if (what == Forbids::kLately) {
        co_return Errno(EAGAIN);  // of many that wait, one has looked
      }
      file->is_known = false;
      continue;
    }
    if (conflict.has_value()) {
      if (!TakeAway(file.get(), conflict->owner.session, again_micros)) {
        co_return Errno(EAGAIN);
      }
      // By a write of its own, asserting what was read; then this is looked at again.
      const Errno taken = co_await Write(file.get(), mine, Others::kFewer);
      if (!taken.ok() && taken != Errno(EAGAIN)) {
        co_return taken;
      }
      if (taken.ok()) {
        Warn("the locks of another mount on inode " + std::to_string(file->ref.ino) +
             " were not renewed in time, and are taken away");
      }
      continue;
    }
    LockList next = mine;
    next.Set(wanted);
    const Errno written = co_await Write(file.get(), next, Others::kSame);
    if (written == Errno(EAGAIN)) {
      continue;
    }
    if (written.ok()) {
      std::lock_guard lock(mutex_);
      file->mine = std::move(next);
    }
    co_return written;
  }
  co_return Errno(EIO);
}

Task<FsResult<std::optional<FileLock>>> LockManager::Test(InodeRef ref, FileLock wanted) {
  const FilePtr file = FileOf(ref);
  auto guard = co_await file->storing.Lock();
  const Errno read = co_await Read(file.get());
  if (!read.ok()) {
    co_return read;
  }
  LockList all = file->record.locks.Without(session_);
  all.Add(Mine(*file));
  auto conflict = all.Conflict(wanted);
  if (conflict.has_value() && conflict->owner.session != session_) {
    conflict->pid = 0;  // of another machine
  }
  co_return conflict;
}

Task<Errno> LockManager::Set(InodeRef ref, FileLock wanted, std::shared_ptr<LockWait> wait) {
  const FilePtr file = FileOf(ref);
  int64_t poll = options_.poll_micros;
  Forbids what = Forbids::kNow;
  while (true) {
    // From before it is looked, so that nothing that happens meanwhile is missed.
    const env::Completion<bool> wake(env_.scheduler);
    {
      std::lock_guard lock(mutex_);
      if (ending_) {
        co_return Errno(EINTR);
      }
      file->waiting.push_back(wake);
    }
    int64_t again = options_.most_poll_micros;
    Errno outcome = co_await Try(file, wanted, what, &again);
    if (outcome == Errno(EAGAIN) && wanted.owner.kind == LockKind::kFlock) {
      // As flock(2) has it: what is to be converted goes before anything is waited for.
      (void)co_await Clear(ref, wanted.owner, 0, kLastByte);
    }
    bool looks_again = false;
    if (outcome == Errno(EAGAIN) && wait != nullptr) {
      if (wait->Begin(wake)) {
        const auto timer = env_.scheduler->PostAfter(
            std::min(poll, again), env::Priority::kForeground, [wake] { wake.Set(false); });
        const bool was_told = co_await wake.Get();
        env_.scheduler->Cancel(timer);
        what = was_told ? Forbids::kLately : Forbids::kNow;
        poll = was_told ? options_.poll_micros : std::min(poll * 2, options_.most_poll_micros);
      }
      looks_again = !wait->IsInterrupted();
      outcome = EINTR;
    }
    {
      std::lock_guard lock(mutex_);
      std::erase(file->waiting, wake);
    }
    if (!looks_again) {
      co_return outcome;
    }
  }
}

Task<Errno> LockManager::Clear(InodeRef ref, LockOwner owner, uint64_t begin, uint64_t last) {
  const FilePtr file = Find(ref.ino);
  if (file == nullptr) {
    co_return Errno();
  }
  {
    std::lock_guard lock(mutex_);
    if (file->lost.contains(owner)) {
      co_return Errno(EIO);
    }
    if (!file->mine.Holds(owner, begin, last)) {
      co_return Errno();
    }
  }
  Errno cleared;
  {
    auto guard = co_await file->storing.Lock();
    {
      // Before it is written: whatever becomes of that, it is not held any more.
      std::lock_guard lock(mutex_);
      file->mine.Clear(owner, begin, last);
      file->is_unclear = true;
    }
    cleared = co_await WriteMine(file.get());
  }
  std::lock_guard lock(mutex_);
  WakeAll(file.get());
  co_return cleared;
}

Task<void> LockManager::Drop(InodeRef ref, LockOwner owner) {
  // What cannot be written now is written with the next renewal.
  (void)co_await Clear(ref, owner, 0, kLastByte);
  if (const FilePtr file = Find(ref.ino)) {
    std::lock_guard lock(mutex_);
    file->lost.erase(owner);
  }
}

bool LockManager::Holds(Ino ino, LockOwner owner) const {
  std::lock_guard lock(mutex_);
  const auto found = files_.find(ino);
  return found != files_.end() &&
         (found->second->mine.Holds(owner) || found->second->lost.contains(owner));
}

size_t LockManager::held() const {
  std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& [ino, file] : files_) {
    count += file->mine.size();
  }
  return count;
}

// ---- others -----------------------------------------------------------------

void LockManager::WakeAll(File* file) {
  for (const env::Completion<bool>& wake : file->waiting) {
    wake.Set(true);
  }
}

void LockManager::Changed(Ino ino) {
  std::lock_guard lock(mutex_);
  if (const auto found = files_.find(ino); found != files_.end()) {
    found->second->is_stale = true;
    WakeAll(found->second.get());
  }
}

void LockManager::ChangedAny() {
  std::lock_guard lock(mutex_);
  for (const auto& [ino, file] : files_) {
    file->is_stale = true;
    WakeAll(file.get());
  }
}

void LockManager::Renew() {
  const int64_t now = env_.clock->MonotonicMicros();
  std::vector<FilePtr> due;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(files_, [&](const auto& entry) {
      const File& file = *entry.second;
      return entry.second.use_count() == 1 && file.mine.empty() && file.lost.empty() &&
             !file.is_unclear && now - file.used_micros >= kIdleMicros;
    });
    for (const auto& [ino, file] : files_) {
      const bool is_old =
          !file->mine.empty() && now - file->written_micros >= options_.lease_micros / 6;
      if ((is_old || file->is_unclear) && !file->is_renewing) {
        file->is_renewing = true;
        due.push_back(file);
      }
    }
  }
  for (FilePtr& file :
       due) {  // each by itself: one that hangs must not cost the others their lease
    tasks_.Start(RenewFile(std::move(file)));
  }
}

Task<void> LockManager::RenewFile(FilePtr file) {
  {
    auto guard = co_await file->storing.Lock();
    (void)co_await WriteMine(file.get());  // else the next time
  }
  std::lock_guard lock(mutex_);
  file->is_renewing = false;
}

void LockManager::EndWaits() {
  std::lock_guard lock(mutex_);
  ending_ = true;
  for (const auto& [ino, file] : files_) {
    WakeAll(file.get());
  }
}

Task<void> LockManager::Close() {
  EndWaits();
  std::vector<FilePtr> left;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [ino, file] : files_) {
      if (!file->mine.empty() || file->is_unclear) {
        file->mine = {};
        left.push_back(file);
      }
    }
  }
  for (FilePtr& file : left) {
    tasks_.Start(RenewFile(std::move(file)));
  }
  co_await tasks_.Drain();
}

}  // namespace kvfs::fs
