#include "fs/meta/conflict_items.h"

#include <cstdio>
#include <utility>

#include "fs/meta/inode_store.h"

namespace kvfs::fs {
namespace {

VersionStamp StampOf(const client::Sibling& sibling) {
  return {.time = sibling.time, .dot = sibling.dot};
}

}  // namespace

Result<std::vector<RecordVersion>> RecordVersions(const client::Item& item) {
  std::vector<RecordVersion> versions;
  for (const client::Sibling& sibling : item.siblings) {
    if (sibling.tombstone) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(pb::Inode record, DecodeInode(sibling.value));
    versions.push_back({.stamp = StampOf(sibling), .record = std::move(record)});
  }
  return versions;
}

Result<std::vector<DentryVersion>> DentryVersions(const client::Item& item) {
  std::vector<DentryVersion> versions;
  for (const client::Sibling& sibling : item.siblings) {
    if (sibling.tombstone) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(pb::Dentry dentry, DecodeDentry(sibling.value));
    versions.push_back({.stamp = StampOf(sibling), .dentry = std::move(dentry)});
  }
  return versions;
}

std::vector<ContentVersion> ContentVersions(const client::Item* item) {
  std::vector<ContentVersion> versions;
  if (item != nullptr) {
    for (const client::Sibling& sibling : item->siblings) {
      if (!sibling.tombstone) {
        versions.push_back({.stamp = StampOf(sibling), .value = sibling.value});
      }
    }
  }
  return versions;
}

Result<pb::Inode> MergedRecord(const client::Item& item, const client::Item* content) {
  KVFS_ASSIGN_OR_RETURN(auto versions, RecordVersions(item));
  return MergeInode(std::move(versions), ContentVersions(content)).record;
}

Bytes DescribeOrigin(const pb::ConflictOrigin& origin) {
  char text[160];
  std::snprintf(text, sizeof text, "inode=%llu dot=%016llx:%llu time=%016llx",
                static_cast<unsigned long long>(origin.ino()),
                static_cast<unsigned long long>(origin.dot_epoch()),
                static_cast<unsigned long long>(origin.dot_counter()),
                static_cast<unsigned long long>(origin.time()));
  return text;
}

}  // namespace kvfs::fs
