#include "fs/meta/fsck_walk.h"

#include <algorithm>
#include <utility>

#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/posix.h"
#include "kvcore/base/coding.h"

namespace kvfs::fs {
namespace {

constexpr uint32_t kPageItems = 1000;

// The inode that a c/, l/, x/ or p/ item belongs to.
Ino OwnerOf(ByteView ck) {
  uint64_t owner = 0;
  ck.remove_prefix(1);
  return GetBigEndian64(&ck, &owner) ? owner : 0;
}

bool IsSame(const pb::Link& link, const FoundName& name) {
  return link.parent() == name.parent && link.name() == name.name && link.link_id() == name.link_id;
}

}  // namespace

void FsckWalk::Report(FsckProblem::Kind kind, InodeRef inode, Ino directory, Bytes key,
                      std::string where, std::string text) {
  report_.problems.push_back({.kind = kind,
                              .inode = inode,
                              .directory = directory,
                              .key = std::move(key),
                              .where = std::move(where),
                              .text = std::move(text)});
}

std::vector<FoundName> FsckWalk::NamesOf(Ino ino) const {
  auto it = files_.find(ino);
  return it == files_.end() ? std::vector<FoundName>() : it->second.names;
}

uint64_t FsckWalk::SubdirectoriesOf(Ino ino) const {
  auto it = miscounted_.find(ino);
  return it == miscounted_.end() ? 0 : it->second;
}

Task<Errno> FsckWalk::Run() {
  const InodeRef root{.ino = kRootIno, .home = kRootIno};
  directories_.insert(kRootIno);
  to_read_.push_back({.ref = root, .parent = kRootIno, .name = {}, .path = "/"});
  const Errno reached = co_await ReadReached();
  if (!reached.ok()) {
    co_return reached;
  }
  const Errno lost = co_await ReadLostDirectories();
  if (!lost.ok()) {
    co_return lost;
  }
  const Errno foreign = co_await ReadForeignHomes();
  if (!foreign.ok()) {
    co_return foreign;
  }
  const Errno work = co_await ReadOrphanWork();
  if (!work.ok()) {
    co_return work;
  }
  const Errno judged = co_await JudgeFiles();
  co_return judged;
}

Task<Errno> FsckWalk::ReadReached() {
  while (!to_read_.empty()) {
    Reached next = std::move(to_read_.front());
    to_read_.pop_front();
    const Errno done = co_await ReadDirectory(std::move(next));
    if (!done.ok()) {
      co_return done;
    }
  }
  co_return 0;
}

// Of trees that hang on nothing the topmost directories are reported; what lies below them is found
// through them.
Task<Errno> FsckWalk::ReadLostDirectories() {
  std::map<Ino, Lost> lost;
  std::set<Ino> below_others;
  for (Ino home : *homes_) {
    if (directories_.contains(home)) {
      continue;
    }
    auto found = co_await LookAtHome(home);
    if (!found.ok()) {
      co_return found.error();
    }
    if (found->has_value()) {
      below_others.insert((*found)->subdirectories.begin(), (*found)->subdirectories.end());
      lost.emplace(home, std::move(**found));
    }
  }
  // A ring has no topmost one: then the first will do, in the second turn.
  for (const bool only_topmost : {true, false}) {
    for (const auto& [ino, directory] : lost) {
      if (directories_.contains(ino) || (only_topmost && below_others.contains(ino))) {
        continue;
      }
      const Errno done = co_await ReachLost(directory.ref);
      if (!done.ok()) {
        co_return done;
      }
    }
  }
  co_return 0;
}

Task<FsResult<std::optional<FsckWalk::Lost>>> FsckWalk::LookAtHome(Ino home) {
  std::optional<Lost> lost;
  Bytes begin = keys::Self();
  while (true) {
    auto page =
        co_await client_->Scan(keys::DirectoryPk(home), begin, keys::DentryEnd(), kPageItems);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    for (const client::Item& item : page->items) {
      const auto tag = static_cast<keys::Tag>(item.ck.front());
      if (!lost && (tag == keys::Tag::kSelf || tag == keys::Tag::kDentry)) {
        lost.emplace();
        lost->ref = {.ino = home, .home = home};
      }
      auto dentry = DecodeDentry(item.value());
      if (tag == keys::Tag::kDentry && dentry.ok() && dentry->ino() == dentry->home()) {
        lost->subdirectories.push_back(dentry->ino());
      }
    }
    if (!page->more || page->items.empty()) {
      break;
    }
    begin = page->items.back().ck;
    begin.push_back('\0');
  }
  co_return lost;
}

Task<Errno> FsckWalk::ReachLost(InodeRef ref) {
  std::string path = "(directory " + std::to_string(ref.ino) + ")";
  Report(FsckProblem::Kind::kUnreachable, ref, ref.ino, {}, path, "no name leads to it");
  directories_.insert(ref.ino);
  Reached reached;
  reached.ref = ref;
  reached.path = std::move(path);
  reached.is_lost = true;
  to_read_.push_back(std::move(reached));
  const Errno done = co_await ReadReached();
  co_return done;
}

Task<Errno> FsckWalk::ReadDirectory(Reached directory) {
  ++report_.directories;
  HomeFacts facts;
  const Errno done = co_await ReadHome(directory.ref.ino, directory.path, &facts);
  if (!done.ok()) {
    co_return done;
  }
  auto self = co_await LoadInode(client_, directory.ref);
  if (!self.ok()) {
    if (!directory.is_lost) {  // a lost one gets another record
      Report(FsckProblem::Kind::kUnreadable, directory.ref, directory.ref.ino, keys::Self(),
             directory.path, "the directory's record cannot be read");
    }
    co_return 0;
  }
  if (!facts.is_alive) {
    Report(FsckProblem::Kind::kNotAlive, directory.ref, directory.ref.ino, keys::Alive(),
           directory.path, "the directory takes no new names");
  }
  if (self->record.subdirectories() != facts.subdirectories) {
    miscounted_[directory.ref.ino] = facts.subdirectories;
    Report(FsckProblem::Kind::kWrongSubdirectories, directory.ref, directory.ref.ino, {},
           directory.path,
           "counts " + std::to_string(self->record.subdirectories()) + " subdirectories, has " +
               std::to_string(facts.subdirectories));
  }
  const pb::Link& place = self->record.sole_link();
  if (!directory.is_lost &&
      (place.parent() != directory.parent || place.name() != directory.name)) {
    Report(FsckProblem::Kind::kWrongPlace, directory.ref, directory.parent, directory.name,
           directory.path, "its record says it lies elsewhere");
  }
  co_return 0;
}

Task<Errno> FsckWalk::ReadHome(Ino home, std::string path, HomeFacts* facts) {
  homes_read_.insert(home);
  Bytes begin;
  while (true) {
    auto page = co_await client_->Scan(keys::DirectoryPk(home), begin, {}, kPageItems);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    for (const client::Item& item : page->items) {
      switch (static_cast<keys::Tag>(item.ck.front())) {
        case keys::Tag::kSelf:
        case keys::Tag::kTimes:
        case keys::Tag::kGrave:
        case keys::Tag::kIntent:
        case keys::Tag::kHold:
          break;
        case keys::Tag::kAlive:
          facts->is_alive = true;
          break;
        case keys::Tag::kDentry: {
          const Errno taken = co_await TakeEntry(&item, home, &path, facts);
          if (!taken.ok()) {
            co_return taken;
          }
          break;
        }
        case keys::Tag::kInode:
          TakeRecord(item, home, path, facts);
          break;
        case keys::Tag::kLink:
          TakeLink(item, home, path, facts);
          [[fallthrough]];
        case keys::Tag::kInline:
        case keys::Tag::kXattr:
        case keys::Tag::kBlock:
        case keys::Tag::kLock:
          facts->dependants[OwnerOf(item.ck)].push_back(item.ck);
          break;
        default:
          Report(FsckProblem::Kind::kUnreadable, {}, home, item.ck, path, "an unknown item");
          break;
      }
    }
    if (!page->more || page->items.empty()) {
      break;
    }
    begin = page->items.back().ck;
    begin.push_back('\0');
  }
  FindStrays(home, path, *facts);
  SettleFiles(*facts);
  co_return 0;
}

Task<Errno> FsckWalk::TakeEntry(const client::Item* item, Ino home, const std::string* path,
                                HomeFacts* facts) {
  auto parts = keys::ParseDentry(item->ck);
  auto dentry = DecodeDentry(item->value());
  const std::string where =
      parts ? (*path == "/" ? "/" : *path + "/") + std::string(parts->name) : *path;
  if (!parts || !dentry.ok() || !CheckName(parts->name).ok() ||
      parts->hash != keys::NameHash(client_->info().name_hash_key, parts->name)) {
    Report(FsckProblem::Kind::kUnreadable, {}, home, item->ck, where,
           "an entry that makes no sense");
    co_return 0;
  }
  ++report_.names;
  const InodeRef ref{.ino = dentry->ino(), .home = dentry->home()};
  FoundName name{.parent = home,
                 .name = Bytes(parts->name),
                 .link_id = dentry->link_id(),
                 .type = dentry->type(),
                 .where = where};
  if (ref.ino != ref.home) {
    FileFacts& file = files_[ref.ino];
    file.home = ref.home;
    file.names.push_back(std::move(name));
    co_return 0;
  }

  auto self = co_await LoadInode(client_, ref);
  if (!self.ok()) {
    if (self.error() != Errno(ENOENT) && self.error() != Errno(EIO)) {
      co_return self.error();
    }
    Report(FsckProblem::Kind::kDanglingEntry, ref, home, item->ck, where, "no such directory");
    co_return 0;
  }
  const pb::Link& place = self->record.sole_link();
  const bool is_its_place = place.parent() == home && place.name() == parts->name;
  if (directories_.contains(ref.ino)) {
    // Of two names the one that the record knows stays; where that is the second, the walk came
    // by the wrong one, which kWrongPlace has reported.
    Report(FsckProblem::Kind::kSecondName, ref, home, item->ck, where,
           is_its_place ? "a second name; its record knows this one" : "a second name");
    co_return 0;
  }
  directories_.insert(ref.ino);
  ++facts->subdirectories;
  if (name.type != DirentType(S_IFDIR)) {
    Report(FsckProblem::Kind::kWrongEntryType, ref, home, item->ck, where,
           "the entry of a directory says it is none");
  }
  to_read_.push_back({.ref = ref, .parent = home, .name = name.name, .path = where});
  co_return 0;
}

void FsckWalk::TakeRecord(const client::Item& item, Ino home, const std::string& path,
                          HomeFacts* facts) {
  auto ino = keys::ParseInode(item.ck);
  auto record = DecodeInode(item.value());
  if (!ino || !record.ok() || record->ino() != *ino || record->home() != home ||
      S_ISDIR(record->mode())) {
    Report(FsckProblem::Kind::kUnreadable, {.ino = ino.value_or(0), .home = home}, home, item.ck,
           path, "a record that makes no sense");
    return;
  }
  ++report_.files;
  facts->records.push_back(*ino);
  FileFacts& file = files_[*ino];
  file.home = home;
  file.has_record = true;
  file.mode = record->mode();
  file.nlink = record->nlink();
  file.orphan_due_millis = record->orphan_due_millis();
  if (record->has_sole_link()) {
    file.links.push_back(record->sole_link());
  }
}

void FsckWalk::TakeLink(const client::Item& item, Ino home, const std::string& path, HomeFacts*) {
  auto link = DecodeLink(item.value());
  const Ino owner = OwnerOf(item.ck);
  if (!link.ok() || item.ck != keys::Link(owner, link->link_id())) {
    Report(FsckProblem::Kind::kUnreadable, {.ino = owner, .home = home}, home, item.ck, path,
           "a link that makes no sense");
    return;
  }
  files_[owner].links.push_back(std::move(*link));
}

void FsckWalk::FindStrays(Ino home, const std::string& path, const HomeFacts& facts) {
  for (const auto& [owner, owned] : facts.dependants) {
    const bool exists =
        owner == home || std::binary_search(facts.records.begin(), facts.records.end(), owner);
    if (exists) {
      continue;
    }
    for (const Bytes& key : owned) {
      Report(FsckProblem::Kind::kStrayItem, {.ino = owner, .home = home}, home, key, path,
             "belongs to an inode that does not exist");
    }
    // Its links say nothing.
    if (auto it = files_.find(owner); it != files_.end()) {
      it->second.links.clear();
    }
  }
}

void FsckWalk::SettleFiles(const HomeFacts& facts) {
  for (Ino ino : facts.records) {
    auto it = files_.find(ino);
    const FileFacts& file = it->second;
    if (file.nlink == 1 && file.links.size() == 1 && file.names.size() == 1 &&
        IsSame(file.links.front(), file.names.front()) &&
        file.names.front().type == DirentType(file.mode)) {
      files_.erase(it);
    }
  }
}

// Files whose home directory is gone.
Task<Errno> FsckWalk::ReadForeignHomes() {
  std::set<Ino> homes;
  for (Ino home : *homes_) {
    if (!homes_read_.contains(home)) {
      homes.insert(home);
    }
  }
  for (const auto& [ino, file] : files_) {
    if (!homes_read_.contains(file.home)) {
      homes.insert(file.home);
    }
  }
  for (Ino home : homes) {
    HomeFacts facts;
    const Errno done = co_await ReadHome(home, "(removed directory)", &facts);
    if (!done.ok()) {
      co_return done;
    }
  }
  co_return 0;
}

Task<Errno> FsckWalk::ReadOrphanWork() {
  constexpr uint32_t kMaxLines = 1'000'000;
  auto due = co_await client_->DueWork(INT64_MAX, kMaxLines);
  if (!due.ok()) {
    co_return ToErrno(due.error());
  }
  for (const client::WorkItem& item : *due) {
    auto ref = keys::ParseWorkId(item.key.id);
    if (ref && item.key.kind == static_cast<uint8_t>(keys::WorkKind::kOrphan)) {
      orphan_work_.emplace(ref->ino, item.key.due_millis);
      // An orphan whose home is gone has neither name nor directory that leads to it.
      if (!homes_read_.contains(ref->home)) {
        HomeFacts facts;
        const Errno done = co_await ReadHome(ref->home, "(removed directory)", &facts);
        if (!done.ok()) {
          co_return done;
        }
      }
    }
  }
  co_return 0;
}

Task<Errno> FsckWalk::JudgeFiles() {
  for (auto& [ino, file] : files_) {
    if (!file.has_record && !file.names.empty()) {
      // Perhaps it was settled before this other name of it came up.
      auto loaded = co_await LoadInode(client_, {.ino = ino, .home = file.home});
      if (loaded.ok()) {
        file.has_record = true;
        file.mode = loaded->record.mode();
        file.nlink = loaded->record.nlink();
        if (loaded->record.has_sole_link()) {
          const pb::Link& sole = loaded->record.sole_link();
          file.links.push_back(sole);
          file.names.push_back({.parent = sole.parent(),
                                .name = sole.name(),
                                .link_id = sole.link_id(),
                                .type = DirentType(file.mode),
                                .where = "inode " + std::to_string(ino)});
        }
      } else if (loaded.error() != Errno(ENOENT) && loaded.error() != Errno(EIO)) {
        co_return loaded.error();
      }
    }
    JudgeFile(ino, file);
  }
  co_return 0;
}

void FsckWalk::JudgeFile(Ino ino, const FileFacts& facts) {
  const InodeRef ref{.ino = ino, .home = facts.home};
  if (!facts.has_record) {
    for (const FoundName& name : facts.names) {
      Report(FsckProblem::Kind::kDanglingEntry, ref, name.parent,
             keys::Dentry(keys::NameHash(client_->info().name_hash_key, name.name), name.name),
             name.where, "no such inode");
    }
    return;
  }
  const std::string where =
      facts.names.empty() ? "inode " + std::to_string(ino) : facts.names.front().where;
  for (const FoundName& name : facts.names) {
    if (name.type != DirentType(facts.mode)) {
      Report(FsckProblem::Kind::kWrongEntryType, ref, name.parent,
             keys::Dentry(keys::NameHash(client_->info().name_hash_key, name.name), name.name),
             name.where, "the entry says another type than the inode");
    }
  }
  if (facts.names.empty() && facts.nlink == 0) {
    ++report_.orphans;
    if (!orphan_work_.contains({ino, facts.orphan_due_millis})) {
      Report(FsckProblem::Kind::kUnlistedOrphan, ref, facts.home, {}, where,
             "unlinked, but the work index does not know");
    }
    return;
  }
  if (facts.names.empty()) {
    Report(FsckProblem::Kind::kNameless, ref, facts.home, {}, where,
           "has " + std::to_string(facts.nlink) + " links but no name");
    return;
  }
  bool links_agree = facts.links.size() == facts.names.size();
  for (const FoundName& name : facts.names) {
    links_agree =
        links_agree && std::any_of(facts.links.begin(), facts.links.end(),
                                   [&](const pb::Link& link) { return IsSame(link, name); });
  }
  if (!links_agree || facts.nlink != facts.names.size()) {
    Report(FsckProblem::Kind::kWrongLinks, ref, facts.home, {}, where,
           "counts " + std::to_string(facts.nlink) + " links and lists " +
               std::to_string(facts.links.size()) + ", has " + std::to_string(facts.names.size()) +
               " names");
  }
}

}  // namespace kvfs::fs
