// What becomes of versions of which neither has seen the other: the rules of
// doc/conflicts.md as pure functions of the siblings. The same siblings give the same
// answer on every machine, in whatever order they are brought, so readers and those
// who write the answer down agree without talking.
//
// The winner is the version with the greatest (hybrid time of its commit, dot); never
// the one with the latest mtime.
#pragma once

#include <optional>
#include <vector>

#include "fs/meta/records.pb.h"
#include "fs/meta/types.h"
#include "kvcore/base/bytes.h"
#include "kvcore/client/types.h"

namespace kvfs::fs {

// Which commit left a version.
struct VersionStamp {
  client::HybridTime time = 0;
  client::Dot dot;

  auto operator<=>(const VersionStamp&) const = default;
};

struct RecordVersion {
  VersionStamp stamp;
  pb::Inode record;
};

// A sibling of c/<ino>: inline bytes, or the mark of content in chunks.
struct ContentVersion {
  VersionStamp stamp;
  Bytes value;
};

// Where other mounts may write while parted from this one, every publish of content puts c/<ino>:
// with the bytes of inline content, else with this mark of it. So the siblings of c/<ino> say which
// sides have written content, and the records alone, which every chmod writes, need not.
Bytes ContentMark(const pb::Inode& record);

// A version of the content that did not win, to become a file of its own.
struct LostContent {
  VersionStamp stamp;
  pb::Inode record;  // of which content, size and mtime count
  Bytes inline_content;
};

struct MergedInode {
  pb::Inode record;  // links, nlink and xattr bits are of the winner: the caller counts them anew
  VersionStamp content_stamp;
  std::optional<Bytes> inline_content;  // what c/<ino> is to hold
  std::vector<LostContent> lost;        // the latest first
  bool is_deleted = false;              // on all sides: nlink 0
  bool was_deleted = false;             // on one side
  bool owner_conflict = false;          // permissions were set on several sides
};
// REQUIRES: at least one record; all say the same inode and type.
MergedInode MergeInode(std::vector<RecordVersion> records, std::vector<ContentVersion> contents);

struct DentryVersion {
  VersionStamp stamp;
  pb::Dentry dentry;
};
struct MergedDentry {
  DentryVersion winner;
  std::vector<DentryVersion> losers;  // one for each other inode, in order of their numbers
};
// A directory keeps the name against files, the smaller inode against other directories; among
// files the later version. REQUIRES: at least one.
MergedDentry MergeDentry(std::vector<DentryVersion> versions);

// `name.conflict-<node>-<time>-<hash>.ext`, at most kMaxNameBytes.
Bytes ConflictName(ByteView name, const VersionStamp& stamp);

// The number of a conflict copy: of kCopyInoBit and up, which AllocateInode never reaches.
inline constexpr Ino kCopyInoBit = Ino{1} << 52;
Ino CopyIno(Ino ino, const client::Dot& dot);

// A link id for a second link that came with the id of the first.
uint64_t DerivedLinkId(Ino ino, Ino parent, ByteView name);

}  // namespace kvfs::fs
