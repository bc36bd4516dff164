#include "fs/vfs/vfs.h"

#include <algorithm>
#include <utility>

#include "fs/meta/keys.h"
#include "fs/vfs/vfs_impl.h"

namespace kvfs::fs {
namespace {

FileManagerOptions FileOptions(const VfsOptions& options) {
  FileManagerOptions files = options.files;
  files.is_shared = options.is_shared;
  return files;
}

}  // namespace

std::unique_ptr<Vfs> Vfs::Create(const VfsOptions& options, client::Client* client, env::Env env) {
  return std::make_unique<VfsImpl>(options, client, env);
}

VfsImpl::VfsImpl(const VfsOptions& options, client::Client* client, env::Env env)
    : options_(options),
      client_(client),
      env_(env),
      files_(FileManager::Create(FileOptions(options), client, env)),
      open_set_(env.scheduler, files_.get(), &inodes_),
      namespace_(
          {.orphan_grace_micros = options.orphan_grace_micros, .is_shared = options.is_shared},
          client, env, &open_set_),
      conflicts_(client, env, files_->contents()),
      atimes_(options.keeps_atime),
      worker_(env.scheduler, options.work_interval_micros, [this] { return RunWork(); }),
      locks_(options.is_shared ? std::make_unique<LockManager>(options.locks, client, env)
                               : nullptr),
      lock_renewer_(env.scheduler, options.locks.lease_micros / 6, [this] { return RenewLocks(); }),
      background_(env.scheduler) {
  namespace_.SetConflictHandler(&conflicts_);
  files_->SetConflictHandler(&conflicts_);
  files_->SetLineRunner(
      [this](client::WorkItem line) { return conflicts_.RunLine(std::move(line)); });
  files_->SetHeld([this](Ino ino) { return open_set_.IsOpen(ino) || open_set_.IsKnown(ino); });
}

Task<Errno> VfsImpl::Start(Credentials owner) {
  const Errno ready = co_await namespace_.Initialise(owner);
  if (!ready.ok()) {
    co_return ready;
  }
  if (options_.is_shared) {
    client_->SetChangeListener(
        [this](const std::vector<client::Change>& changes) { OnChanges(changes); });
    lock_renewer_.Start();
    background_.Post(env::Priority::kForeground, [this] { return TakeNumbers(); });
  }
  worker_.Start();
  co_return 0;
}

Task<void> VfsImpl::TakeNumbers() { (void)(co_await namespace_.AllocateInode()).ok(); }

Task<Errno> VfsImpl::Stop() {
  if (options_.is_shared) {
    client_->SetChangeListener({});
  }
  co_await background_.Drain();
  co_await worker_.Stop();
  co_await WriteAtimes();
  const Errno drained = co_await files_->Drain(/*sync=*/true);
  if (locks_ != nullptr) {
    co_await lock_renewer_.Stop();
    co_await locks_->Close();
  }
  co_return drained;
}

Task<void> VfsImpl::RunWork() {
  constexpr int kMaxRounds = 64;  // then others get their turn
  for (int round = 0; round < kMaxRounds; ++round) {
    auto more = co_await files_->RunDueWork();
    if (!more.ok() || !*more) {
      break;
    }
  }
  co_await WriteAtimes();
  if (options_.is_shared) {
    // The kernel has pages of what is open, and reads them without asking.
    for (const InodeRef& ref : files_->Remembered(std::nullopt)) {
      client_->KeepWatching(keys::DirectoryPk(ref.home));
    }
  }
}

Task<Errno> VfsImpl::RunWorkNow() {
  while (true) {
    auto more = co_await files_->RunDueWork();
    if (!more.ok()) {
      co_return more.error();
    }
    if (!*more) {
      co_return 0;
    }
  }
}

uint64_t VfsImpl::DirtyBytes(Ino ino) const { return files_->DirtyBytes(ino); }

Task<void> VfsImpl::WriteAtimes() {
  for (const AtimeQueue::Touch& touch : atimes_.TakeAll()) {
    // A failure costs an access time: the file may be gone, the store full.
    (void)co_await namespace_.TouchAtimeAt(touch.ref, touch.when);
  }
}

FsResult<InodeRef> VfsImpl::Ref(Ino ino) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto ref = inodes_.Find(ino);
  if (!ref) {
    return Errno(ESTALE);
  }
  return *ref;
}

NodeReply VfsImpl::Tell(const NodeInfo& node, uint64_t released_before) {
  inodes_.Remember(node.ref);
  NodeReply reply{.attr = node.attr};
  OverlayBuffered(&reply.attr, released_before);
  return reply;
}

void VfsImpl::OverlayBuffered(Attr* attr, uint64_t released_before) const {
  if (options_.is_shared) {
    strong_.Note(*attr);
  }
  files_->Overlay(attr, released_before);
  atimes_.Overlay(attr);
  const auto ref = inodes_.Find(attr->ino);
  if (ref.has_value() && strong_.Has(ref->home)) {
    attr->is_settled = false;
  }
}

void VfsImpl::Forget(Ino ino, uint64_t count) {
  if (inodes_.Forget(ino, count)) {
    strong_.Remove(ino);
    ReclaimIfDue(ino);
  }
}

void VfsImpl::ReclaimIfDue(Ino ino) {
  if (open_set_.TakeOrphan(ino)) {
    worker_.Poke();  // its line in the work index is due
  }
}

Task<FsResult<FsSpace>> VfsImpl::StatFs() {
  auto space = co_await client_->Space();
  if (!space.ok()) {
    co_return ToErrno(space.error());
  }
  co_return FsSpace{.total_bytes = space->total_bytes,
                    .available_bytes = std::min(space->available_bytes, space->total_bytes)};
}

Vfs::Stats VfsImpl::GetStats() const {
  return {.files = files_->GetStats(),
          .remembered_inodes = inodes_.size(),
          .operations = operations_.load(std::memory_order_relaxed)};
}

}  // namespace kvfs::fs
