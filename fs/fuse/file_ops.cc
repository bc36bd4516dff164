// The operations on open files.
#include <algorithm>
#include <array>
#include <vector>

#include "fs/fuse/fuse_server.h"
#include "fs/fuse/kill_flags.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

// Enough for every reply in practice, below the kernel's limit of 1024 less libfuse's header.
constexpr size_t kMaxIovecs = 1000;
alignas(4096) constexpr std::array<char, 128u << 10> kZeros{};

// O_APPEND stays with the kernel: it writes at the end under the inode's lock, and the offset it
// sends is right as long as nobody else extends the file. It must not reach the Vfs, because pages
// dirtied through mmap may come back on any handle, an appending one too, and belong where their
// offset says.
int VfsFlags(int flags) { return flags & ~(O_APPEND | kKillsSetIds); }

Task<void> Create(Request request, FuseServer* server, Ino parent, Bytes name, uint32_t mode,
                  fuse_file_info file) {
  FsResult<CreateReply> reply = co_await server->vfs().CreateFile(
      parent, std::move(name), mode, VfsFlags(file.flags), request.who());
  if (!reply.ok()) {
    request.Error(reply.error());
    co_return;
  }
  const Ino ino = reply->attr.ino;
  file.fh = reply->open.handle;
  file.keep_cache = reply->open.keep_cache;
  if (request.Create(server->EntryOf(reply->attr, parent), file) != 0) {
    (void)co_await server->vfs().Release(ino, reply->open.handle);
    server->vfs().Forget(ino, 1);
  }
}

void OnCreate(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
              fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Create(Request(req, &server->in_flight()), server, parent, name, mode, *file).Detach();
}

// A write, and what else changes content, takes suid and sgid away. The kernel says when, except in
// fallocate and copy_file_range: there it is for everybody but root. It comes first: content that
// somebody else may have changed must not run with the rights of the owner, also when the change of
// the mode fails.
Task<Errno> DropSetIds(FuseServer* server, Ino ino, Credentials who) {
  constexpr uint32_t kGroupRuns = S_ISGID | S_IXGRP;
  FsResult<Attr> attr = co_await server->vfs().GetAttr(ino);
  if (!attr.ok()) {
    co_return attr.error();
  }
  if ((attr->mode & S_ISUID) == 0 && (attr->mode & kGroupRuns) != kGroupRuns) {
    co_return Errno();
  }
  SetAttrRequest change;
  change.kill_suid_sgid = true;
  attr = co_await server->vfs().SetAttr(ino, change, who);
  if (!attr.ok()) {
    co_return attr.error();
  }
  server->InvalidateAttributes(ino);  // before the answer: nobody may run it as it was
  co_return Errno();
}

Task<void> Open(Request request, FuseServer* server, Ino ino, fuse_file_info file) {
  if ((file.flags & kKillsSetIds) != 0) {
    const Errno dropped = co_await DropSetIds(server, ino, request.who());
    if (!dropped.ok()) {
      request.Error(dropped);
      co_return;
    }
  }
  FsResult<OpenReply> reply = co_await server->vfs().Open(ino, VfsFlags(file.flags));
  if (reply.ok()) {
    file.fh = reply->handle;
    file.keep_cache = reply->keep_cache;
    // Whoever only reads has nothing to publish at close, and no locks but the kernel's own.
    file.noflush = (file.flags & O_ACCMODE) == O_RDONLY && !server->options().is_shared;
    if (request.Open(file) != 0) {
      (void)co_await server->vfs().Release(ino, reply->handle);
    }
  } else {
    request.Error(reply.error());
  }
}

void OnOpen(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Open(Request(req, &server->in_flight()), server, ino, *file).Detach();
}

// The pieces as the kernel takes them; empty if there are too many for one reply.
std::vector<iovec> ToIovecs(const ReadPieces& pieces) {
  std::vector<iovec> out;
  for (const ReadPiece& piece : pieces) {
    if (piece.buffer != nullptr) {
      out.push_back({const_cast<char*>(piece.buffer->data()) + piece.offset, piece.size});
      continue;
    }
    for (size_t left = piece.size; left > 0;) {
      const size_t part = std::min(left, kZeros.size());
      out.push_back({const_cast<char*>(kZeros.data()), part});
      left -= part;
    }
  }
  if (out.size() > kMaxIovecs) {
    out.clear();
  }
  return out;
}

Bytes Flatten(const ReadPieces& pieces) {
  Bytes out;
  for (const ReadPiece& piece : pieces) {
    if (piece.buffer != nullptr) {
      out.append(piece.buffer->data() + piece.offset, piece.size);
    } else {
      out.append(piece.size, '\0');
    }
  }
  return out;
}

Task<void> Read(Request request, FuseServer* server, Ino ino, uint64_t handle, uint64_t offset,
                uint64_t size) {
  FsResult<ReadPieces> pieces = co_await server->vfs().Read(ino, handle, offset, size);
  if (!pieces.ok()) {
    request.Error(pieces.error());
    co_return;
  }
  std::vector<iovec> iovecs = ToIovecs(*pieces);
  if (iovecs.empty()) {
    request.Buffer(Flatten(*pieces));
  } else {
    request.Pieces(iovecs.data(), static_cast<int>(iovecs.size()));
  }
}

void OnRead(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Read(Request(req, &server->in_flight()), server, ino, file->fh, static_cast<uint64_t>(offset),
       size)
      .Detach();
}

Task<void> Write(Request request, FuseServer* server, Ino ino, uint64_t handle, uint64_t offset,
                 Bytes data, bool kills_set_ids) {
  if (kills_set_ids) {
    const Errno dropped = co_await DropSetIds(server, ino, request.who());
    if (!dropped.ok()) {
      request.Error(dropped);
      co_return;
    }
  }
  FsResult<uint64_t> written = co_await server->vfs().Write(ino, handle, offset, std::move(data));
  if (written.ok()) {
    request.Written(*written);
  } else {
    request.Error(written.error());
  }
}

void OnWrite(fuse_req_t req, fuse_ino_t ino, const char* data, size_t size, off_t offset,
             fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  // Copied: the request's buffer serves the next request once this function returns.
  Write(Request(req, &server->in_flight()), server, ino, file->fh, static_cast<uint64_t>(offset),
        Bytes(data, size), (file->flags & kKillsSetIds) != 0)
      .Detach();
}

Task<void> Flush(Request request, FuseServer* server, Ino ino, uint64_t handle,
                 uint64_t lock_owner) {
  Errno error = co_await server->vfs().Flush(ino, handle);
  if (server->options().is_shared) {  // whoever closes a file has no fcntl locks on it any more
    co_await server->vfs().DropLocks(ino, lock_owner);
  }
  request.Error(error);
}

void OnFlush(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Flush(Request(req, &server->in_flight()), server, ino, file->fh, file->lock_owner).Detach();
}

Task<void> Release(Request request, FuseServer* server, Ino ino, uint64_t handle) {
  Errno error = co_await server->vfs().Release(ino, handle);
  request.Error(error);
}

void OnRelease(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Release(Request(req, &server->in_flight()), server, ino, file->fh).Detach();
}

Task<void> Fsync(Request request, FuseServer* server, Ino ino, uint64_t handle, bool data_only) {
  Errno error = co_await server->vfs().Fsync(ino, handle, data_only);
  request.Error(error);
}

void OnFsync(fuse_req_t req, fuse_ino_t ino, int data_only, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Fsync(Request(req, &server->in_flight()), server, ino, file->fh, data_only != 0).Detach();
}

Task<void> Fallocate(Request request, FuseServer* server, Ino ino, uint64_t handle, int mode,
                     uint64_t offset, uint64_t size) {
  Errno error;
  if (request.who().uid != 0) {
    error = co_await DropSetIds(server, ino, request.who());
  }
  if (error.ok()) {
    error = co_await server->vfs().Fallocate(ino, handle, mode, offset, size);
  }
  request.Error(error);
}

void OnFallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t size,
                 fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Fallocate(Request(req, &server->in_flight()), server, ino, file->fh, mode,
            static_cast<uint64_t>(offset), static_cast<uint64_t>(size))
      .Detach();
}

Task<void> Seek(Request request, FuseServer* server, Ino ino, uint64_t handle, uint64_t offset,
                int whence) {
  FsResult<uint64_t> found = co_await server->vfs().Seek(ino, handle, offset, whence);
  if (found.ok()) {
    request.Seek(static_cast<off_t>(*found));
  } else {
    request.Error(found.error());
  }
}

void OnSeek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  if (offset < 0) {
    request.Error(ENXIO);
    return;
  }
  Seek(std::move(request), server, ino, file->fh, static_cast<uint64_t>(offset), whence).Detach();
}

Task<void> CopyRange(Request request, FuseServer* server, Ino from, uint64_t from_offset, Ino to,
                     uint64_t to_offset, uint64_t size) {
  if (request.who().uid != 0) {
    const Errno dropped = co_await DropSetIds(server, to, request.who());
    if (!dropped.ok()) {
      request.Error(dropped);
      co_return;
    }
  }
  FsResult<uint64_t> copied =
      co_await server->vfs().CopyRange(from, from_offset, to, to_offset, size);
  if (copied.ok()) {
    request.Written(*copied);
  } else {
    request.Error(copied.error());
  }
}

void OnCopyFileRange(fuse_req_t req, fuse_ino_t from, off_t from_offset, fuse_file_info*,
                     fuse_ino_t to, off_t to_offset, fuse_file_info*, size_t size, int flags) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  if (flags != 0) {
    request.Error(EINVAL);
    return;
  }
  CopyRange(std::move(request), server, from, static_cast<uint64_t>(from_offset), to,
            static_cast<uint64_t>(to_offset), size)
      .Detach();
}

void OnIoctl(fuse_req_t req, fuse_ino_t, unsigned, void*, fuse_file_info*, unsigned, const void*,
             size_t, size_t) {
  Request(req, &FuseServer::Of(req)->in_flight()).Error(ENOTTY);
}

}  // namespace

void AddFileOps(fuse_lowlevel_ops* ops) {
  ops->create = OnCreate;
  ops->open = OnOpen;
  ops->read = OnRead;
  ops->write = OnWrite;
  ops->flush = OnFlush;
  ops->release = OnRelease;
  ops->fsync = OnFsync;
  ops->fallocate = OnFallocate;
  ops->lseek = OnSeek;
  ops->copy_file_range = OnCopyFileRange;
  ops->ioctl = OnIoctl;
}

}  // namespace kvfs::fs
