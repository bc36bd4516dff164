// InodeStore: reading and changing inode records. What Namespace and FileManager
// share, so that both take a record apart and put it back in the same way.
//
// Functions over a Client; no state. A change is optimistic: load, change the copy,
// commit with the assert that the record is still in the version loaded (AssertRecord
// + PutRecord), and load again on kConflict.
#pragma once

#include <vector>

#include "fs/meta/records.pb.h"
#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"

namespace kvfs::fs {

// An encoded record is never larger; a change that would make it so is EIO, not a bigger record.
inline constexpr size_t kMaxRecordBytes = 768;

// Protobuf <-> value of an item. Decoding takes hostile bytes: kCorruption.
Result<pb::Inode> DecodeInode(ByteView value);
Result<pb::Dentry> DecodeDentry(ByteView value);
Result<pb::DirectoryTimes> DecodeTimes(ByteView value);
Result<pb::Link> DecodeLink(ByteView value);
Bytes EncodeInode(const pb::Inode& record);  // REQUIRES: RecordFits(record)
Bytes EncodeDentry(const pb::Dentry& entry);
Bytes EncodeTimes(const pb::DirectoryTimes& times);
Bytes EncodeLink(const pb::Link& link);
bool RecordFits(const pb::Inode& record);

// Of a directory: whether it waits for a majority.
bool IsStrong(const pb::Inode& record);
void MakeStrong(pb::Inode* record, bool strong);

struct LoadedInode {
  InodeRef ref;
  pb::Inode record;           // a directory's mtime and ctime are joined with its `times` item
  client::VersionId version;  // of the record's item
  // The item has several siblings: `record` is what they come to (conflict.h). Not to be written
  // before a ConflictResolver has written that down.
  bool in_conflict = false;
};

enum class Freshness : uint8_t {
  kNow,
  kRecent,  // perhaps as it was a moment ago (Client::GetRecent)
};

// ENOENT: there is no such inode (any more).
Task<FsResult<LoadedInode>> LoadInode(client::Client* client, InodeRef ref,
                                      Freshness freshness = Freshness::kNow);
// Several at once; an entry without a record is an empty optional.
Task<FsResult<std::vector<std::optional<LoadedInode>>>> LoadInodes(
    client::Client* client, std::vector<InodeRef> refs, Freshness freshness = Freshness::kNow);
// Items as fresh as that.
Task<Result<std::vector<std::optional<client::Item>>>> GetItems(client::Client* client,
                                                                std::vector<client::ItemKey> keys,
                                                                Freshness freshness);

// The parts of a transaction on DirectoryPk(loaded.ref.home).
client::Assert AssertRecord(const LoadedInode& loaded);
client::Write PutRecord(const LoadedInode& loaded);
client::Write EraseRecord(const LoadedInode& loaded);
// A directory's mtime and ctime, after a change of its entries. Asserts nothing.
client::Write PutDirectoryTimes(TimeSpec now, client::HybridTime set_at);

// The times of a record are registers: of two concurrent values the one set later stays. Kept
// within some 34,000 years of 1970, as other filesystems keep theirs within what they can store.
inline constexpr int64_t kMaxTimeSeconds = int64_t{1} << 40;
void SetTime(pb::Time* time, TimeSpec value, client::HybridTime set_at);
TimeSpec GetTime(const pb::Time& time);
// The one set later stays; of two set at once the greater, so that the order does not matter.
void JoinTime(pb::Time* own, const pb::Time& other);

Attr AttrOf(const pb::Inode& record);

// Whether the inode has bytes outside its record and inline item: then its last link leaves an
// orphan that FileManager::ReclaimOrphan takes apart.
bool HasChunks(const pb::Inode& record);
// The line of the work index of an inode whose nlink is 0.
client::WorkKey OrphanWork(const pb::Inode& record);

}  // namespace kvfs::fs
