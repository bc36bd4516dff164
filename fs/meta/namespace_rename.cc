// Namespace: rename(2) and renameat2(2).

#include <utility>

#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

// An attempt's answer: a directory moves to another directory, so take the move lock first.
constexpr Errno kNeedsMoveLock = EDEADLK;

}  // namespace

Task<FsResult<RenameOutcome>> Namespace::Rename(InodeRef from_dir, Bytes from_name, InodeRef to_dir,
                                                Bytes to_name, RenameMode mode) {
  for (const Bytes* name : {&from_name, &to_name}) {
    if (const Errno bad = CheckName(*name); !bad.ok()) {
      co_return bad;
    }
  }
  auto outcome = co_await RecentThenNow([&](Freshness freshness) {
    return TryRename(from_dir, from_name, to_dir, to_name, mode, false, freshness);
  });
  if (outcome.ok() || outcome.error() != kNeedsMoveLock) {
    co_return outcome;
  }
  auto guard = co_await move_lock_.Lock();
  auto locked = co_await RetryOnConflict(
      [&] { return TryRename(from_dir, from_name, to_dir, to_name, mode, true, Freshness::kNow); });
  co_return locked;
}

Task<FsResult<RenameOutcome>> Namespace::TryRename(InodeRef from_dir, Bytes from_name,
                                                   InodeRef to_dir, Bytes to_name, RenameMode mode,
                                                   bool has_move_lock, Freshness freshness) {
  RenameSide from{.dir = from_dir, .name = from_name, .entry = {}, .inode = {}};
  RenameSide to{.dir = to_dir, .name = to_name, .entry = {}, .inode = {}};
  auto from_entry = co_await FindEntry(from_dir, from_name, freshness);
  if (!from_entry.ok()) {
    co_return from_entry.error();
  }
  from.entry = std::move(*from_entry);
  auto to_entry = co_await FindEntry(to_dir, to_name, freshness);
  const bool to_exists = to_entry.ok();
  if (to_exists) {
    to.entry = std::move(*to_entry);
    if (mode == RenameMode::kNoReplace) {
      co_return Errno(EEXIST);
    }
    if (to.entry.ref() == from.entry.ref()) {
      if (freshness != Freshness::kNow) {
        co_return kRetry;  // nothing will be asserted
      }
      co_return RenameOutcome{.moved = from.entry.ref(), .replaced = {}};
    }
  } else if (to_entry.error() != Errno(ENOENT)) {
    co_return to_entry.error();
  } else {
    to.entry.ck = DentryKey(to_name);
    if (mode == RenameMode::kExchange) {
      co_return Errno(ENOENT);
    }
  }

  if (from.entry.in_conflict || to.entry.in_conflict) {
    co_return kUnresolved;
  }
  const bool exchanges = mode == RenameMode::kExchange;
  const bool is_across = from_dir.ino != to_dir.ino;
  const bool from_moves_tree = is_across && from.entry.is_directory();
  const bool to_moves_tree = is_across && exchanges && to.entry.is_directory();
  if ((from_moves_tree || to_moves_tree) && !has_move_lock) {
    co_return kNeedsMoveLock;
  }
  if (from_moves_tree) {
    const Errno below = co_await CheckNotBelow(to_dir, from.entry.ref());
    if (!below.ok()) {
      co_return below;
    }
  }
  if (to_moves_tree) {
    const Errno below = co_await CheckNotBelow(from_dir, to.entry.ref());
    if (!below.ok()) {
      co_return below;
    }
  }
  if (to_exists && !exchanges && from.entry.is_directory() != to.entry.is_directory()) {
    co_return Errno(to.entry.is_directory() ? EISDIR : ENOTDIR);
  }

  for (RenameSide* side : {&from, &to}) {
    if (side == &to && !to_exists) {
      continue;
    }
    auto inode = co_await Load(side->entry.ref(), freshness);
    if (!inode.ok()) {
      co_return inode.error() == Errno(ENOENT) ? kRetry : inode.error();
    }
    side->inode = std::move(*inode);
  }
  if (exchanges) {
    auto outcome = co_await TryExchange(&from, &to);
    co_return outcome;
  }
  auto outcome = co_await TryReplace(&from, &to, to_exists);
  co_return outcome;
}

Task<FsResult<RenameOutcome>> Namespace::TryReplace(RenameSide* from, RenameSide* to,
                                                    bool to_exists) {
  const Moment moment = Now();
  const Ino from_ino = from->dir.ino;
  const Ino to_ino = to->dir.ino;
  const bool is_across = from_ino != to_ino;
  RenameOutcome outcome{.moved = from->entry.ref(), .replaced = {}};
  ChangeSet changes;
  changes.AssertPresent(to_ino, keys::Alive(), ENOENT);
  // An absent entry is in version zero.
  changes.AssertVersion(to_ino, to->entry.ck, to->entry.version);
  changes.AssertVersion(from_ino, from->entry.ck, from->entry.version);
  changes.Put(to_ino, to->entry.ck, EncodeDentry(from->entry.dentry));
  changes.Erase(from_ino, from->entry.ck);
  changes.TouchDirectory(to_ino, moment.now, moment.set_at);
  if (is_across) {
    changes.TouchDirectory(from_ino, moment.now, moment.set_at);
  }
  MoveLink(&from->inode, from->entry, to->dir, to->name, moment, &changes);

  env::AsyncMutex::Guard guard;
  int64_t to_delta = is_across && from->entry.is_directory() ? 1 : 0;
  const int64_t from_delta = -to_delta;
  if (to_exists) {
    if (to->entry.is_directory()) {
      --to_delta;
      auto removed = co_await DropDirectory(&to->inode, moment, &changes);
      if (!removed.ok()) {
        co_return removed.error();
      }
      outcome.replaced = *removed;
    } else {
      auto removed =
          co_await DropLink(&to->inode, to->entry.dentry.link_id(), true, moment, &guard, &changes);
      if (!removed.ok()) {
        co_return removed.error();
      }
      outcome.replaced = *removed;
    }
  }
  const Errno to_counted = co_await CountSubdirectories(to->dir, to_delta, &changes);
  if (!to_counted.ok()) {
    co_return to_counted;
  }
  const Errno from_counted = co_await CountSubdirectories(from->dir, from_delta, &changes);
  if (!from_counted.ok()) {
    co_return from_counted;
  }
  const Errno done = co_await changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return outcome;
}

Task<FsResult<RenameOutcome>> Namespace::TryExchange(RenameSide* from, RenameSide* to) {
  const Moment moment = Now();
  const bool is_across = from->dir.ino != to->dir.ino;
  ChangeSet changes;
  changes.AssertVersion(to->dir.ino, to->entry.ck, to->entry.version);
  changes.AssertVersion(from->dir.ino, from->entry.ck, from->entry.version);
  changes.Put(to->dir.ino, to->entry.ck, EncodeDentry(from->entry.dentry));
  changes.Put(from->dir.ino, from->entry.ck, EncodeDentry(to->entry.dentry));
  changes.TouchDirectory(to->dir.ino, moment.now, moment.set_at);
  if (is_across) {
    changes.TouchDirectory(from->dir.ino, moment.now, moment.set_at);
  }
  MoveLink(&from->inode, from->entry, to->dir, to->name, moment, &changes);
  MoveLink(&to->inode, to->entry, from->dir, from->name, moment, &changes);
  if (is_across) {
    const int64_t to_delta =
        int64_t{from->entry.is_directory()} - int64_t{to->entry.is_directory()};
    const Errno to_counted = co_await CountSubdirectories(to->dir, to_delta, &changes);
    if (!to_counted.ok()) {
      co_return to_counted;
    }
    const Errno from_counted = co_await CountSubdirectories(from->dir, -to_delta, &changes);
    if (!from_counted.ok()) {
      co_return from_counted;
    }
  }
  const Errno done = co_await changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return RenameOutcome{.moved = from->entry.ref(), .replaced = {}};
}

void Namespace::MoveLink(LoadedInode* inode, const FoundEntry& entry, InodeRef dir, ByteView name,
                         Moment moment, ChangeSet* changes) {
  pb::Link link;
  link.set_parent(dir.ino);
  link.set_name(Bytes(name));
  link.set_link_id(entry.dentry.link_id());
  if (inode->record.has_sole_link()) {
    *inode->record.mutable_sole_link() = std::move(link);
  } else {
    changes->Put(inode->ref.home, keys::Link(inode->ref.ino, link.link_id()), EncodeLink(link));
  }
  SetTime(inode->record.mutable_ctime(), moment.now, moment.set_at);
  changes->Update(*inode);
}

Task<Errno> Namespace::CheckNotBelow(InodeRef inner, InodeRef outer) {
  constexpr int kMaxDepth = 1'000'000;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (inner.ino == outer.ino) {
      co_return EINVAL;
    }
    if (inner.ino == kRootIno) {
      co_return 0;
    }
    auto self = co_await Load(inner);
    if (!self.ok()) {
      co_return self.error();
    }
    const Ino above = self->record.sole_link().parent();
    inner = {.ino = above, .home = above};
  }
  co_return EIO;  // a cycle: fsck breaks it
}

}  // namespace kvfs::fs
