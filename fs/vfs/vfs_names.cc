// VfsImpl: names.

#include <utility>

#include "fs/meta/posix.h"
#include "fs/vfs/vfs_impl.h"

namespace kvfs::fs {

Task<FsResult<NodeReply>> VfsImpl::Lookup(Ino parent, Bytes name) {
  auto dir = Ref(parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  const uint64_t released_before = files_->ReleasedCount();
  auto node = co_await namespace_.Lookup(*dir, std::move(name));
  if (!node.ok()) {
    co_return node.error();
  }
  co_return Tell(*node, released_before);
}

Task<FsResult<NodeReply>> VfsImpl::MakeNode(Ino parent, Bytes name, uint32_t mode, uint64_t rdev,
                                            Credentials who) {
  auto dir = Ref(parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  const uint64_t released_before = files_->ReleasedCount();
  auto node = co_await namespace_.MakeNode(*dir, std::move(name), mode, rdev, who);
  if (!node.ok()) {
    co_return node.error();
  }
  co_return Tell(*node, released_before);
}

Task<FsResult<NodeReply>> VfsImpl::MakeDirectory(Ino parent, Bytes name, uint32_t mode,
                                                 Credentials who) {
  auto dir = Ref(parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  const uint64_t released_before = files_->ReleasedCount();
  auto node = co_await namespace_.MakeDirectory(*dir, std::move(name), mode, who);
  if (!node.ok()) {
    co_return node.error();
  }
  co_return Tell(*node, released_before);
}

Task<FsResult<NodeReply>> VfsImpl::MakeSymlink(Ino parent, Bytes name, Bytes target,
                                               Credentials who) {
  auto dir = Ref(parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  const uint64_t released_before = files_->ReleasedCount();
  auto node = co_await namespace_.MakeSymlink(*dir, std::move(name), std::move(target), who);
  if (!node.ok()) {
    co_return node.error();
  }
  co_return Tell(*node, released_before);
}

Task<FsResult<NodeReply>> VfsImpl::Link(Ino ino, Ino new_parent, Bytes new_name) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  auto dir = Ref(new_parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  const uint64_t released_before = files_->ReleasedCount();
  auto node = co_await namespace_.Link(*ref, *dir, std::move(new_name));
  if (!node.ok()) {
    co_return node.error();
  }
  co_return Tell(*node, released_before);
}

Task<Errno> VfsImpl::Unlink(Ino parent, Bytes name) {
  auto dir = Ref(parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  auto removed = co_await namespace_.Unlink(*dir, std::move(name));
  if (!removed.ok()) {
    co_return removed.error();
  }
  NoteRemoved(*removed);
  co_return 0;
}

Task<Errno> VfsImpl::RemoveDirectory(Ino parent, Bytes name) {
  auto dir = Ref(parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  auto removed = co_await namespace_.RemoveDirectory(*dir, std::move(name));
  if (!removed.ok()) {
    co_return removed.error();
  }
  NoteRemoved(*removed);
  co_return 0;
}

Task<Errno> VfsImpl::Rename(Ino parent, Bytes name, Ino new_parent, Bytes new_name,
                            RenameMode mode) {
  auto from_dir = Ref(parent);
  if (!from_dir.ok()) {
    co_return from_dir.error();
  }
  auto to_dir = Ref(new_parent);
  if (!to_dir.ok()) {
    co_return to_dir.error();
  }
  auto outcome =
      co_await namespace_.Rename(*from_dir, std::move(name), *to_dir, std::move(new_name), mode);
  if (!outcome.ok()) {
    co_return outcome.error();
  }
  if (outcome->replaced) {
    NoteRemoved(*outcome->replaced);
  }
  co_return 0;
}

void VfsImpl::NoteRemoved(const Removed& removed) {
  if (removed.attr.nlink > 0) {
    return;
  }
  atimes_.Drop(removed.ref.ino);
  if (removed.is_gone) {
    inodes_.SetGone(removed.attr);
    return;
  }
  open_set_.AddOrphan(removed.ref.ino);
  ReclaimIfDue(removed.ref.ino);
}

}  // namespace kvfs::fs
