#include "fs/vfs/foreign_changes.h"

#include "fs/meta/keys.h"

namespace kvfs::fs {
namespace {

void Understand(Ino home, ByteView ck, ForeignChanges* meaning) {
  if (ck.empty()) {
    return;
  }
  switch (static_cast<keys::Tag>(ck.front())) {
    case keys::Tag::kSelf:
    case keys::Tag::kTimes:
      meaning->attributes.insert(home);
      break;
    case keys::Tag::kDentry:
      if (const auto parts = keys::ParseDentry(ck)) {
        meaning->names.emplace(home, Bytes(parts->name));
      }
      break;
    case keys::Tag::kInode:  // one that says where the content is, too
    case keys::Tag::kInline:
    case keys::Tag::kBlock:
      if (const auto ino = keys::ParseOwner(ck)) {
        meaning->contents.insert(*ino);
      }
      break;
    case keys::Tag::kLink:
    case keys::Tag::kXattr:
      if (const auto ino = keys::ParseOwner(ck)) {
        meaning->attributes.insert(*ino);
      }
      break;
    case keys::Tag::kLock:
      if (const auto ino = keys::ParseOwner(ck)) {
        meaning->locks.insert(*ino);
      }
      break;
    default:
      break;
  }
}

}  // namespace

void Add(ForeignChanges* all, ForeignChanges more, size_t most) {
  all->names.merge(more.names);
  all->attributes.merge(more.attributes);
  all->contents.merge(more.contents);
  all->locks.merge(more.locks);
  all->homes.merge(more.homes);
  all->everything |= more.everything;
  if (all->size() > most) {
    *all = {};
    all->everything = true;
  }
}

ForeignChanges Understand(const std::vector<client::Change>& changes) {
  ForeignChanges meaning;
  for (const client::Change& change : changes) {
    if (change.pk.empty()) {
      meaning.everything = true;
      continue;
    }
    const auto home = keys::HomeOfPk(change.pk);
    if (!home) {
      continue;
    }
    if (change.cks.empty()) {
      meaning.homes.insert(*home);
    }
    for (const Bytes& ck : change.cks) {
      Understand(*home, ck, &meaning);
    }
  }
  for (const Ino ino : meaning.contents) {
    meaning.attributes.erase(ino);
  }
  return meaning;
}

}  // namespace kvfs::fs
