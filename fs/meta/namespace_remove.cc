// Namespace: operations that take a name away.

#include <utility>

#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

int64_t DueMillis(TimeSpec now, int64_t after_micros) {
  constexpr int64_t kMicrosPerMilli = 1000;
  constexpr int64_t kMillisPerSecond = 1000;
  constexpr int64_t kNanosPerMilli = 1'000'000;
  return now.seconds * kMillisPerSecond + now.nanos / kNanosPerMilli +
         after_micros / kMicrosPerMilli;
}

}  // namespace

Task<FsResult<Removed>> Namespace::Unlink(InodeRef dir, Bytes name) {
  if (const Errno bad = CheckName(name); !bad.ok()) {
    co_return bad;
  }
  auto removed =
      co_await RecentThenNow([&](Freshness freshness) { return TryUnlink(dir, name, freshness); });
  co_return removed;
}

Task<FsResult<Namespace::Removal>> Namespace::BeginRemoval(InodeRef dir, Bytes name,
                                                           bool is_directory, Freshness freshness) {
  auto entry = co_await FindEntry(dir, name, freshness);
  if (!entry.ok()) {
    co_return entry.error();
  }
  if (entry->is_directory() != is_directory) {
    co_return Errno(is_directory ? ENOTDIR : EISDIR);
  }
  if (entry->in_conflict) {
    co_return kUnresolved;
  }
  auto inode = co_await Load(entry->ref(), freshness);
  if (!inode.ok()) {
    co_return inode.error() == Errno(ENOENT) ? kRetry : inode.error();
  }
  Removal removal;
  removal.entry = std::move(*entry);
  removal.inode = std::move(*inode);
  removal.moment = Now();
  removal.changes.AllowReserve();
  removal.changes.AssertVersion(dir.ino, removal.entry.ck, removal.entry.version);
  removal.changes.Erase(dir.ino, removal.entry.ck);
  removal.changes.TouchDirectory(dir.ino, removal.moment.now, removal.moment.set_at);
  co_return removal;
}

Task<FsResult<Removed>> Namespace::TryUnlink(InodeRef dir, Bytes name, Freshness freshness) {
  auto removal = co_await BeginRemoval(dir, std::move(name), false, freshness);
  if (!removal.ok()) {
    co_return removal.error();
  }
  env::AsyncMutex::Guard guard;
  auto removed = co_await DropLink(&removal->inode, removal->entry.dentry.link_id(), false,
                                   removal->moment, &guard, &removal->changes);
  if (!removed.ok()) {
    co_return removed.error();
  }
  const Errno done = co_await removal->changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return removed;
}

Task<FsResult<Removed>> Namespace::DropLink(LoadedInode* file, uint64_t link_id, bool is_replaced,
                                            Moment moment, env::AsyncMutex::Guard* guard,
                                            ChangeSet* changes) {
  pb::Inode& record = file->record;
  if (record.nlink() == 0) {
    co_return Errno(EIO);  // an entry to an inode without links
  }
  record.set_nlink(record.nlink() - 1);
  SetTime(record.mutable_ctime(), moment.now, moment.set_at);
  if (record.has_sole_link()) {
    record.clear_sole_link();
  } else {
    changes->Erase(file->ref.home, keys::Link(file->ref.ino, link_id));
  }

  Removed removed{.ref = file->ref, .attr = AttrOf(record)};
  if (record.nlink() > 0) {
    changes->Update(*file);
    co_return removed;
  }
  bool is_wanted = options_.is_shared;
  if (open_files_ != nullptr) {
    *guard = co_await open_files_->HoldOpens(file->ref.ino);
    is_wanted = is_wanted || open_files_->IsOpen(file->ref.ino) ||
                (is_replaced && open_files_->IsKnown(file->ref.ino));
  }
  if (!is_wanted && !HasChunks(record)) {
    changes->EraseRecord(*file);
    changes->Erase(file->ref.home, keys::Inline(file->ref.ino));
    const Errno erased = co_await EraseXattrs(file, changes);
    if (!erased.ok()) {
      co_return erased;
    }
    removed.is_gone = true;
    co_return removed;
  }
  record.set_orphan_due_millis(DueMillis(moment.now, options_.orphan_grace_micros));
  changes->Update(*file);
  changes->PutWork(file->ref.home, OrphanWork(record));
  co_return removed;
}

Task<FsResult<Removed>> Namespace::RemoveDirectory(InodeRef dir, Bytes name) {
  if (name == ".") {
    co_return Errno(EINVAL);
  }
  if (name == "..") {
    co_return Errno(ENOTEMPTY);
  }
  if (const Errno bad = CheckName(name); !bad.ok()) {
    co_return bad;
  }
  auto removed = co_await RecentThenNow(
      [&](Freshness freshness) { return TryRemoveDirectory(dir, name, freshness); });
  co_return removed;
}

Task<FsResult<Removed>> Namespace::TryRemoveDirectory(InodeRef dir, Bytes name,
                                                      Freshness freshness) {
  auto removal = co_await BeginRemoval(dir, std::move(name), true, freshness);
  if (!removal.ok()) {
    co_return removal.error();
  }
  auto removed = co_await DropDirectory(&removal->inode, removal->moment, &removal->changes);
  if (!removed.ok()) {
    co_return removed.error();
  }
  const Errno counted = co_await CountSubdirectories(dir, -1, &removal->changes);
  if (!counted.ok()) {
    co_return counted;
  }
  const Errno done = co_await removal->changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return removed;
}

Task<FsResult<Removed>> Namespace::DropDirectory(LoadedInode* directory, Moment moment,
                                                 ChangeSet* changes) {
  const Ino ino = directory->ref.ino;
  changes->AssertNoneWithPrefix(ino, keys::DentryPrefix(), ENOTEMPTY);
  changes->AssertPresent(ino, keys::Alive());
  changes->EraseRecord(*directory);
  changes->Erase(ino, keys::Alive());
  changes->Erase(ino, keys::Times());
  if (options_.is_shared) {  // its xattrs stay with the grave
    changes->Put(ino, keys::Grave(), EncodeInode(directory->record));
    changes->PutWork(ino, keys::Work(keys::WorkKind::kGrave, directory->ref,
                                     DueMillis(moment.now, options_.orphan_grace_micros)));
  } else {
    const Errno erased = co_await EraseXattrs(directory, changes);
    if (!erased.ok()) {
      co_return erased;
    }
  }
  SetTime(directory->record.mutable_ctime(), moment.now, moment.set_at);
  Removed removed{.ref = directory->ref, .attr = AttrOf(directory->record), .is_gone = true};
  removed.attr.nlink = 0;
  co_return removed;
}

Task<Errno> Namespace::EraseXattrs(const LoadedInode* inode, ChangeSet* changes) {
  if (inode->record.xattr_bits() == 0) {
    co_return 0;
  }
  auto names = co_await XattrNames(inode->ref.home, inode->ref.ino, {}, SIZE_MAX);
  if (!names.ok()) {
    co_return names.error();
  }
  for (const Bytes& name : *names) {
    changes->Erase(inode->ref.home, keys::Xattr(inode->ref.ino, name));
  }
  co_return 0;
}

Task<Errno> Namespace::CountSubdirectories(InodeRef dir, int64_t delta, ChangeSet* changes) {
  if (delta == 0) {
    co_return 0;
  }
  auto parent = co_await Load(dir);
  if (!parent.ok()) {
    co_return parent.error();
  }
  const int64_t count = static_cast<int64_t>(parent->record.subdirectories()) + delta;
  if (count < 0) {
    co_return EIO;
  }
  if (count + 2 > int64_t{kMaxLinks}) {
    co_return EMLINK;
  }
  parent->record.set_subdirectories(static_cast<uint64_t>(count));
  changes->Update(*parent);
  co_return 0;
}

}  // namespace kvfs::fs
