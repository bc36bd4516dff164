// ConflictResolver: directories: that they are there, where they are, what they count.

#include <algorithm>
#include <set>

#include "fs/meta/conflict_items.h"
#include "fs/meta/conflict_resolver.h"
#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

constexpr int kMostAncestors = 1000;

}  // namespace

// What one pk says of its directory.
struct ConflictResolver::DirectoryItems {
  std::optional<client::Item> self, alive, times, grave;
  bool has_entries = false;
  std::vector<RecordVersion> versions;  // of self, else of the grave; the latest first
};

Task<Errno> ConflictResolver::ReadDirectory(Ino ino, DirectoryItems* items) {
  const Bytes pk = keys::DirectoryPk(ino);
  std::vector<client::ItemKey> wanted;
  for (Bytes ck : {keys::Self(), keys::Alive(), keys::Times(), keys::Grave()}) {
    wanted.emplace_back(pk, std::move(ck));
  }
  auto found = co_await client_->GetMany(std::move(wanted));
  if (!found.ok()) {
    co_return ToErrno(found.error());
  }
  items->self = std::move((*found)[0]);
  items->alive = std::move((*found)[1]);
  items->times = std::move((*found)[2]);
  items->grave = std::move((*found)[3]);
  auto entries = co_await client_->Scan(pk, keys::DentryPrefix(), keys::DentryEnd(), 1);
  if (!entries.ok()) {
    co_return ToErrno(entries.error());
  }
  items->has_entries = !entries->items.empty();
  if (items->self || items->grave) {
    auto versions = RecordVersions(items->self ? *items->self : *items->grave);
    if (!versions.ok()) {
      co_return ToErrno(versions.error());
    }
    items->versions = std::move(*versions);
    std::sort(items->versions.begin(), items->versions.end(),
              [](const RecordVersion& a, const RecordVersion& b) { return b.stamp < a.stamp; });
  }
  co_return 0;
}

Task<Errno> ConflictResolver::ResolveDirectory(Ino ino, std::vector<pb::Link> hints) {
  const Errno done = co_await RetryOnConflict([&] { return TryDirectory(ino, &hints, false, 0); });
  co_return done;
}

Task<Errno> ConflictResolver::EnsureDirectory(Ino ino, int depth) {
  DirectoryItems items;
  const Errno read = co_await ReadDirectory(ino, &items);
  if (!read.ok()) {
    co_return read;
  }
  if (items.self && items.alive) {
    co_return 0;
  }
  if ((!items.self && !items.grave) || depth > kMostAncestors) {
    co_return ENOENT;
  }
  const std::vector<pb::Link> no_hints;
  const Errno done =
      co_await RetryOnConflict([&] { return TryDirectory(ino, &no_hints, true, depth + 1); });
  co_return done;
}

Task<FsResult<Ino>> ConflictResolver::LostAndFound() {
  constexpr uint32_t kMode = 0700;
  const InodeRef root{.ino = kRootIno, .home = kRootIno};
  auto found = co_await names_.Lookup(root, "lost+found");
  if (found.ok() && S_ISDIR(found->attr.mode)) {
    co_return found->ref.ino;
  }
  auto made = co_await names_.MakeDirectory(root, "lost+found", kMode, {});
  if (!made.ok()) {
    co_return made.error();
  }
  co_return made->ref.ino;
}

// The place that counts of those that the versions of the record name: of the names that are there
// the one of the latest version, else the latest that can be had. `others`: the
// rest of them, of which those that are there are to be taken away.
Task<FsResult<ConflictResolver::Place>> ConflictResolver::PlaceDirectory(
    Ino ino, const DirectoryItems* items, const std::vector<pb::Link>* hints, VersionStamp stamp,
    int depth, std::vector<Place>* others) {
  std::vector<Place> candidates;
  for (const RecordVersion& version : items->versions) {
    if (version.record.has_sole_link()) {
      candidates.push_back({.link = version.record.sole_link(), .stamp = version.stamp});
    }
  }
  for (const pb::Link& hint : *hints) {
    candidates.push_back({.link = hint});
  }
  auto places = co_await FindPlaces(ino, std::move(candidates));
  if (!places.ok()) {
    co_return places.error();
  }
  std::optional<Place> chosen;
  for (const Place& place : *places) {
    if (place.is_here && !chosen) {
      chosen = place;
    } else {
      others->push_back(place);
    }
  }
  if (chosen) {
    co_return std::move(*chosen);
  }
  for (Place& place : *places) {
    const Errno there = co_await EnsureDirectory(place.link.parent(), depth);
    if (there == Errno(ENOENT)) {
      continue;
    }
    if (!there.ok()) {
      co_return there;
    }
    if (place.entry) {
      auto name = co_await FreeName(place.link.parent(), place.link.name(), stamp, ino);
      if (!name.ok()) {
        co_return name.error();
      }
      place.link.set_name(*name);
    }
    std::vector<Place> one(1, place);
    auto found = co_await FindPlaces(ino, std::move(one));
    if (!found.ok()) {
      co_return found.error();
    }
    co_return std::move(found->front());
  }
  const InodeRef ref{.ino = ino, .home = ino};
  auto rescued = co_await ChoosePlace(ref, {}, stamp);
  co_return rescued;
}

Task<FsResult<std::optional<Ino>>> ConflictResolver::FindRing(Ino ino, VersionStamp stamp,
                                                              Ino parent) {
  std::pair<VersionStamp, Ino> latest(stamp, ino);
  std::set<Ino> seen;
  for (Ino above = parent; above != kRootIno;) {
    if (above == ino) {
      co_return std::optional<Ino>(latest.second);
    }
    if (!seen.insert(above).second) {
      co_return std::optional<Ino>();  // a ring that this one only hangs on
    }
    auto item = co_await Get(above, keys::Self());
    if (!item.ok()) {
      co_return item.error();
    }
    if (!item->has_value()) {
      co_return std::optional<Ino>();
    }
    auto versions = RecordVersions(**item);
    if (!versions.ok() || versions->empty()) {
      co_return Errno(EIO);
    }
    const auto last = std::max_element(
        versions->begin(), versions->end(),
        [](const RecordVersion& a, const RecordVersion& b) { return a.stamp < b.stamp; });
    latest = std::max(latest, std::pair(last->stamp, above));
    above = last->record.sole_link().parent();
  }
  co_return std::optional<Ino>();
}

Task<Errno> ConflictResolver::TakeOut(Ino ino) {
  auto self = co_await LoadInode(client_, {.ino = ino, .home = ino});
  if (!self.ok()) {
    co_return self.error();
  }
  if (self->in_conflict) {
    co_return kRetry;
  }
  const pb::Link old = self->record.sole_link();
  auto directory = co_await LostAndFound();
  if (!directory.ok()) {
    co_return directory.error();
  }
  if (old.parent() == *directory) {
    co_return 0;
  }
  const Bytes old_ck = EntryKey(old.name());
  auto entry = co_await Get(old.parent(), old_ck);
  if (!entry.ok()) {
    co_return entry.error();
  }
  auto chosen = co_await ChoosePlace(self->ref, {}, {});
  if (!chosen.ok()) {
    co_return chosen.error();
  }
  ChangeSet changes;
  pb::ConflictNote note;
  note.set_kind(pb::ConflictNote::RESCUED);
  note.set_ino(ino);
  note.set_home(ino);
  auto* version = note.add_versions();
  version->set_ino(ino);
  *version->mutable_place() = chosen->link;
  version->set_time(self->record.ctime().set_at());
  AddNote(std::move(note), &changes);
  if (entry->has_value()) {
    auto dentry = DecodeDentry((*entry)->value());
    if (dentry.ok() && dentry->ino() == ino && (*entry)->siblings.size() == 1) {
      changes.AssertVersion(old.parent(), old_ck, (*entry)->version);
      changes.Erase(old.parent(), old_ck);
    }
  }
  *self->record.mutable_sole_link() = chosen->link;
  PutEntry(self->ref, self->record.mode(), *chosen, false, &changes);
  // `self` as it is on disk: its times are in an item of their own.
  changes.Update(*self);
  const Errno done = co_await changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  for (const Ino parent : {old.parent(), *directory}) {
    const Errno counted = co_await CountSubdirectories(parent);
    if (!counted.ok()) {
      co_return counted;
    }
  }
  co_return 0;
}

// A crash between the commits of this leaves the line of the work index, and everything is looked
// at again from the start: each commit leaves the tree more whole than it was.
Task<Errno> ConflictResolver::TryDirectory(Ino ino, const std::vector<pb::Link>* hints,
                                           bool must_be, int depth) {
  DirectoryItems items;
  const Errno read = co_await ReadDirectory(ino, &items);
  if (!read.ok()) {
    co_return read;
  }
  ChangeSet changes;
  const InodeRef ref{.ino = ino, .home = ino};
  if (!items.self && !items.has_entries && !items.alive && !must_be) {
    changes.AssertAbsent(ino, keys::Self());
    changes.AssertNoneWithPrefix(ino, keys::DentryPrefix());
    const bool has_graves = items.grave && items.grave->siblings.size() > 1;
    if (items.times) {  // a side that did not know of the removal wrote it
      changes.Erase(ino, keys::Times());
    }
    if (has_graves) {  // both sides have removed it
      changes.AssertVersion(ino, keys::Grave(), items.grave->version);
      changes.Put(ino, keys::Grave(), items.grave->value());
    }
    if (items.times || has_graves) {
      const Errno done = co_await changes.Commit(client_);
      co_return done;
    }
    co_return 0;
  }
  pb::Inode record;
  VersionStamp stamp;
  bool was_in_conflict = false;
  if (items.versions.empty()) {  // nothing is left that says what it was
    constexpr uint32_t kMode = S_IFDIR | 0700;
    FillNewRecord(ref, kMode, WallTime(env_.clock), client_->Now(), &record);
  } else {
    stamp = items.versions.front().stamp;
    was_in_conflict = items.self && items.self->siblings.size() > 1;
    record = MergeInode(items.versions, {}).record;
    if (record.ino() != ino || !S_ISDIR(record.mode())) {
      co_return EIO;
    }
  }
  record.set_nlink(1);
  const bool comes_back = !items.self || !items.alive;
  std::vector<Place> others;
  std::optional<Place> place;
  if (ino != kRootIno) {
    auto placed = co_await PlaceDirectory(ino, &items, hints, stamp, depth, &others);
    if (!placed.ok()) {
      co_return placed.error();
    }
    place = std::move(*placed);
    *record.mutable_sole_link() = place->link;
    const bool touch = (comes_back || was_in_conflict) && place->entry.has_value();
    PutEntry(ref, record.mode(), *place, touch, &changes);
    pb::ConflictNote note;
    note.set_ino(ino);
    note.set_home(ino);
    for (const Place& other : others) {
      if (other.is_here && other.entry->siblings.size() == 1) {
        note.set_kind(pb::ConflictNote::MOVED_TWICE);
        changes.AssertVersion(other.link.parent(), other.ck, other.entry->version);
        changes.Erase(other.link.parent(), other.ck);
        changes.TouchDirectory(other.link.parent(), WallTime(env_.clock), client_->Now());
      }
    }
    if (was_in_conflict) {
      LookAgain(ref, others, &changes);
    }
    std::erase_if(others, [](const Place& other) { return !other.is_here; });
    if (comes_back || !others.empty()) {
      if (comes_back) {
        note.set_kind(pb::ConflictNote::EDIT_AND_DELETE);
      }
      for (const Place* told : {&*place, others.empty() ? nullptr : &others.front()}) {
        if (told != nullptr) {
          auto* version = note.add_versions();
          version->set_dot_epoch(told->stamp.dot.epoch);
          version->set_dot_counter(told->stamp.dot.counter);
          version->set_time(told->stamp.time);
          version->set_ino(ino);
          *version->mutable_place() = told->link;
        }
      }
      AddNote(std::move(note), &changes);
    }
  }
  LoadedInode self{.ref = ref, .record = record, .version = {}};
  if (items.self) {
    self.version = items.self->version;
  }
  if (items.times && items.times->siblings.size() > 1) {
    pb::DirectoryTimes joined;
    for (const client::Sibling& sibling : items.times->siblings) {
      auto times = DecodeTimes(sibling.value);
      if (!times.ok()) {
        co_return ToErrno(times.error());
      }
      JoinTime(joined.mutable_mtime(), times->mtime());
      JoinTime(joined.mutable_ctime(), times->ctime());
    }
    changes.AssertVersion(ino, items.times->ck, items.times->version);
    changes.Put(ino, items.times->ck, EncodeTimes(joined));
  } else if (!items.times) {
    changes.TouchDirectory(ino, WallTime(env_.clock), client_->Now());
  }
  const bool changed =
      !items.self || was_in_conflict || EncodeInode(record) != items.self->value() || comes_back;
  if (changed || !changes.empty()) {
    changes.Update(self);
    changes.AssertVersion(ino, keys::Alive(),
                          items.alive ? items.alive->version : client::VersionId{});
    changes.Put(ino, keys::Alive(), {});
    if (items.grave) {
      changes.Erase(ino, keys::Grave());
    }
    const Errno done = co_await changes.Commit(client_);
    if (!done.ok()) {
      co_return done;
    }
  }
  if (place) {
    std::set<Ino> parents;
    for (const Place& other : others) {
      parents.insert(other.link.parent());
    }
    parents.insert(place->link.parent());
    for (const Ino parent : parents) {
      const Errno counted = co_await CountSubdirectories(parent);
      if (!counted.ok()) {
        co_return counted;
      }
    }
    auto ring = co_await FindRing(ino, stamp, place->link.parent());
    if (!ring.ok()) {
      co_return ring.error();
    }
    if (ring->has_value()) {
      const Ino victim = **ring;
      const Errno taken = co_await RetryOnConflict([&] { return TakeOut(victim); });
      if (!taken.ok()) {
        co_return taken;
      }
    }
  }
  co_return 0;
}

Task<Errno> ConflictResolver::CountSubdirectories(Ino ino) {
  const auto attempt = [this, ino]() -> Task<Errno> {
    auto item = co_await Get(ino, keys::Self());
    if (!item.ok()) {
      co_return item.error();
    }
    if (!item->has_value() || (*item)->siblings.size() > 1) {
      co_return 0;  // gone, or seen to when it is resolved
    }
    auto record = DecodeInode((*item)->value());
    if (!record.ok()) {
      co_return ToErrno(record.error());
    }
    auto entries = co_await ScanAll(ino, keys::DentryPrefix());
    if (!entries.ok()) {
      co_return entries.error();
    }
    uint64_t count = 0;
    for (const client::Item& entry : *entries) {
      auto versions = DentryVersions(entry);
      if (!versions.ok()) {
        continue;
      }
      std::set<Ino> directories;
      for (const DentryVersion& version : *versions) {
        if (version.dentry.ino() == version.dentry.home()) {
          directories.insert(version.dentry.ino());
        }
      }
      count += directories.size();
    }
    if (count == record->subdirectories()) {
      co_return 0;
    }
    LoadedInode self{
        .ref = {.ino = ino, .home = ino}, .record = *record, .version = (*item)->version};
    self.record.set_subdirectories(count);
    ChangeSet changes;
    changes.Update(self);
    const Errno done = co_await changes.Commit(client_);
    co_return done;
  };
  const Errno done = co_await RetryOnConflict(attempt);
  co_return done;
}

}  // namespace kvfs::fs
