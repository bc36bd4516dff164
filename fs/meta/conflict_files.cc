// ConflictResolver: files: content, links, extended attributes.

#include <algorithm>
#include <set>

#include "fs/meta/conflict_items.h"
#include "fs/meta/conflict_resolver.h"
#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/posix.h"
#include "fs/meta/posix_acl.h"
#include "fs/meta/xattr_names.h"

namespace kvfs::fs {
namespace {

// One side deleted the file for good, content and all; the other changed its attributes or name
// alone, which bring the record back but nothing to go with it.
bool IsHollow(const pb::Inode& record, const std::optional<client::Item>& content) {
  const bool has_bytes = (S_ISREG(record.mode()) || S_ISLNK(record.mode())) && record.size() > 0;
  return has_bytes && !record.content().is_chunked() && !content.has_value();
}

}  // namespace

Task<Errno> ConflictResolver::ResolveFile(InodeRef ref, std::vector<pb::Link> hints) {
  const Errno done = co_await RetryOnConflict([&] { return TryFile(ref, &hints); });
  co_return done;
}

Task<FsResult<ConflictResolver::FileItems>> ConflictResolver::ReadFile(InodeRef ref) {
  FileItems items;
  const Bytes pk = keys::DirectoryPk(ref.home);
  std::vector<client::ItemKey> wanted;
  wanted.emplace_back(pk, keys::Inode(ref.ino));
  wanted.emplace_back(pk, keys::Inline(ref.ino));
  auto found = co_await client_->GetMany(std::move(wanted));
  if (!found.ok()) {
    co_return ToErrno(found.error());
  }
  items.record = std::move((*found)[0]);
  items.content = std::move((*found)[1]);
  auto links = co_await ScanAll(ref.home, keys::LinkPrefix(ref.ino));
  if (!links.ok()) {
    co_return links.error();
  }
  items.links = std::move(*links);
  auto xattrs = co_await ScanAll(ref.home, keys::XattrPrefix(ref.ino));
  if (!xattrs.ok()) {
    co_return xattrs.error();
  }
  items.xattrs = std::move(*xattrs);
  co_return items;
}

// What a side left of a file whose record is gone on both.
Task<Errno> ConflictResolver::EraseStrays(InodeRef ref, const FileItems* items) {
  constexpr size_t kMostErases = 1000;
  auto blocks = co_await ScanAll(ref.home, keys::BlockPrefix(ref.ino));
  if (!blocks.ok()) {
    co_return blocks.error();
  }
  std::vector<Bytes> strays;
  if (items->content) {
    strays.push_back(items->content->ck);
  }
  const std::vector<client::Item>& found = *blocks;
  for (const auto* list : {&items->links, &items->xattrs, &found}) {
    for (const client::Item& item : *list) {
      strays.push_back(item.ck);
    }
  }
  while (!strays.empty()) {
    ChangeSet changes;
    changes.AllowReserve();
    changes.AssertAbsent(ref.home, keys::Inode(ref.ino));
    changes.Erase(ref.home, keys::Lock(ref.ino));
    for (size_t i = 0; i < kMostErases && !strays.empty(); ++i) {
      changes.Erase(ref.home, std::move(strays.back()));
      strays.pop_back();
    }
    const Errno done = co_await changes.Commit(client_);
    if (!done.ok()) {
      co_return done;
    }
  }
  co_return 0;
}

// The deletion stands: the record goes again, and the names that lead to it.
Task<Errno> ConflictResolver::EraseHollow(InodeRef ref, const FileItems* items,
                                          const std::vector<Place>* places) {
  ChangeSet changes;
  changes.AllowReserve();
  changes.AssertVersion(ref.home, items->record->ck, items->record->version);
  changes.Erase(ref.home, items->record->ck);
  for (const auto* list : {&items->links, &items->xattrs}) {
    for (const client::Item& item : *list) {
      changes.Erase(ref.home, item.ck);
    }
  }
  for (const Place& place : *places) {
    if (place.is_here && place.entry->siblings.size() == 1) {
      changes.AssertVersion(place.link.parent(), place.ck, place.entry->version);
      changes.Erase(place.link.parent(), place.ck);
    }
  }
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

Task<FsResult<std::vector<ConflictResolver::Place>>> ConflictResolver::FindPlaces(
    Ino ino, std::vector<Place> candidates) {
  std::vector<Place> places;
  std::vector<client::ItemKey> wanted;
  for (Place& candidate : candidates) {
    if (std::find(places.begin(), places.end(), candidate) == places.end()) {
      candidate.ck = EntryKey(candidate.link.name());
      wanted.emplace_back(keys::DirectoryPk(candidate.link.parent()), candidate.ck);
      places.push_back(std::move(candidate));
    }
  }
  auto found = co_await client_->GetMany(std::move(wanted));
  if (!found.ok()) {
    co_return ToErrno(found.error());
  }
  for (size_t i = 0; i < places.size(); ++i) {
    places[i].entry = std::move((*found)[i]);
    if (places[i].entry) {
      auto versions = DentryVersions(*places[i].entry);
      if (!versions.ok()) {
        co_return ToErrno(versions.error());
      }
      places[i].is_here =
          std::any_of(versions->begin(), versions->end(),
                      [ino](const DentryVersion& version) { return version.dentry.ino() == ino; });
    }
  }
  co_return places;
}

Task<FsResult<ConflictResolver::Place>> ConflictResolver::ChoosePlace(InodeRef ref,
                                                                      std::vector<Place> places,
                                                                      VersionStamp stamp) {
  // What is missing at home is certain, for all of the home has come at once; what is missing
  // elsewhere may be on its way.
  std::stable_partition(places.begin(), places.end(),
                        [&](const Place& place) { return place.link.parent() != ref.home; });
  for (Place& place : places) {
    const Errno there = co_await EnsureDirectory(place.link.parent(), 0);
    if (there == Errno(ENOENT)) {
      continue;
    }
    if (!there.ok()) {
      co_return there;
    }
    if (place.entry) {  // somebody else's by now
      auto name = co_await FreeName(place.link.parent(), place.link.name(), stamp, ref.ino);
      if (!name.ok()) {
        co_return name.error();
      }
      place.link.set_name(*name);
    }
    std::vector<Place> one(1, place);
    auto found = co_await FindPlaces(ref.ino, std::move(one));
    if (!found.ok()) {
      co_return found.error();
    }
    co_return std::move(found->front());
  }
  auto directory = co_await LostAndFound();
  if (!directory.ok()) {
    co_return directory.error();
  }
  Place rescued;
  rescued.link.set_parent(*directory);
  rescued.link.set_name("#" + std::to_string(ref.ino));
  rescued.link.set_link_id(DerivedLinkId(ref.ino, *directory, rescued.link.name()));
  std::vector<Place> one(1, rescued);
  auto found = co_await FindPlaces(ref.ino, std::move(one));
  if (!found.ok()) {
    co_return found.error();
  }
  co_return std::move(found->front());
}

Task<Errno> ConflictResolver::TryFile(InodeRef ref, const std::vector<pb::Link>* hints) {
  auto items = co_await ReadFile(ref);
  if (!items.ok()) {
    co_return items.error();
  }
  if (!items->record) {
    const Errno erased = co_await EraseStrays(ref, &*items);
    co_return erased;
  }
  auto versions = RecordVersions(*items->record);
  if (!versions.ok()) {
    co_return ToErrno(versions.error());
  }
  for (const RecordVersion& version : *versions) {
    if (version.record.ino() != ref.ino || version.record.home() != ref.home ||
        S_ISDIR(version.record.mode())) {
      co_return EIO;
    }
  }

  // Everywhere the inode might have a name, as the latest version that says so has it.
  std::vector<Place> candidates;
  std::sort(versions->begin(), versions->end(),
            [](const RecordVersion& a, const RecordVersion& b) { return b.stamp < a.stamp; });
  for (const RecordVersion& version : *versions) {
    if (version.record.has_sole_link() && version.record.nlink() != 0) {
      candidates.push_back({.link = version.record.sole_link(), .stamp = version.stamp});
    }
  }
  for (const client::Item& item : items->links) {
    for (const client::Sibling& sibling : item.siblings) {
      auto link = DecodeLink(sibling.value);
      if (!link.ok()) {
        co_return ToErrno(link.error());
      }
      candidates.push_back(
          {.link = std::move(*link), .stamp = {.time = sibling.time, .dot = sibling.dot}});
    }
  }
  for (const pb::Link& hint : *hints) {
    candidates.push_back({.link = hint});
  }
  const VersionStamp latest = versions->front().stamp;
  const std::vector<RecordVersion> all = *versions;
  MergedInode merged = MergeInode(std::move(*versions),
                                  ContentVersions(items->content ? &*items->content : nullptr));

  auto places = co_await FindPlaces(ref.ino, std::move(candidates));
  if (!places.ok()) {
    co_return places.error();
  }
  if (IsHollow(merged.record, items->content)) {
    const Errno erased = co_await EraseHollow(ref, &*items, &*places);
    co_return erased;
  }
  std::vector<Place> named;
  std::vector<Place> missing;
  for (const Place& place : *places) {
    if (place.is_here && !merged.is_deleted) {
      named.push_back(place);
    } else if (!place.is_here && place.link.parent() != ref.home) {
      missing.push_back(place);
    }
  }
  const bool needs_name = named.empty() && !merged.is_deleted;
  if (needs_name) {
    auto chosen = co_await ChoosePlace(ref, std::move(*places), latest);
    if (!chosen.ok()) {
      co_return chosen.error();
    }
    named.push_back(std::move(*chosen));
  }

  const bool was_in_conflict = items->record->siblings.size() > 1;
  LoadedInode inode{.ref = ref, .record = merged.record, .version = items->record->version};
  ChangeSet changes;
  if (was_in_conflict && !merged.is_deleted) {
    LookAgain(ref, missing, &changes);
  }
  // Names that only one side has left in place are written again, so that what the other side
  // brings later does not take them away.
  const bool touch = was_in_conflict && merged.was_deleted && !merged.is_deleted;
  PutLinks(ref, *items, &named, &inode.record, &changes);
  for (const Place& place : named) {
    PutEntry(ref, inode.record.mode(), place, touch && place.link.parent() != ref.home, &changes);
  }
  std::vector<std::pair<Bytes, Bytes>> xattrs;
  MergeXattrs(ref, *items, merged.owner_conflict, &inode.record, &xattrs, &changes);
  if (items->content && items->content->siblings.size() > 1) {
    changes.AssertVersion(ref.home, items->content->ck, items->content->version);
    changes.Put(ref.home, items->content->ck, merged.inline_content.value_or(Bytes()));
  }
  for (const RecordVersion& version : all) {
    if (was_in_conflict && version.record.nlink() == 0) {
      if (!merged.is_deleted || OrphanWork(version.record) == OrphanWork(inode.record)) {
        continue;
      }
      changes.EraseWork(ref.home, OrphanWork(version.record));
    }
  }
  if (merged.is_deleted && was_in_conflict) {
    changes.PutWork(ref.home, OrphanWork(inode.record));
  } else if (!merged.is_deleted) {
    inode.record.clear_orphan_due_millis();
  }
  if (!was_in_conflict && changes.empty() && EncodeInode(inode.record) == items->record->value()) {
    co_return 0;
  }

  pb::ConflictNote note;
  note.set_ino(ref.ino);
  note.set_home(ref.home);
  if (!named.empty()) {
    Describe(was_in_conflict ? merged.content_stamp : latest, inode.record, ref.ino,
             named.front().link, &note);
  }
  merged.record = inode.record;
  for (const LostContent& lost : merged.lost) {
    const Errno copied =
        co_await PutCopy(ref, &lost, &merged, &xattrs, &named.front(), &note, &changes);
    if (!copied.ok()) {
      co_return copied;
    }
  }
  if (!merged.lost.empty()) {
    note.set_kind(pb::ConflictNote::CONTENT);
    AddNote(std::move(note), &changes);
  } else if (touch || needs_name) {
    note.set_kind(pb::ConflictNote::EDIT_AND_DELETE);
    AddNote(std::move(note), &changes);
  }
  changes.Update(inode);
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

}  // namespace kvfs::fs
