// The operations on names: lookup, the ones that make a name, the ones that take one away.
#include "fs/fuse/fuse_convert.h"
#include "fs/fuse/fuse_server.h"

namespace kvfs::fs {
namespace {

void ReplyEntry(Request request, FuseServer* server, Ino parent, const FsResult<NodeReply>& node) {
  if (!node.ok()) {
    request.Error(node.error());
    return;
  }
  if (request.Entry(server->EntryOf(node->attr, parent)) != 0) {
    server->vfs().Forget(node->attr.ino, 1);
  }
}

Task<void> Lookup(Request request, FuseServer* server, Ino parent, Bytes name) {
  FsResult<NodeReply> node = co_await server->vfs().Lookup(parent, std::move(name));
  if (!node.ok() && node.error() == Errno(ENOENT) && server->options().negative_seconds > 0 &&
      server->vfs().MayKeepNames(parent)) {
    request.Entry(server->NegativeEntry());
    co_return;
  }
  ReplyEntry(std::move(request), server, parent, node);
}

void OnLookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  auto* server = FuseServer::Of(req);
  Lookup(Request(req, &server->in_flight()), server, parent, name).Detach();
}

void OnForget(fuse_req_t req, fuse_ino_t ino, uint64_t count) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  server->vfs().Forget(ino, count);
  request.None();
}

void OnForgetMulti(fuse_req_t req, size_t count, fuse_forget_data* forgets) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  for (size_t i = 0; i < count; ++i) {
    server->vfs().Forget(forgets[i].ino, forgets[i].nlookup);
  }
  request.None();
}

Task<void> MakeNode(Request request, FuseServer* server, Ino parent, Bytes name, uint32_t mode,
                    uint64_t rdev) {
  FsResult<NodeReply> node =
      co_await server->vfs().MakeNode(parent, std::move(name), mode, rdev, request.who());
  ReplyEntry(std::move(request), server, parent, node);
}

void OnMakeNode(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  auto* server = FuseServer::Of(req);
  MakeNode(Request(req, &server->in_flight()), server, parent, name, mode, rdev).Detach();
}

Task<void> MakeDirectory(Request request, FuseServer* server, Ino parent, Bytes name,
                         uint32_t mode) {
  FsResult<NodeReply> node =
      co_await server->vfs().MakeDirectory(parent, std::move(name), mode, request.who());
  ReplyEntry(std::move(request), server, parent, node);
}

void OnMakeDirectory(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  auto* server = FuseServer::Of(req);
  MakeDirectory(Request(req, &server->in_flight()), server, parent, name, mode).Detach();
}

Task<void> MakeSymlink(Request request, FuseServer* server, Ino parent, Bytes name, Bytes target) {
  FsResult<NodeReply> node =
      co_await server->vfs().MakeSymlink(parent, std::move(name), std::move(target), request.who());
  ReplyEntry(std::move(request), server, parent, node);
}

void OnSymlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  auto* server = FuseServer::Of(req);
  MakeSymlink(Request(req, &server->in_flight()), server, parent, name, target).Detach();
}

Task<void> Link(Request request, FuseServer* server, Ino ino, Ino parent, Bytes name) {
  FsResult<NodeReply> node = co_await server->vfs().Link(ino, parent, std::move(name));
  ReplyEntry(std::move(request), server, parent, node);
}

void OnLink(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  auto* server = FuseServer::Of(req);
  Link(Request(req, &server->in_flight()), server, ino, parent, name).Detach();
}

Task<void> Unlink(Request request, FuseServer* server, Ino parent, Bytes name) {
  Errno error = co_await server->vfs().Unlink(parent, std::move(name));
  request.Error(error);
}

void OnUnlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  auto* server = FuseServer::Of(req);
  Unlink(Request(req, &server->in_flight()), server, parent, name).Detach();
}

Task<void> RemoveDirectory(Request request, FuseServer* server, Ino parent, Bytes name) {
  Errno error = co_await server->vfs().RemoveDirectory(parent, std::move(name));
  request.Error(error);
}

void OnRemoveDirectory(fuse_req_t req, fuse_ino_t parent, const char* name) {
  auto* server = FuseServer::Of(req);
  RemoveDirectory(Request(req, &server->in_flight()), server, parent, name).Detach();
}

Task<void> Rename(Request request, FuseServer* server, Ino parent, Bytes name, Ino new_parent,
                  Bytes new_name, RenameMode mode) {
  Errno error =
      co_await server->vfs().Rename(parent, std::move(name), new_parent, std::move(new_name), mode);
  request.Error(error);
}

void OnRename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
              const char* new_name, unsigned flags) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  std::optional<RenameMode> mode = ToRenameMode(flags);
  if (!mode.has_value()) {
    request.Error(EINVAL);
    return;
  }
  Rename(std::move(request), server, parent, name, new_parent, new_name, *mode).Detach();
}

}  // namespace

void AddNameOps(fuse_lowlevel_ops* ops) {
  ops->lookup = OnLookup;
  ops->forget = OnForget;
  ops->forget_multi = OnForgetMulti;
  ops->mknod = OnMakeNode;
  ops->mkdir = OnMakeDirectory;
  ops->symlink = OnSymlink;
  ops->link = OnLink;
  ops->unlink = OnUnlink;
  ops->rmdir = OnRemoveDirectory;
  ops->rename = OnRename;
}

}  // namespace kvfs::fs
