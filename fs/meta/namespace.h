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

#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
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
  uint32_t mode = 0;
  uint32_t nlink = 0;  // left; 0 = the inode is an orphan now
};

struct RenameOutcome {
  InodeRef moved;
  std::optional<Removed> replaced;
};

struct DirPage {
  std::vector<DirEntry> entries;
  std::vector<Attr> attrs;  // parallel to entries, if asked for
  bool more = false;
};

class Namespace {
 public:
  Namespace(client::Client* client, env::Env env);

  // Creates the root directory of a new store if there is none. To be called once, first.
  Task<Errno> Initialise(Credentials owner);

  Task<FsResult<NodeInfo>> Lookup(InodeRef dir, Bytes name);
  Task<FsResult<NodeInfo>> LookupParent(InodeRef dir);  // ".."
  Task<FsResult<Attr>> GetAttr(InodeRef ref);
  // Everything but the size.
  Task<FsResult<Attr>> SetAttr(InodeRef ref, SetAttrRequest request, Credentials who);
  // Moves atime to now where relatime says so (older than mtime or ctime, or than a day).
  Task<Errno> TouchAtime(InodeRef ref);

  // Regular files, FIFOs, sockets, devices. `mode` with type bits. EEXIST, ENOENT (dir removed),
  // ENAMETOOLONG, EMLINK, ENOSPC.
  Task<FsResult<NodeInfo>> MakeNode(InodeRef dir, Bytes name, uint32_t mode, uint64_t rdev,
                                    Credentials who);
  Task<FsResult<NodeInfo>> MakeDirectory(InodeRef dir, Bytes name, uint32_t mode, Credentials who);
  Task<FsResult<NodeInfo>> MakeSymlink(InodeRef dir, Bytes name, Bytes target, Credentials who);
  Task<FsResult<Bytes>> ReadSymlink(InodeRef ref);
  Task<FsResult<NodeInfo>> Link(InodeRef ref, InodeRef new_dir, Bytes new_name);

  // An inode whose last link goes becomes an orphan: its record stays, with a line in the work
  // index, until ReleaseOrphan (no open handle) lets fs/chunk reclaim it.
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
  client::Client* const client_;
  const env::Env env_;
};

}  // namespace kvfs::fs
