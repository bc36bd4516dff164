// ConflictResolver: two directories of one name become one.

#include "fs/meta/conflict_resolver.h"
#include "fs/meta/keys.h"

namespace kvfs::fs {

// By ordinary renames, then rmdir: after a crash the one is emptier and the other fuller, both have
// names, and the line of the work index has it go on.
Task<Errno> ConflictResolver::Unite(Ino from, Ino to, int depth) {
  constexpr uint32_t kPageItems = 256;
  constexpr int kDeepest = 200;
  const Bytes pk = keys::DirectoryPk(from);
  if (depth > kDeepest || from == to) {
    co_return 0;
  }
  const InodeRef to_ref{.ino = to, .home = to};
  auto target = co_await LoadInode(client_, to_ref);
  auto source = co_await LoadInode(client_, {.ino = from, .home = from});
  for (const auto* side : {&target, &source}) {
    if (!side->ok()) {
      co_return side->error() == Errno(ENOENT) ? Errno() : side->error();
    }
  }
  Bytes begin = keys::DentryPrefix();
  while (true) {
    auto page = co_await client_->Scan(pk, begin, keys::DentryEnd(), kPageItems);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    for (const client::Item& entry : page->items) {
      auto moved = co_await UniteEntry(from, to, &entry, depth);
      if (!moved.ok()) {
        co_return moved.error();
      }
    }
    if (!page->more || page->items.empty()) {
      break;
    }
    begin = page->items.back().ck;
    begin.push_back('\0');
  }
  const pb::Link place = source->record.sole_link();
  const InodeRef parent{.ino = place.parent(), .home = place.parent()};
  auto named = co_await names_.Lookup(parent, place.name());
  if (named.ok() && named->ref.ino == from) {
    auto removed = co_await names_.RemoveDirectory(parent, place.name());
    // Somebody has put something into it meanwhile: it stays, under its name.
    if (!removed.ok() && removed.error() != Errno(ENOTEMPTY) && removed.error() != Errno(ENOENT)) {
      co_return removed.error();
    }
  }
  co_return 0;
}

// False: it went by itself.
Task<FsResult<bool>> ConflictResolver::UniteEntry(Ino from, Ino to, const client::Item* entry,
                                                  int depth) {
  if (entry->siblings.size() > 1) {
    const Errno resolved = co_await ResolveEntry(from, entry->ck);
    if (!resolved.ok()) {
      co_return resolved;
    }
  }
  const auto parts = keys::ParseDentry(entry->ck);
  auto dentry = DecodeDentry(entry->value());
  if (!parts || !dentry.ok()) {
    co_return Errno(EIO);
  }
  const Bytes name(parts->name);
  const InodeRef from_ref{.ino = from, .home = from};
  const InodeRef to_ref{.ino = to, .home = to};
  auto there = co_await Get(to, entry->ck);
  if (!there.ok()) {
    co_return there.error();
  }
  Bytes new_name = name;
  Ino unite_with = 0;
  const VersionStamp stamp{.time = entry->siblings.front().time,
                           .dot = entry->siblings.front().dot};
  if (there->has_value()) {
    auto other = DecodeDentry((*there)->value());
    if (!other.ok()) {
      co_return ToErrno(other.error());
    }
    const bool is_directory = dentry->ino() == dentry->home();
    const bool other_is_directory = other->ino() == other->home();
    auto free = co_await FreeName(to, name, stamp, dentry->ino());
    if (!free.ok()) {
      co_return free.error();
    }
    if (is_directory && !other_is_directory) {
      // The directory keeps the name.
      auto moved = co_await names_.Rename(to_ref, name, to_ref, *free, RenameMode::kNoReplace);
      if (!moved.ok()) {
        co_return moved.error();
      }
    } else {
      new_name = *free;
      unite_with = is_directory ? other->ino() : 0;
    }
  }
  auto moved = co_await names_.Rename(from_ref, name, to_ref, new_name, RenameMode::kNoReplace);
  if (!moved.ok()) {
    if (moved.error() == Errno(ENOENT)) {
      co_return false;
    }
    co_return moved.error();
  }
  if (unite_with != 0) {
    const Errno united = co_await Unite(dentry->ino(), unite_with, depth + 1);
    if (!united.ok()) {
      co_return united;
    }
  }
  co_return true;
}

}  // namespace kvfs::fs
