// Namespace: operations that make a name.

#include <utility>

#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/meta/posix_acl.h"

namespace kvfs::fs {

Task<FsResult<NodeInfo>> Namespace::MakeNode(InodeRef dir, Bytes name, uint32_t mode, uint64_t rdev,
                                             Credentials who, Ino ino) {
  const uint32_t type = mode & S_IFMT;
  if (type == 0) {
    mode |= S_IFREG;
  } else if (type == S_IFDIR || type == S_IFLNK) {
    co_return Errno(EINVAL);
  }
  if (!S_ISCHR(mode) && !S_ISBLK(mode)) {
    rdev = 0;
  }
  NewInode what{.ino = ino, .mode = mode, .rdev = rdev, .inline_content = {}};
  auto made = co_await Make(dir, std::move(name), std::move(what), who);
  co_return made;
}

Task<FsResult<NodeInfo>> Namespace::MakeDirectory(InodeRef dir, Bytes name, uint32_t mode,
                                                  Credentials who) {
  NewInode what{.ino = 0, .mode = (mode & ~uint32_t{S_IFMT}) | S_IFDIR, .rdev = 0};
  auto made = co_await Make(dir, std::move(name), std::move(what), who);
  co_return made;
}

Task<FsResult<NodeInfo>> Namespace::MakeSymlink(InodeRef dir, Bytes name, Bytes target,
                                                Credentials who) {
  if (target.empty()) {
    co_return Errno(ENOENT);
  }
  if (target.size() > kMaxSymlinkBytes) {
    co_return Errno(ENAMETOOLONG);
  }
  NewInode what{.ino = 0,
                .mode = S_IFLNK | S_IRWXU | S_IRWXG | S_IRWXO,
                .rdev = 0,
                .inline_content = std::move(target)};
  auto made = co_await Make(dir, std::move(name), std::move(what), who);
  co_return made;
}

Task<FsResult<NodeInfo>> Namespace::Make(InodeRef dir, Bytes name, NewInode what, Credentials who) {
  if (const Errno bad = CheckName(name); !bad.ok()) {
    co_return bad;
  }
  if (what.ino == 0) {
    auto ino = co_await AllocateInode();
    if (!ino.ok()) {
      co_return ino.error();
    }
    what.ino = *ino;
  }
  auto made = co_await RetryOnConflict([&] { return TryMake(dir, name, what, who); });
  co_return made;
}

Task<FsResult<NodeInfo>> Namespace::TryMake(InodeRef dir, Bytes name, NewInode what,
                                            Credentials who) {
  // Where it is not so any more the commit finds that out, or a change of its mode had only begun.
  auto parent = co_await Load(dir, Freshness::kRecent);
  if (!parent.ok()) {
    co_return parent.error();
  }
  const bool is_directory = S_ISDIR(what.mode);
  const Moment moment = Now();
  LoadedInode child{.ref = {.ino = what.ino, .home = is_directory ? what.ino : dir.ino},
                    .record = {},
                    .version = {}};
  FillNewRecord(child.ref, what.mode, moment.now, moment.set_at, &child.record);
  child.record.set_rdev(what.rdev);
  child.record.set_size(what.inline_content.size());
  pb::Link* link = child.record.mutable_sole_link();
  link->set_parent(dir.ino);
  link->set_name(name);
  link->set_link_id(NewLinkId());

  ChangeSet changes;
  changes.AssertPresent(dir.ino, keys::Alive(), ENOENT);
  changes.AssertAbsent(dir.ino, DentryKey(name), EEXIST);
  const Errno inherited = co_await Inherit(&*parent, who, &child, &changes);
  if (!inherited.ok()) {
    co_return inherited;
  }

  pb::Dentry dentry;
  dentry.set_ino(child.ref.ino);
  dentry.set_home(child.ref.home);
  dentry.set_type(DirentType(what.mode));
  dentry.set_link_id(link->link_id());
  changes.TouchDirectory(dir.ino, moment.now, moment.set_at);
  changes.Put(dir.ino, DentryKey(name), EncodeDentry(dentry));
  changes.Update(child);
  if (!what.inline_content.empty()) {
    changes.Put(child.ref.home, keys::Inline(child.ref.ino), std::move(what.inline_content));
  }
  if (is_directory) {
    if (parent->record.subdirectories() + 2 >= kMaxLinks) {
      co_return Errno(EMLINK);
    }
    parent->record.set_subdirectories(parent->record.subdirectories() + 1);
    changes.Update(*parent);
    changes.Put(child.ref.home, keys::Alive(), {});
    if (IsStrong(child.record)) {
      changes.SetStrong(child.ref.home, true);
    }
    // From the start, so that the first entry is a change of something that rmdir erases: then a
    // merge sees that one side has filled what the other has removed.
    changes.TouchDirectory(child.ref.home, moment.now, moment.set_at);
  }
  const Errno done = co_await changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return NodeInfo{.ref = child.ref, .attr = AttrOf(child.record)};
}

Task<Errno> Namespace::Inherit(const LoadedInode* parent, Credentials who, LoadedInode* child,
                               ChangeSet* changes) {
  uint32_t mode = child->record.mode();
  const bool is_directory = S_ISDIR(mode);
  if (is_directory && IsStrong(parent->record)) {
    MakeStrong(&child->record, true);
  }
  child->record.set_uid(who.uid);
  child->record.set_gid(who.gid);
  if ((parent->record.mode() & S_ISGID) != 0) {
    child->record.set_gid(parent->record.gid());
    if (is_directory) {
      mode |= S_ISGID;
    }
  }
  if (S_ISLNK(mode)) {
    child->record.set_mode(mode);
    co_return 0;
  }
  if ((parent->record.xattr_bits() & kXattrAclDefault) == 0) {
    child->record.set_mode(mode & ~(who.umask & (S_IRWXU | S_IRWXG | S_IRWXO)));
    co_return 0;
  }

  auto value = co_await ReadXattr(parent, Bytes(kAclDefaultName));
  if (!value.ok()) {
    co_return value.error();
  }
  if (!value->has_value()) {
    co_return kRetry;  // it went between the two reads
  }
  std::optional<PosixAcl> acl = PosixAcl::Parse(**value);
  if (!acl || acl->empty()) {
    co_return EIO;
  }
  const auto put = [&](ByteView name, XattrBit bit, Bytes encoded) {
    child->record.set_xattr_bits(child->record.xattr_bits() | bit);
    child->record.set_xattr_name_bytes(child->record.xattr_name_bytes() +
                                       static_cast<uint32_t>(name.size() + 1));
    changes->Put(child->ref.home, keys::Xattr(child->ref.ino, name), std::move(encoded));
  };
  if (is_directory) {
    put(kAclDefaultName, kXattrAclDefault, acl->Encode());
  }
  if (!acl->Restrict(&mode)) {
    put(kAclAccessName, kXattrAclAccess, acl->Encode());
  }
  child->record.set_mode(mode);
  co_return 0;
}

Task<FsResult<NodeInfo>> Namespace::Link(InodeRef ref, InodeRef new_dir, Bytes new_name) {
  if (ref.ino == ref.home) {
    co_return Errno(EPERM);
  }
  if (const Errno bad = CheckName(new_name); !bad.ok()) {
    co_return bad;
  }
  auto linked = co_await RetryOnConflict([&] { return TryLink(ref, new_dir, new_name); });
  co_return linked;
}

Task<FsResult<NodeInfo>> Namespace::TryLink(InodeRef ref, InodeRef new_dir, Bytes new_name) {
  auto file = co_await Load(ref);
  if (!file.ok()) {
    co_return file.error();
  }
  pb::Inode& record = file->record;
  if (record.nlink() == 0) {
    co_return Errno(ENOENT);
  }
  if (record.nlink() >= kMaxLinks) {
    co_return Errno(EMLINK);
  }
  const Moment moment = Now();
  ChangeSet changes;
  changes.AssertPresent(new_dir.ino, keys::Alive(), ENOENT);
  changes.AssertAbsent(new_dir.ino, DentryKey(new_name), EEXIST);

  pb::Link link;
  link.set_parent(new_dir.ino);
  link.set_name(new_name);
  link.set_link_id(NewLinkId());
  if (record.has_sole_link()) {
    changes.Put(ref.home, keys::Link(ref.ino, record.sole_link().link_id()),
                EncodeLink(record.sole_link()));
    record.clear_sole_link();
  }
  changes.Put(ref.home, keys::Link(ref.ino, link.link_id()), EncodeLink(link));
  record.set_nlink(record.nlink() + 1);
  SetTime(record.mutable_ctime(), moment.now, moment.set_at);
  changes.Update(*file);

  pb::Dentry dentry;
  dentry.set_ino(ref.ino);
  dentry.set_home(ref.home);
  dentry.set_type(DirentType(record.mode()));
  dentry.set_link_id(link.link_id());
  changes.Put(new_dir.ino, DentryKey(new_name), EncodeDentry(dentry));
  changes.TouchDirectory(new_dir.ino, moment.now, moment.set_at);
  const Errno done = co_await changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return NodeInfo{.ref = ref, .attr = AttrOf(record), .was_born_here = ref.home == new_dir.ino};
}

}  // namespace kvfs::fs
