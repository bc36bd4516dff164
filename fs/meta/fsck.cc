#include "fs/meta/fsck.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "fs/meta/change_set.h"
#include "fs/meta/fsck_walk.h"
#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

// Puts right what a walk found. Nobody else changes the tree meanwhile.
class Repairer {
 public:
  Repairer(client::Client* client, env::Env env, const FsckWalk* walk)
      : client_(client), env_(env), walk_(walk) {}

  Task<Errno> Repair(FsckProblem* problem);

 private:
  Task<Errno> EraseItem(Ino home, Bytes key, bool is_entry);
  Task<Errno> FixEntryType(const FsckProblem* problem);
  Task<Errno> FixLinks(InodeRef ref, std::vector<FoundName> names);
  Task<Errno> Rescue(InodeRef ref);
  Task<Errno> RescueDirectory(InodeRef ref);
  Task<Errno> FixDirectory(const FsckProblem* problem);
  Task<Errno> ListOrphan(InodeRef ref);
  Task<FsResult<InodeRef>> LostAndFound();

  client::Client* const client_;
  const env::Env env_;
  const FsckWalk* const walk_;
};

Task<Errno> Repairer::Repair(FsckProblem* problem) {
  Errno done;
  switch (problem->kind) {
    case FsckProblem::Kind::kUnreadable:
      if (problem->key == keys::Self() && problem->directory == kRootIno) {
        co_return EIO;  // without a root there is nothing to repair
      }
      done = co_await EraseItem(problem->directory, problem->key, false);
      break;
    case FsckProblem::Kind::kStrayItem:
      done = co_await EraseItem(problem->directory, problem->key, false);
      break;
    case FsckProblem::Kind::kDanglingEntry:
    case FsckProblem::Kind::kSecondName:
      done = co_await EraseItem(problem->directory, problem->key, true);
      break;
    case FsckProblem::Kind::kWrongEntryType:
      done = co_await FixEntryType(problem);
      break;
    case FsckProblem::Kind::kWrongLinks:
      done = co_await FixLinks(problem->inode, walk_->NamesOf(problem->inode.ino));
      break;
    case FsckProblem::Kind::kNameless:
      done = co_await Rescue(problem->inode);
      break;
    case FsckProblem::Kind::kUnreachable:
      done = co_await RescueDirectory(problem->inode);
      break;
    case FsckProblem::Kind::kUnlistedOrphan:
      done = co_await ListOrphan(problem->inode);
      break;
    case FsckProblem::Kind::kWrongSubdirectories:
    case FsckProblem::Kind::kWrongPlace:
    case FsckProblem::Kind::kNotAlive:
      done = co_await FixDirectory(problem);
      break;
  }
  problem->is_repaired = done.ok();
  co_return done;
}

Task<Errno> Repairer::EraseItem(Ino home, Bytes key, bool is_entry) {
  ChangeSet changes;
  changes.AllowReserve();
  changes.Erase(home, std::move(key));
  if (is_entry) {
    changes.TouchDirectory(home, WallTime(env_.clock), client_->Now());
  }
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

Task<Errno> Repairer::FixEntryType(const FsckProblem* problem) {
  auto item = co_await client_->Get({keys::DirectoryPk(problem->directory), problem->key});
  if (!item.ok()) {
    co_return ToErrno(item.error());
  }
  auto inode = co_await LoadInode(client_, problem->inode);
  if (!inode.ok() || !item->has_value()) {
    co_return EIO;
  }
  auto dentry = DecodeDentry((*item)->value());
  if (!dentry.ok()) {
    co_return EIO;
  }
  dentry->set_type(DirentType(inode->record.mode()));
  ChangeSet changes;
  changes.Put(problem->directory, problem->key, EncodeDentry(*dentry));
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

// The record and the l/ items say what the names say. Two names may share a link id only by damage;
// then the later one gets its own.
Task<Errno> Repairer::FixLinks(InodeRef ref, std::vector<FoundName> names) {
  constexpr uint32_t kMaxItems = 10'000;
  auto inode = co_await LoadInode(client_, ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  ChangeSet changes;
  const Bytes prefix = keys::LinkPrefix(ref.ino);
  auto old = co_await client_->Scan(keys::DirectoryPk(ref.home), prefix, keys::PrefixEnd(prefix),
                                    kMaxItems);
  if (!old.ok()) {
    co_return ToErrno(old.error());
  }
  std::vector<uint64_t> ids;
  std::vector<Bytes> kept;
  for (FoundName& name : names) {
    if (std::find(ids.begin(), ids.end(), name.link_id) != ids.end()) {
      name.link_id = env_.random->Next() | 1;
      pb::Dentry dentry;
      dentry.set_ino(ref.ino);
      dentry.set_home(ref.home);
      dentry.set_type(DirentType(inode->record.mode()));
      dentry.set_link_id(name.link_id);
      changes.Put(name.parent,
                  keys::Dentry(keys::NameHash(client_->info().name_hash_key, name.name), name.name),
                  EncodeDentry(dentry));
    }
    ids.push_back(name.link_id);
    pb::Link link;
    link.set_parent(name.parent);
    link.set_name(name.name);
    link.set_link_id(name.link_id);
    if (names.size() == 1) {
      *inode->record.mutable_sole_link() = link;
    } else {
      inode->record.clear_sole_link();
      kept.push_back(keys::Link(ref.ino, name.link_id));
      changes.Put(ref.home, kept.back(), EncodeLink(link));
    }
  }
  for (const client::Item& item : old->items) {
    if (std::find(kept.begin(), kept.end(), item.ck) == kept.end()) {
      changes.Erase(ref.home, item.ck);
    }
  }
  if (inode->record.orphan_due_millis() != 0) {
    changes.EraseWork(ref.home, OrphanWork(inode->record));
    inode->record.clear_orphan_due_millis();
  }
  inode->record.set_nlink(static_cast<uint32_t>(names.size()));
  changes.Update(*inode);
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

Task<FsResult<InodeRef>> Repairer::LostAndFound() {
  constexpr uint32_t kMode = 0700;
  const InodeRef root{.ino = kRootIno, .home = kRootIno};
  Namespace names({}, client_, env_, nullptr);
  auto found = co_await names.Lookup(root, "lost+found");
  if (found.ok() && S_ISDIR(found->attr.mode)) {
    co_return found->ref;
  }
  auto made = co_await names.MakeDirectory(root, "lost+found", kMode, {});
  if (!made.ok()) {
    co_return made.error();
  }
  co_return made->ref;
}

// A nameless inode gets the name lost+found/#<ino>.
Task<Errno> Repairer::Rescue(InodeRef ref) {
  auto dir = co_await LostAndFound();
  if (!dir.ok()) {
    co_return dir.error();
  }
  auto inode = co_await LoadInode(client_, ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  FoundName name{.parent = dir->ino,
                 .name = "#" + std::to_string(ref.ino),
                 .link_id = env_.random->Next() | 1,
                 .type = DirentType(inode->record.mode()),
                 .where = {}};
  pb::Dentry dentry;
  dentry.set_ino(ref.ino);
  dentry.set_home(ref.home);
  dentry.set_type(name.type);
  dentry.set_link_id(name.link_id);
  ChangeSet changes;
  changes.Put(dir->ino,
              keys::Dentry(keys::NameHash(client_->info().name_hash_key, name.name), name.name),
              EncodeDentry(dentry));
  changes.TouchDirectory(dir->ino, WallTime(env_.clock), client_->Now());
  const Errno named = co_await changes.Commit(client_);
  if (!named.ok()) {
    co_return named;
  }
  std::vector<FoundName> only(1, name);
  const Errno done = co_await FixLinks(ref, std::move(only));
  co_return done;
}

// The same for a directory, which may have lost its record too.
Task<Errno> Repairer::RescueDirectory(InodeRef ref) {
  constexpr uint32_t kMode = S_IFDIR | 0700;
  auto dir = co_await LostAndFound();
  if (!dir.ok()) {
    co_return dir.error();
  }
  auto parent = co_await LoadInode(client_, *dir);
  if (!parent.ok()) {
    co_return parent.error();
  }
  const TimeSpec now = WallTime(env_.clock);
  pb::Inode record;
  auto self = co_await LoadInode(client_, ref);
  if (self.ok()) {
    record = self->record;
  } else if (self.error() == Errno(ENOENT) || self.error() == Errno(EIO)) {
    FillNewRecord(ref, kMode, now, client_->Now(), &record);
  } else {
    co_return self.error();
  }
  pb::Link* link = record.mutable_sole_link();
  link->set_parent(dir->ino);
  link->set_name("#" + std::to_string(ref.ino));
  link->set_link_id(env_.random->Next() | 1);
  pb::Dentry dentry;
  dentry.set_ino(ref.ino);
  dentry.set_home(ref.home);
  dentry.set_type(DirentType(kMode));
  dentry.set_link_id(link->link_id());
  parent->record.set_subdirectories(parent->record.subdirectories() + 1);
  ChangeSet changes;
  changes.Put(
      dir->ino,
      keys::Dentry(keys::NameHash(client_->info().name_hash_key, link->name()), link->name()),
      EncodeDentry(dentry));
  changes.Update(*parent);
  changes.TouchDirectory(dir->ino, now, client_->Now());
  changes.Put(ref.home, keys::Self(), EncodeInode(record));
  changes.Put(ref.home, keys::Alive(), {});
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

Task<Errno> Repairer::ListOrphan(InodeRef ref) {
  auto inode = co_await LoadInode(client_, ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  ChangeSet changes;
  changes.AllowReserve();
  changes.Update(*inode);
  changes.PutWork(ref.home, OrphanWork(inode->record));
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

// The directory's count and place are those that the walk found.
Task<Errno> Repairer::FixDirectory(const FsckProblem* problem) {
  auto self = co_await LoadInode(client_, problem->inode);
  if (!self.ok()) {
    co_return self.error();
  }
  ChangeSet changes;
  if (problem->kind == FsckProblem::Kind::kNotAlive) {
    changes.Put(problem->inode.ino, keys::Alive(), {});
  } else if (problem->kind == FsckProblem::Kind::kWrongPlace) {
    self->record.mutable_sole_link()->set_parent(problem->directory);
    self->record.mutable_sole_link()->set_name(problem->key);
  } else {
    self->record.set_subdirectories(walk_->SubdirectoriesOf(problem->inode.ino));
  }
  changes.Update(*self);
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

std::string Identity(const FsckProblem& problem) {
  return std::to_string(static_cast<int>(problem.kind)) + "/" + std::to_string(problem.inode.ino) +
         "/" + std::to_string(problem.directory) + "/" + problem.key;
}

// What is wrong now, and was so in an earlier walk.
Task<FsResult<FsckReport>> LookTwice(client::Client* client, const std::vector<Ino>* homes,
                                     FsckReport report) {
  FsckWalk second(client, homes);
  const Errno again = co_await second.Run();
  if (!again.ok()) {
    co_return again;
  }
  std::set<std::string> seen_again;
  for (const FsckProblem& problem : second.report().problems) {
    seen_again.insert(Identity(problem));
  }
  std::erase_if(report.problems, [&](const FsckProblem& problem) {
    return !seen_again.contains(Identity(problem));
  });
  co_return report;
}

// How many of the walk's problems are put right now.
Task<size_t> RepairAll(client::Client* client, env::Env env, FsckWalk* walk) {
  auto& problems = walk->report().problems;
  // Counts first: what is put into lost+found later is not in the walk's.
  std::stable_partition(problems.begin(), problems.end(), [](const FsckProblem& problem) {
    return problem.kind == FsckProblem::Kind::kWrongSubdirectories;
  });
  Repairer repairer(client, env, walk);
  size_t repaired = 0;
  for (FsckProblem& problem : problems) {
    const Errno done = co_await repairer.Repair(&problem);
    if (done.ok()) {
      ++repaired;
    } else if (done != kRetry) {
      problem.text += "; not repaired: errno " + std::to_string(done.value());
    }
  }
  co_return repaired;
}

}  // namespace

const char* KindName(FsckProblem::Kind kind) {
  switch (kind) {
    case FsckProblem::Kind::kUnreadable:
      return "unreadable";
    case FsckProblem::Kind::kDanglingEntry:
      return "dangling-entry";
    case FsckProblem::Kind::kWrongEntryType:
      return "wrong-entry-type";
    case FsckProblem::Kind::kWrongLinks:
      return "wrong-links";
    case FsckProblem::Kind::kNameless:
      return "nameless";
    case FsckProblem::Kind::kUnreachable:
      return "unreachable";
    case FsckProblem::Kind::kUnlistedOrphan:
      return "unlisted-orphan";
    case FsckProblem::Kind::kWrongSubdirectories:
      return "wrong-subdirectories";
    case FsckProblem::Kind::kWrongPlace:
      return "wrong-place";
    case FsckProblem::Kind::kSecondName:
      return "second-name";
    case FsckProblem::Kind::kNotAlive:
      return "not-alive";
    case FsckProblem::Kind::kStrayItem:
      return "stray-item";
  }
  return "?";
}

std::vector<Ino> HomesAmong(const std::vector<Bytes>& partition_keys) {
  std::vector<Ino> homes;
  for (const Bytes& pk : partition_keys) {
    if (const auto home = keys::HomeOfPk(pk)) {
      homes.push_back(*home);
    }
  }
  return homes;
}

Task<FsResult<FsckReport>> CheckFilesystem(client::Client* client, env::Env env,
                                           std::vector<Ino> homes, bool repair) {
  // A repair may lay open what was hidden: an erased name, say, leaves a directory without one.
  constexpr int kMostRounds = 8;
  std::vector<FsckProblem> problems;
  FsckReport report;
  for (int round = 0; round < kMostRounds; ++round) {
    FsckWalk walk(client, &homes);
    const Errno walked = co_await walk.Run();
    if (!walked.ok()) {
      co_return walked;
    }
    size_t repaired = 0;
    if (repair) {
      repaired = co_await RepairAll(client, env, &walk);
    }
    report = std::move(walk.report());
    if (!repair && !report.problems.empty()) {
      auto certain = co_await LookTwice(client, &homes, std::move(report));
      co_return certain;
    }
    std::move(report.problems.begin(), report.problems.end(), std::back_inserter(problems));
    if (repaired == 0) {
      break;
    }
  }
  report.problems = std::move(problems);
  co_return report;
}

}  // namespace kvfs::fs
