// Items of the store as the versions that conflict.h judges, and what it says in words
// for people. Pure.
#pragma once

#include "fs/meta/conflict.h"
#include "fs/meta/records.pb.h"
#include "kvcore/base/status.h"
#include "kvcore/client/types.h"

namespace kvfs::fs {

// kCorruption: a sibling that does not decode.
Result<std::vector<RecordVersion>> RecordVersions(const client::Item& item);
Result<std::vector<DentryVersion>> DentryVersions(const client::Item& item);
std::vector<ContentVersion> ContentVersions(const client::Item* item);  // null: there is none

// What the siblings of a record come to. `content`: the item c/<ino>, or null.
Result<pb::Inode> MergedRecord(const client::Item& item, const client::Item* content);

// The value of user.kvfs.conflict.
Bytes DescribeOrigin(const pb::ConflictOrigin& origin);

}  // namespace kvfs::fs
