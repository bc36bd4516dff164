#include "fs/meta/conflict_resolver.h"

#include <algorithm>

#include "fs/meta/conflict_items.h"
#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "kvcore/base/coding.h"
#include "kvcore/base/hash.h"

namespace kvfs::fs {

ConflictResolver::ConflictResolver(client::Client* client, env::Env env, ContentKeeper* contents)
    : client_(client),
      env_(env),
      contents_(contents),
      names_({.is_shared = true}, client, env, nullptr) {}

int64_t ConflictResolver::NowMillis() const { return env_.clock->WallNanos() / 1'000'000; }

Bytes ConflictResolver::EntryKey(ByteView name) const {
  return keys::Dentry(keys::NameHash(client_->info().name_hash_key, name), name);
}

Task<FsResult<std::optional<client::Item>>> ConflictResolver::Get(Ino home, Bytes ck) {
  client::ItemKey key{keys::DirectoryPk(home), std::move(ck)};
  auto item = co_await client_->Get(std::move(key));
  if (!item.ok()) {
    co_return ToErrno(item.error());
  }
  co_return std::move(*item);
}

Task<FsResult<std::vector<client::Item>>> ConflictResolver::ScanAll(Ino home, Bytes prefix) {
  constexpr uint32_t kPageItems = 1000;
  std::vector<client::Item> found;
  Bytes begin = prefix;
  const Bytes end = keys::PrefixEnd(prefix);
  while (true) {
    auto page = co_await client_->Scan(keys::DirectoryPk(home), begin, end, kPageItems);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    const bool more = page->more && !page->items.empty();
    std::move(page->items.begin(), page->items.end(), std::back_inserter(found));
    if (!more) {
      co_return found;
    }
    begin = found.back().ck;
    begin.push_back('\0');
  }
}

void AddNote(pb::ConflictNote note, ChangeSet* changes) {
  Bytes identity(1, static_cast<char>(note.kind()));
  PutFixed64(&identity, note.ino());
  client::HybridTime time = 0;
  for (const auto& version : note.versions()) {
    PutFixed64(&identity, version.dot_epoch());
    PutFixed64(&identity, version.dot_counter());
    time = std::max<client::HybridTime>(time, version.time());
  }
  note.set_noted_at(time);
  const uint64_t hash = DecodeFixed64(AsBytes(Sha256(identity)).data());
  changes->PutNote(keys::ConflictNote(time, hash), note.SerializeAsString());
}

Task<Errno> ConflictResolver::ResolveInode(InodeRef ref) {
  if (ref.ino == ref.home) {
    const Errno done = co_await ResolveDirectory(ref.ino, {});
    co_return done;
  }
  const Errno done = co_await ResolveFile(ref, {});
  co_return done;
}

Task<Errno> ConflictResolver::ResolveEntry(Ino directory, Bytes ck) {
  std::vector<Bytes> cks(1, std::move(ck));
  auto done = co_await ResolveItems(directory, std::move(cks));
  co_return done.ok() ? Errno() : done.error();
}

// ---- entries ----------------------------------------------------------------

// The name beside `name` for one that lost it; counted on where somebody else has it.
Task<FsResult<Bytes>> ConflictResolver::FreeName(Ino directory, Bytes name, VersionStamp stamp,
                                                 Ino ino) {
  constexpr int kMostTries = 100;
  for (int i = 0; i < kMostTries; ++i) {
    VersionStamp attempt = stamp;
    attempt.dot.counter += static_cast<uint64_t>(i) << 48;
    Bytes candidate = ConflictName(name, attempt);
    auto entry = co_await Get(directory, EntryKey(candidate));
    if (!entry.ok()) {
      co_return entry.error();
    }
    if (!entry->has_value()) {
      co_return candidate;
    }
    auto dentry = DecodeDentry((*entry)->value());
    if (dentry.ok() && dentry->ino() == ino) {
      co_return candidate;
    }
  }
  co_return Errno(EEXIST);
}

Task<FsResult<bool>> ConflictResolver::MoveLoser(Ino directory, ByteView name,
                                                 const DentryVersion* loser, Bytes new_name,
                                                 Ino winner, ChangeSet* changes) {
  const InodeRef ref{.ino = loser->dentry.ino(), .home = loser->dentry.home()};
  auto inode = co_await LoadInode(client_, ref);
  if (!inode.ok()) {
    if (inode.error() == Errno(ENOENT)) {
      co_return false;
    }
    co_return inode.error();
  }
  const auto is_it = [&](const pb::Link& link) {
    return link.parent() == directory && link.name() == name;
  };
  pb::ConflictOrigin* origin = inode->record.mutable_conflict();
  origin->set_ino(winner);
  origin->set_dot_epoch(loser->stamp.dot.epoch);
  origin->set_dot_counter(loser->stamp.dot.counter);
  origin->set_time(loser->stamp.time);
  pb::Link link;
  link.set_parent(directory);
  link.set_name(new_name);
  link.set_link_id(loser->dentry.link_id());
  if (inode->record.has_sole_link()) {
    if (is_it(inode->record.sole_link())) {
      link.set_link_id(inode->record.sole_link().link_id());
      *inode->record.mutable_sole_link() = link;
      changes->Update(*inode);
    }
  } else {
    auto links = co_await ScanAll(ref.home, keys::LinkPrefix(ref.ino));
    if (!links.ok()) {
      co_return links.error();
    }
    for (const client::Item& item : *links) {
      auto old = DecodeLink(item.value());
      if (old.ok() && is_it(*old)) {
        link.set_link_id(old->link_id());
        changes->Put(ref.home, item.ck, EncodeLink(link));
        changes->Update(*inode);  // so that nobody else is at its links
      }
    }
  }
  pb::Dentry dentry = loser->dentry;
  dentry.set_link_id(link.link_id());
  Bytes ck = EntryKey(new_name);
  auto there = co_await Get(directory, ck);
  if (!there.ok()) {
    co_return there.error();
  }
  changes->AssertVersion(directory, ck,
                         there->has_value() ? (*there)->version : client::VersionId{});
  changes->Put(directory, std::move(ck), EncodeDentry(dentry));
  co_return true;
}

Task<FsResult<bool>> ConflictResolver::TryEntry(Ino directory, Bytes ck,
                                                std::vector<InodeRef>* involved) {
  involved->clear();
  auto item = co_await Get(directory, ck);
  if (!item.ok()) {
    co_return item.error();
  }
  const auto parts = keys::ParseDentry(ck);
  if (!item->has_value() || !parts) {
    co_return true;
  }
  auto versions = DentryVersions(**item);
  if (!versions.ok()) {
    co_return ToErrno(versions.error());
  }
  MergedDentry merged = MergeDentry(std::move(*versions));
  involved->push_back({.ino = merged.winner.dentry.ino(), .home = merged.winner.dentry.home()});
  for (const DentryVersion& loser : merged.losers) {
    involved->push_back({.ino = loser.dentry.ino(), .home = loser.dentry.home()});
  }
  if ((*item)->siblings.size() < 2) {
    co_return true;
  }
  // Records first: one in conflict is not to be written, and this name is one of its own.
  for (const InodeRef& ref : *involved) {
    auto inode = co_await LoadInode(client_, ref);
    if (inode.ok() && inode->in_conflict) {
      const Errno done = co_await ResolveInode(ref);
      if (!done.ok()) {
        co_return done;
      }
    }
  }

  ChangeSet changes;
  changes.AssertVersion(directory, ck, (*item)->version);
  changes.Put(directory, ck, EncodeDentry(merged.winner.dentry));
  changes.TouchDirectory(directory, WallTime(env_.clock), client_->Now());
  const Ino winner = merged.winner.dentry.ino();
  const bool is_directory = winner == merged.winner.dentry.home();
  pb::ConflictNote note;
  const auto add_version = [&](const DentryVersion& version, ByteView name) {
    auto* told = note.add_versions();
    told->set_dot_epoch(version.stamp.dot.epoch);
    told->set_dot_counter(version.stamp.dot.counter);
    told->set_time(version.stamp.time);
    told->set_ino(version.dentry.ino());
    told->mutable_place()->set_parent(directory);
    told->mutable_place()->set_name(Bytes(name));
  };
  note.set_kind(pb::ConflictNote::NAME);
  note.set_ino(winner);
  note.set_home(merged.winner.dentry.home());
  add_version(merged.winner, parts->name);
  for (const DentryVersion& loser : merged.losers) {
    auto name = co_await FreeName(directory, Bytes(parts->name), loser.stamp, loser.dentry.ino());
    if (!name.ok()) {
      co_return name.error();
    }
    add_version(loser, *name);
    auto moved = co_await MoveLoser(directory, parts->name, &loser, *name, winner, &changes);
    if (!moved.ok() || !*moved) {
      co_return moved;  // its record has yet to come; both names stay as they are
    }
    if (is_directory && loser.dentry.ino() == loser.dentry.home()) {
      note.set_kind(pb::ConflictNote::DIRECTORIES);
      const Bytes id = keys::UniteId(loser.dentry.ino(), winner);
      const client::WorkKey line{.due_millis = NowMillis(),
                                 .kind = static_cast<uint8_t>(keys::WorkKind::kUnite),
                                 .id = id};
      changes.PutWork(winner, line);
    }
  }
  if (!merged.losers.empty()) {
    AddNote(std::move(note), &changes);
  }
  const Errno done = co_await changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return true;
}

// ---- items ------------------------------------------------------------------

namespace {

std::optional<Ino> OwnerOf(ByteView ck) {
  uint64_t owner = 0;
  ck.remove_prefix(1);
  if (!GetBigEndian64(&ck, &owner)) {
    return std::nullopt;
  }
  return owner;
}

}  // namespace

// What one call of ResolveItems goes through.
struct ConflictResolver::Pass {
  std::vector<Bytes> entries;
  std::set<Ino> files;                                         // at home here
  std::map<Ino, std::pair<Ino, std::vector<pb::Link>>> named;  // ino -> home, and names it has
};

Task<FsResult<bool>> ConflictResolver::ResolveItems(Ino home, std::vector<Bytes> cks, Hints hints) {
  Pass pass;
  for (const pb::SettleWork::Hint& hint : hints) {
    auto& named = pass.named[hint.ino()];
    named.first = hint.home();
    named.second.push_back(hint.place());
  }
  for (Bytes& ck : cks) {
    if (ck.empty()) {
      continue;
    }
    switch (static_cast<keys::Tag>(ck.front())) {
      case keys::Tag::kDentry:
        pass.entries.push_back(std::move(ck));
        break;
      case keys::Tag::kInode:
      case keys::Tag::kInline:
      case keys::Tag::kLink:
      case keys::Tag::kXattr:
      case keys::Tag::kBlock:
        if (const auto owner = OwnerOf(ck); owner && *owner != home) {
          pass.files.insert(*owner);
        }
        break;
      default:
        break;
    }
  }
  bool is_done = true;
  // The directory itself first: what is in it needs it.
  const Errno self = co_await ResolveDirectory(home, {});
  if (!self.ok()) {
    co_return self;
  }
  for (const Ino ino : pass.files) {
    const Errno done = co_await ResolveFile({.ino = ino, .home = home}, {});
    if (!done.ok()) {
      co_return done;
    }
  }
  for (const Bytes& ck : pass.entries) {
    std::vector<InodeRef> involved;
    auto done = co_await RetryOnConflict([&] { return TryEntry(home, ck, &involved); });
    if (!done.ok()) {
      co_return done.error();
    }
    is_done = is_done && *done;
    // The name as it is now is one that the winner's record must know.
    for (size_t i = 0; i < involved.size(); ++i) {
      auto& named = pass.named[involved[i].ino];
      named.first = involved[i].home;
      if (i == 0 && *done) {
        named.second.emplace_back();
        named.second.back().set_parent(home);
        named.second.back().set_name(Bytes(keys::ParseDentry(ck)->name));
      }
    }
  }
  for (auto& [ino, named] : pass.named) {
    const InodeRef ref{.ino = ino, .home = named.first};
    const Errno done = ref.ino == ref.home ? co_await ResolveDirectory(ino, named.second)
                                           : co_await ResolveFile(ref, named.second);
    if (!done.ok()) {
      co_return done;
    }
  }
  const Errno counted = co_await CountSubdirectories(home);
  if (!counted.ok()) {
    co_return counted;
  }
  co_return is_done;
}

}  // namespace kvfs::fs
