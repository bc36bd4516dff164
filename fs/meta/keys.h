// Keys: under which (pk, ck) every record of the filesystem lies. The one place
// that knows; doc/formats/filesystem.md describes the same for people. Pure.
//
// pk of a directory = 'D', then the number of the directory. Everything of a
// directory, and everything of the files born in it, lies under its pk, in the order
// of the tags below. Integers are big-endian, names come last.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "fs/meta/types.h"
#include "kvcore/base/bytes.h"
#include "kvcore/base/hash.h"
#include "kvcore/client/types.h"

namespace kvfs::fs::keys {

enum class Tag : uint8_t {
  kSelf = 0x01,    // the directory's own pb::Inode
  kAlive = 0x02,   // empty value; asserted by every create, erased by rmdir
  kTimes = 0x03,   // pb::DirectoryTimes, written blindly by every change of the entries
  kGrave = 0x04,   // pb::Inode of the directory that was removed, while a copy of it may come back
  kDentry = 0x10,  // d/<hash of the name><name>: pb::Dentry
  kInode = 0x20,   // i/<ino>: pb::Inode of a file born here
  kInline = 0x21,  // c/<ino>: content of at most kMaxInlineBytes; target of a symlink
  kLink = 0x22,    // l/<ino>/<link id>: pb::Link, from the second link on
  kXattr = 0x23,   // x/<ino>/<name>: value
  kBlock = 0x24,   // p/<ino>/<overlay>/<block>: 4 KiB of an overlay
  kLock = 0x25,    // k/<ino>: pb::FileLocks
  kIntent = 0x30,  // t/<session>/<sequence>: an operation over two directories
  kHold = 0x40,    // hold/<ino>/<session>: a mount has an unlinked file open
  kNote = 0x50,    // <hybrid time><hash>, under ConflictsPk: pb::ConflictNote
};

Bytes DirectoryPk(Ino home);
// Nothing if `pk` is not a directory's.
std::optional<Ino> HomeOfPk(ByteView pk);

Bytes Self();
Bytes Alive();
Bytes Times();
Bytes Grave();

// Readdir cookie and order of a name: 63 bits of a keyed hash, at least kFirstCookie.
inline constexpr uint64_t kFirstCookie = 16;
uint64_t NameHash(const SipHashKey& key, ByteView name);

Bytes Dentry(uint64_t hash, ByteView name);
Bytes DentryPrefix();             // of all entries
Bytes DentryFrom(uint64_t hash);  // the first key an entry of this hash can have
Bytes DentryEnd();                // just after all entries
struct DentryParts {
  uint64_t hash = 0;
  ByteView name;  // into the key
};
std::optional<DentryParts> ParseDentry(ByteView ck);

Bytes Inode(Ino ino);
Bytes InodePrefix();
std::optional<Ino> ParseInode(ByteView ck);
// Where the record of an inode lies: `self` of a directory, else i/<ino>, under DirectoryPk(home).
Bytes Record(InodeRef ref);
client::ItemKey RecordItem(InodeRef ref);

// Of the keys of what belongs to one inode (i/, c/, l/, x/, p/, k/): which. Nothing if it is too
// short.
std::optional<Ino> ParseOwner(ByteView ck);

Bytes Inline(Ino ino);
Bytes Lock(Ino ino);

Bytes Link(Ino ino, uint64_t link_id);
Bytes LinkPrefix(Ino ino);

Bytes Xattr(Ino ino, ByteView name);
Bytes XattrPrefix(Ino ino);
std::optional<ByteView> ParseXattrName(ByteView ck);

Bytes Block(Ino ino, uint64_t overlay, uint64_t block);
Bytes BlockPrefix(Ino ino, uint64_t overlay);
Bytes BlockPrefix(Ino ino);  // of every overlay of the inode
// The block number of a key made by Block().
std::optional<uint64_t> ParseBlock(ByteView ck);

Bytes Intent(const client::OpId& op);
Bytes Hold(Ino ino, uint64_t session);

// The first key after every key that begins with `prefix`: the `end` of a scan of them.
Bytes PrefixEnd(ByteView prefix);

// ---- the work index ---------------------------------------------------------

// Kinds of background work; the id of each is WorkId(ref), perhaps with more behind it.
enum class WorkKind : uint8_t {
  kOrphan = 1,  // an inode without links: reclaim it
  kDrop = 2,    // chunks that a publish displaced: drop those that no version names
  kFold = 3,    // an overlay to be folded into chunks
  // The store's kMergedWork comes with a pk as its id: items that a merge has left in conflict.
  kSettle = 4,  // items of a directory to be looked at again after a merge (pb::SettleWork)
  kUnite = 5,   // id is UniteId: the entries of one directory are to move into another
  kGrave = 6,   // what was kept of a removed directory may go
};
Bytes WorkId(InodeRef ref);
std::optional<InodeRef> ParseWorkId(ByteView id);  // longer ids are cut
client::WorkKey Work(WorkKind kind, InodeRef ref, int64_t due_millis);
// The id of a kUnite line: `from` is to be emptied into `to`.
Bytes UniteId(Ino from, Ino to);
std::optional<std::pair<Ino, Ino>> ParseUniteId(ByteView id);

// ---- conflicts ----------------------------------------------------------------

// What people are told of conflicts (pb::ConflictNote) lies under a partition key of its own.
Bytes ConflictsPk();
Bytes ConflictNote(client::HybridTime time, uint64_t hash);
Bytes ConflictNotePrefix();

}  // namespace kvfs::fs::keys
