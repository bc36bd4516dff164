// ConflictResolver: what the commit that resolves a file is made of: entries, links,
// extended attributes, conflict copies.

#include <algorithm>
#include <set>

#include "fs/meta/conflict_resolver.h"
#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/posix.h"
#include "fs/meta/posix_acl.h"
#include "fs/meta/xattr_names.h"

namespace kvfs::fs {

void Describe(const VersionStamp& stamp, const pb::Inode& content, Ino ino, const pb::Link& place,
              pb::ConflictNote* note) {
  auto* version = note->add_versions();
  version->set_dot_epoch(stamp.dot.epoch);
  version->set_dot_counter(stamp.dot.counter);
  version->set_time(stamp.time);
  version->set_ino(ino);
  *version->mutable_place() = place;
  version->set_size(content.size());
  version->set_root(content.content().tree_root());
}

void ConflictResolver::PutEntry(InodeRef ref, uint32_t mode, const Place& place, bool touch,
                                ChangeSet* changes) {
  pb::Dentry dentry;
  dentry.set_ino(ref.ino);
  dentry.set_home(ref.home);
  dentry.set_type(DirentType(mode));
  dentry.set_link_id(place.link.link_id());
  Bytes value = EncodeDentry(dentry);
  const Ino parent = place.link.parent();
  const bool is_lone = place.entry && place.entry->siblings.size() == 1;
  if (place.entry && !is_lone) {
    return;  // TryEntry's
  }
  if (is_lone && place.entry->value() == value && !touch) {
    return;
  }
  changes->AssertVersion(parent, place.ck,
                         place.entry ? place.entry->version : client::VersionId{});
  changes->Put(parent, place.ck, std::move(value));
  if (!place.entry) {
    changes->AssertPresent(parent, keys::Alive());
    changes->TouchDirectory(parent, WallTime(env_.clock), client_->Now());
  }
}

void ConflictResolver::PutLinks(InodeRef ref, const FileItems& items, std::vector<Place>* places,
                                pb::Inode* record, ChangeSet* changes) {
  std::set<uint64_t> ids;
  for (Place& place : *places) {
    if (place.link.link_id() == 0 || !ids.insert(place.link.link_id()).second) {
      place.link.set_link_id(DerivedLinkId(ref.ino, place.link.parent(), place.link.name()));
      ids.insert(place.link.link_id());
    }
  }
  std::set<Bytes> kept;
  record->set_nlink(static_cast<uint32_t>(places->size()));
  record->clear_sole_link();
  if (places->size() == 1) {
    *record->mutable_sole_link() = places->front().link;
  } else {
    for (const Place& place : *places) {
      Bytes ck = keys::Link(ref.ino, place.link.link_id());
      Bytes value = EncodeLink(place.link);
      kept.insert(ck);
      const auto old = std::find_if(items.links.begin(), items.links.end(),
                                    [&](const client::Item& item) { return item.ck == ck; });
      if (old == items.links.end() || old->siblings.size() > 1 || old->value() != value) {
        changes->Put(ref.home, std::move(ck), std::move(value));
      }
    }
  }
  for (const client::Item& item : items.links) {
    if (!kept.contains(item.ck)) {
      changes->Erase(ref.home, item.ck);
    }
  }
}

void ConflictResolver::MergeXattrs(InodeRef ref, const FileItems& items, bool drop_capability,
                                   pb::Inode* record, std::vector<std::pair<Bytes, Bytes>>* values,
                                   ChangeSet* changes) {
  uint32_t bits = 0;
  size_t name_bytes = 0;
  for (const client::Item& item : items.xattrs) {
    const auto name = keys::ParseXattrName(item.ck);
    const auto bit = name ? ClassifyXattr(*name) : FsResult<XattrBit>(Errno(EINVAL));
    if (!bit.ok()) {
      continue;
    }
    if (drop_capability && *bit == kXattrCapability) {
      changes->Erase(ref.home, item.ck);
      continue;
    }
    Bytes value = item.value();
    if (*bit == kXattrAclAccess && items.record && items.record->siblings.size() > 1) {
      // It says what the mode says, whichever of both came from which side.
      if (auto acl = PosixAcl::Parse(value)) {
        acl->Chmod(record->mode());
        value = acl->Encode();
      }
    }
    if (item.siblings.size() > 1 || value != item.value()) {
      changes->Put(ref.home, item.ck, value);
    }
    const bool differs =
        std::any_of(item.siblings.begin(), item.siblings.end(),
                    [&](const client::Sibling& sibling) { return sibling.value != item.value(); });
    if (differs) {
      pb::ConflictNote note;
      note.set_kind(pb::ConflictNote::XATTR);
      note.set_ino(ref.ino);
      note.set_home(ref.home);
      for (const client::Sibling& sibling : item.siblings) {
        Describe({.time = sibling.time, .dot = sibling.dot}, {}, ref.ino, {}, &note);
      }
      AddNote(std::move(note), changes);
    }
    bits |= *bit;
    name_bytes += name->size() + 1;
    values->emplace_back(Bytes(*name), std::move(value));
  }
  record->set_xattr_bits(bits);
  record->set_xattr_name_bytes(static_cast<uint32_t>(name_bytes));
}

Task<Errno> ConflictResolver::PutCopy(InodeRef original, const LostContent* lost,
                                      const MergedInode* merged,
                                      const std::vector<std::pair<Bytes, Bytes>>* xattrs,
                                      const Place* beside, pb::ConflictNote* note,
                                      ChangeSet* changes) {
  const InodeRef copy{.ino = CopyIno(original.ino, lost->stamp.dot), .home = original.home};
  pb::Inode record = merged->record;
  record.set_ino(copy.ino);
  record.set_mode(record.mode() & ~uint32_t{S_ISUID | S_ISGID});
  record.set_size(lost->record.size());
  record.set_allocated_bytes(lost->record.allocated_bytes());
  *record.mutable_content() = lost->record.content();
  *record.mutable_mtime() = lost->record.mtime();
  record.clear_orphan_due_millis();
  pb::ConflictOrigin* origin = record.mutable_conflict();
  origin->set_ino(original.ino);
  origin->set_dot_epoch(lost->stamp.dot.epoch);
  origin->set_dot_counter(lost->stamp.dot.counter);
  origin->set_time(lost->stamp.time);

  const Ino parent = beside->link.parent();
  auto name = co_await FreeName(parent, beside->link.name(), lost->stamp, copy.ino);
  if (!name.ok()) {
    co_return name.error();
  }
  std::vector<Place> one(1);
  one.front().link.set_parent(parent);
  one.front().link.set_name(*name);
  one.front().link.set_link_id(DerivedLinkId(copy.ino, parent, *name));
  auto found = co_await FindPlaces(copy.ino, std::move(one));
  if (!found.ok()) {
    co_return found.error();
  }
  Place place = std::move(found->front());
  *record.mutable_sole_link() = place.link;
  record.set_nlink(1);
  if (!RecordFits(record)) {
    co_return EIO;
  }
  Describe(lost->stamp, record, copy.ino, place.link, note);

  if (record.content().is_chunked() && contents_ != nullptr) {
    const Errno referred = co_await contents_->AddReferences(copy, record);
    if (!referred.ok()) {
      co_return referred;
    }
    auto surplus = co_await contents_->Surplus(original, lost->record, merged->record);
    if (!surplus.ok()) {
      co_return surplus.error();
    }
    for (const client::ChunkDrop& drop : *surplus) {
      changes->Drop(drop);
    }
  }
  changes->AssertAbsent(copy.home, keys::Inode(copy.ino));
  changes->Put(copy.home, keys::Inode(copy.ino), EncodeInode(record));
  changes->Put(copy.home, keys::Inline(copy.ino),
               record.content().is_chunked() ? ContentMark(record) : lost->inline_content);
  for (const auto& [xattr, value] : *xattrs) {
    if (xattr != kCapabilityName) {
      changes->Put(copy.home, keys::Xattr(copy.ino, xattr), value);
    }
  }
  PutEntry(copy, record.mode(), place, false, changes);
  co_return 0;
}

Task<FsResult<InodeRef>> ConflictResolver::CopyOf(InodeRef original, LostContent lost) {
  const InodeRef copy{.ino = CopyIno(original.ino, lost.stamp.dot), .home = original.home};
  const Errno made = co_await RetryOnConflict([&] { return TryCopyOf(original, copy, &lost); });
  if (!made.ok()) {
    co_return made;
  }
  co_return copy;
}

Task<Errno> ConflictResolver::TryCopyOf(InodeRef original, InodeRef copy, const LostContent* lost) {
  const auto there = co_await LoadInode(client_, copy);
  if (there.ok() || there.error() != Errno(ENOENT)) {
    co_return there.ok() ? Errno() : there.error();
  }
  auto kept = co_await LoadInode(client_, original);
  if (!kept.ok()) {
    co_return kept.error();
  }
  auto items = co_await ReadFile(original);
  if (!items.ok()) {
    co_return items.error();
  }
  Place beside;
  if (kept->record.has_sole_link()) {
    beside.link = kept->record.sole_link();
  } else if (!items->links.empty()) {
    auto link = DecodeLink(items->links.front().value());
    if (!link.ok()) {
      co_return ToErrno(link.error());
    }
    beside.link = std::move(*link);
  } else {
    co_return ESTALE;  // it has no name any more
  }
  std::vector<std::pair<Bytes, Bytes>> xattrs;
  for (const client::Item& item : items->xattrs) {
    if (const auto name = keys::ParseXattrName(item.ck)) {
      xattrs.emplace_back(Bytes(*name), item.value());
    }
  }
  MergedInode merged;
  merged.record = std::move(kept->record);
  pb::ConflictNote note;
  note.set_kind(pb::ConflictNote::CONTENT);
  note.set_ino(original.ino);
  note.set_home(original.home);
  ChangeSet changes;
  const Errno put = co_await PutCopy(original, lost, &merged, &xattrs, &beside, &note, &changes);
  if (!put.ok()) {
    co_return put;
  }
  AddNote(std::move(note), &changes);
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

}  // namespace kvfs::fs
