// Namespace: names and attributes. Every operation of POSIX on directory entries,
// inode attributes and extended attributes, as transactions on the store.
//
// Owned by the Vfs; outlives its operations. Thread-safe: it keeps no state of the
// tree, and concurrent changes meet in the asserts of the transactions (a lost race
// is read again and retried). Permission checks are the kernel's
// (default_permissions); the rules that remain with the filesystem (setgid
// inheritance, default ACLs, suid clearing, sticky renames are the kernel's) are here.
// Content (size, chunks) is changed by fs/chunk and fs/vfs/file_manager, never here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fs/meta/change_set.h"
#include "fs/meta/inode_store.h"
#include "fs/meta/types.h"
#include "fs/meta/xattr_names.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/env/env.h"

namespace kvfs::fs {

// What a name points to, with its attributes.
struct NodeInfo {
  InodeRef ref;
  Attr attr;
  bool was_born_here = true;
};

// What an unlink, rmdir or replacing rename took away.
struct Removed {
  InodeRef ref;
  Attr attr;             // as it is now; nlink is what is left
  bool is_gone = false;  // the record too; else with nlink 0 the inode is an orphan now
};

// Who has files open here: whether an unlinked file may be deleted at once.
class OpenFiles {
 public:
  virtual ~OpenFiles() = default;

  // While the guard lives no open of the inode begins or ends.
  virtual Task<env::AsyncMutex::Guard> HoldOpens(Ino ino) = 0;
  virtual bool IsOpen(Ino ino) const = 0;
  // Somebody looked the inode up and may yet open it, without its name.
  virtual bool IsKnown(Ino ino) const = 0;
};

struct NamespaceOptions {
  // An orphan's content is kept at least this long for those who have it open elsewhere.
  int64_t orphan_grace_micros = 0;
  // With other mounts, which may lock files, and may write while parted from this one: so nothing
  // that one of them may still change goes at once: a file stays as an orphan, and a removed
  // directory leaves a grave, its record, from which it comes back if somebody has put a file into
  // it meanwhile.
  bool is_shared = false;
};

struct LostContent;  // conflict.h

// Writes down what becomes of items with several siblings (conflict_resolver.h).
class ConflictHandler {
 public:
  virtual ~ConflictHandler() = default;

  virtual Task<Errno> ResolveInode(InodeRef ref) = 0;
  virtual Task<Errno> ResolveEntry(Ino directory, Bytes ck) = 0;
  // The conflict copy of a version of a file's content that did not win; made if there is none.
  virtual Task<FsResult<InodeRef>> CopyOf(InodeRef original, LostContent lost) = 0;
};

struct RenameOutcome {
  InodeRef moved;
  std::optional<Removed> replaced;
};

struct DirPage {
  std::vector<DirEntry> entries;
  std::vector<Attr> attrs;  // parallel to entries, if asked for
  bool more = false;
  uint64_t next_cookie = 0;  // where to go on
};

// Whether a read at `now` moves the atime.
bool RelatimeIsDue(const Attr& attr, TimeSpec now);

class Namespace {
 public:
  // `open_files` is borrowed; null: no file is ever open.
  Namespace(const NamespaceOptions& options, client::Client* client, env::Env env,
            OpenFiles* open_files);
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  // What is met with several siblings is resolved before it is used, if that can be done. Borrowed;
  // to be set before the first operation; null: readers see the winner, writers fail.
  void SetConflictHandler(ConflictHandler* handler) { conflicts_ = handler; }

  // Creates the root directory of a new store if there is none. To be called once, first.
  Task<Errno> Initialise(Credentials owner);

  Task<FsResult<NodeInfo>> Lookup(InodeRef dir, Bytes name);
  Task<FsResult<NodeInfo>> LookupParent(InodeRef dir);  // ".."
  Task<FsResult<Attr>> GetAttr(InodeRef ref, Freshness freshness = Freshness::kNow);
  // Everything but the size.
  Task<FsResult<Attr>> SetAttr(InodeRef ref, SetAttrRequest request, Credentials who);
  // Moves atime to now where relatime says so (older than mtime or ctime, or than a day).
  Task<Errno> TouchAtime(InodeRef ref);
  // The same for a read at `when`, a while ago.
  Task<Errno> TouchAtimeAt(InodeRef ref, TimeSpec when);

  // Regular files, FIFOs, sockets, devices. `mode` with type bits. EEXIST, ENOENT (dir removed),
  // ENAMETOOLONG, EMLINK, ENOSPC. `ino`: a number from AllocateInode, or 0.
  Task<FsResult<NodeInfo>> MakeNode(InodeRef dir, Bytes name, uint32_t mode, uint64_t rdev,
                                    Credentials who, Ino ino = 0);
  Task<FsResult<Ino>> AllocateInode();
  Task<FsResult<NodeInfo>> MakeDirectory(InodeRef dir, Bytes name, uint32_t mode, Credentials who);
  Task<FsResult<NodeInfo>> MakeSymlink(InodeRef dir, Bytes name, Bytes target, Credentials who);
  Task<FsResult<Bytes>> ReadSymlink(InodeRef ref);
  Task<FsResult<NodeInfo>> Link(InodeRef ref, InodeRef new_dir, Bytes new_name);

  // A file whose last link goes is deleted at once if nobody has it open and its content is inline.
  // Else it becomes an orphan: its record stays, with a line in the work index, until
  // FileManager::ReclaimOrphan takes it apart.
  Task<FsResult<Removed>> Unlink(InodeRef dir, Bytes name);
  Task<FsResult<Removed>> RemoveDirectory(InodeRef dir, Bytes name);
  Task<FsResult<RenameOutcome>> Rename(InodeRef from_dir, Bytes from_name, InodeRef to_dir,
                                       Bytes to_name, RenameMode mode);

  // Entries after `cookie` (0 = from the start; "." and ".." are not included), at most `limit`, or
  // a few more where names share a cookie.
  Task<FsResult<DirPage>> ReadDirectory(InodeRef dir, uint64_t cookie, uint32_t limit,
                                        bool with_attrs);

  // Names and values as the kernel passes them. `create`/`replace` as in setxattr(2).
  Task<Errno> SetXattr(InodeRef ref, Bytes name, Bytes value, bool create, bool replace,
                       bool kill_sgid);
  Task<FsResult<Bytes>> GetXattr(InodeRef ref, Bytes name);  // ENODATA
  Task<FsResult<std::vector<Bytes>>> ListXattrs(InodeRef ref);
  Task<Errno> RemoveXattr(InodeRef ref, Bytes name);

 private:
  // An entry as it was read.
  struct FoundEntry {
    Bytes ck;
    pb::Dentry dentry;
    client::VersionId version;
    bool in_conflict = false;  // not to be overwritten

    InodeRef ref() const { return {.ino = dentry.ino(), .home = dentry.home()}; }
    bool is_directory() const { return dentry.ino() == dentry.home(); }
  };
  // What a new inode is made of.
  struct NewInode {
    Ino ino = 0;
    uint32_t mode = 0;
    uint64_t rdev = 0;
    Bytes inline_content;
  };
  // One moment, as the two clocks say.
  struct Moment {
    TimeSpec now;
    client::HybridTime set_at = 0;
  };
  // A name that goes, with what it leads to; the changes take the entry away.
  struct Removal {
    FoundEntry entry;
    LoadedInode inode;
    Moment moment;
    ChangeSet changes;
  };
  // One of the two names of a rename.
  struct RenameSide {
    InodeRef dir;
    Bytes name;
    FoundEntry entry;
    LoadedInode inode;
  };

  Moment Now() const;
  Bytes DentryKey(ByteView name) const;
  uint64_t NewLinkId() const;

  // ENOENT if there is none.
  Task<FsResult<FoundEntry>> FindEntry(InodeRef dir, Bytes name,
                                       Freshness freshness = Freshness::kNow);
  Task<FsResult<LoadedInode>> Load(InodeRef ref, Freshness freshness = Freshness::kNow);

  Task<FsResult<NodeInfo>> TryLookup(InodeRef dir, Bytes name, Freshness freshness);
  Task<FsResult<Attr>> TrySetAttr(InodeRef ref, SetAttrRequest request);
  Task<Errno> TryTouchAtime(InodeRef ref, TimeSpec now);

  Task<FsResult<NodeInfo>> Make(InodeRef dir, Bytes name, NewInode what, Credentials who);
  Task<FsResult<NodeInfo>> TryMake(InodeRef dir, Bytes name, NewInode what, Credentials who);
  // Owner, permissions and ACLs of a new inode, from its parent's.
  Task<Errno> Inherit(const LoadedInode* parent, Credentials who, LoadedInode* child,
                      ChangeSet* changes);
  Task<FsResult<NodeInfo>> TryLink(InodeRef ref, InodeRef new_dir, Bytes new_name);

  // EISDIR, ENOTDIR: the name leads to the other kind.
  Task<FsResult<Removal>> BeginRemoval(InodeRef dir, Bytes name, bool is_directory,
                                       Freshness freshness);
  Task<FsResult<Removed>> TryUnlink(InodeRef dir, Bytes name, Freshness freshness);
  Task<FsResult<Removed>> TryRemoveDirectory(InodeRef dir, Bytes name, Freshness freshness);
  // Takes the link `link_id` from a file; with the last one the record goes, or is an orphan. The
  // guard is to be kept until the commit is done. `is_replaced`: its name goes on with another
  // inode, so whoever is on the way from name to open must find something: there never was a moment
  // without the name.
  Task<FsResult<Removed>> DropLink(LoadedInode* file, uint64_t link_id, bool is_replaced,
                                   Moment moment, env::AsyncMutex::Guard* guard,
                                   ChangeSet* changes);
  // Takes an empty directory apart (not its entry).
  Task<FsResult<Removed>> DropDirectory(LoadedInode* directory, Moment moment, ChangeSet* changes);
  Task<Errno> EraseXattrs(const LoadedInode* inode, ChangeSet* changes);

  Task<FsResult<RenameOutcome>> TryRename(InodeRef from_dir, Bytes from_name, InodeRef to_dir,
                                          Bytes to_name, RenameMode mode, bool has_move_lock,
                                          Freshness freshness);
  Task<FsResult<RenameOutcome>> TryReplace(RenameSide* from, RenameSide* to, bool to_exists);
  Task<FsResult<RenameOutcome>> TryExchange(RenameSide* from, RenameSide* to);
  // The link of `inode` that `entry` is goes to (dir, name).
  void MoveLink(LoadedInode* inode, const FoundEntry& entry, InodeRef dir, ByteView name,
                Moment moment, ChangeSet* changes);
  // Adds to the number of subdirectories in the record of a directory.
  Task<Errno> CountSubdirectories(InodeRef dir, int64_t delta, ChangeSet* changes);
  // EINVAL if `inner` is `outer` or lies below it. REQUIRES: the move lock.
  Task<Errno> CheckNotBelow(InodeRef inner, InodeRef outer);

  Task<Errno> TrySetXattr(InodeRef ref, Bytes name, Bytes value, bool create, bool replace,
                          bool kill_sgid);
  Task<Errno> TrySetAcl(LoadedInode* inode, XattrBit bit, Bytes value, bool kill_sgid);
  Task<Errno> TryRemoveXattr(InodeRef ref, Bytes name);
  Task<FsResult<std::vector<Bytes>>> XattrNames(Ino home, Ino ino, Bytes prefix, size_t limit);
  // Whether the inode has an xattr of this kind beside `name`.
  Task<FsResult<bool>> HasOtherXattr(const LoadedInode* inode, XattrBit bit, Bytes name);
  // Of `user.kvfs.*`.
  Task<FsResult<Bytes>> GetOwnXattr(InodeRef ref, Bytes name);
  // ETIMEDOUT: not every home of the directory can be told.
  Task<Errno> SetConsistency(InodeRef ref, bool strong);
  Task<Errno> TrySetConsistency(InodeRef ref, bool strong);
  Task<FsResult<std::optional<Bytes>>> ReadXattr(const LoadedInode* inode, Bytes name);
  // After chmod: the access ACL says what the mode says.
  Task<Errno> ChmodAcl(const LoadedInode* inode, ChangeSet* changes);

  const NamespaceOptions options_;
  client::Client* const client_;
  const env::Env env_;
  OpenFiles* const open_files_;
  ConflictHandler* conflicts_ = nullptr;
  // Held by moves of directories between directories: nothing else changes who is above whom.
  env::AsyncMutex move_lock_;
};

}  // namespace kvfs::fs
