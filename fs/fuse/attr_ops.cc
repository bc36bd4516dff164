// The operations on attributes: getattr, setattr, readlink, extended attributes, statfs.
#include <algorithm>
#include <string_view>

#include "fs/fuse/fuse_convert.h"
#include "fs/fuse/fuse_server.h"

namespace kvfs::fs {
namespace {

constexpr std::string_view kAccessAcl = "system.posix_acl_access";
constexpr std::string_view kTrusted = "trusted.";

void ReplyAttr(Request request, FuseServer* server, const FsResult<Attr>& attr) {
  if (attr.ok()) {
    request.Attr(ToStat(*attr), server->AttrSeconds(*attr));
  } else {
    request.Error(attr.error());
  }
}

Task<void> GetAttr(Request request, FuseServer* server, Ino ino) {
  FsResult<Attr> attr = co_await server->vfs().GetAttr(ino);
  ReplyAttr(std::move(request), server, attr);
}

void OnGetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  auto* server = FuseServer::Of(req);
  GetAttr(Request(req, &server->in_flight()), server, ino).Detach();
}

Task<void> SetAttr(Request request, FuseServer* server, Ino ino, SetAttrRequest change) {
  FsResult<Attr> attr = co_await server->vfs().SetAttr(ino, change, request.who());
  ReplyAttr(std::move(request), server, attr);
}

// What asks for no change still takes suid and sgid away, of the caller's own file. Of another's
// the kernel asks for it before a write, and says so again in the write.
Task<void> SetNothing(Request request, FuseServer* server, Ino ino) {
  FsResult<Attr> attr = co_await server->vfs().GetAttr(ino);
  const uint32_t uid = request.who().uid;
  if (attr.ok() && (uid == 0 || uid == attr->uid)) {
    SetAttrRequest change;
    change.kill_suid_sgid = true;
    attr = co_await server->vfs().SetAttr(ino, change, request.who());
  }
  ReplyAttr(std::move(request), server, attr);
}

void OnSetAttr(fuse_req_t req, fuse_ino_t ino, struct stat* attr, int to_set, fuse_file_info*) {
  auto* server = FuseServer::Of(req);
  if (ChangesNothing(to_set)) {
    SetNothing(Request(req, &server->in_flight()), server, ino).Detach();
    return;
  }
  SetAttr(Request(req, &server->in_flight()), server, ino, ToSetAttr(*attr, to_set)).Detach();
}

Task<void> ReadLink(Request request, FuseServer* server, Ino ino) {
  FsResult<Bytes> target = co_await server->vfs().ReadLink(ino);
  if (target.ok()) {
    request.ReadLink(target->c_str());
  } else {
    request.Error(target.error());
  }
}

void OnReadLink(fuse_req_t req, fuse_ino_t ino) {
  auto* server = FuseServer::Of(req);
  ReadLink(Request(req, &server->in_flight()), server, ino).Detach();
}

// The two-step protocol of getxattr(2) and listxattr(2): size 0 asks how much there is.
void ReplyXattr(Request request, ByteView value, size_t size) {
  if (size == 0) {
    request.XattrSize(value.size());
  } else if (value.size() > size) {
    request.Error(ERANGE);
  } else {
    request.Buffer(value);
  }
}

Task<void> GetXattr(Request request, FuseServer* server, Ino ino, Bytes name, size_t size) {
  FsResult<Bytes> value = co_await server->vfs().GetXattr(ino, std::move(name));
  if (value.ok()) {
    ReplyXattr(std::move(request), *value, size);
  } else {
    request.Error(value.error());
  }
}

void OnGetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  if (std::string_view(name) == kDataXattr) {
    ReplyXattr(std::move(request), server->options().data_directory, size);
    return;
  }
  GetXattr(std::move(request), server, ino, name, size).Detach();
}

Task<void> SetXattr(Request request, FuseServer* server, Ino ino, Bytes name, Bytes value,
                    int flags) {
  bool kill_sgid = false;
  if (name == kAccessAcl && request.who().uid != 0) {
    // As for chmod(2): who is not in the file's group may not leave setgid behind.
    FsResult<Attr> attr = co_await server->vfs().GetAttr(ino);
    kill_sgid = attr.ok() && (attr->mode & S_ISGID) != 0 && !request.InGroup(attr->gid);
  }
  Errno error =
      co_await server->vfs().SetXattr(ino, std::move(name), std::move(value), flags, kill_sgid);
  request.Error(error);
}

void OnSetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, size_t size,
                int flags) {
  auto* server = FuseServer::Of(req);
  SetXattr(Request(req, &server->in_flight()), server, ino, name, Bytes(value, size), flags)
      .Detach();
}

Task<void> ListXattrs(Request request, FuseServer* server, Ino ino, size_t size) {
  FsResult<std::vector<Bytes>> names = co_await server->vfs().ListXattrs(ino);
  if (!names.ok()) {
    request.Error(names.error());
    co_return;
  }
  const bool is_root = request.who().uid == 0;
  Bytes list;
  for (const Bytes& name : *names) {
    if (is_root || !name.starts_with(kTrusted)) {  // as xattr(7) has it
      list += name;
      list.push_back('\0');
    }
  }
  ReplyXattr(std::move(request), list, size);
}

void OnListXattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  auto* server = FuseServer::Of(req);
  ListXattrs(Request(req, &server->in_flight()), server, ino, size).Detach();
}

Task<void> RemoveXattr(Request request, FuseServer* server, Ino ino, Bytes name) {
  Errno error = co_await server->vfs().RemoveXattr(ino, std::move(name));
  request.Error(error);
}

void OnRemoveXattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  auto* server = FuseServer::Of(req);
  RemoveXattr(Request(req, &server->in_flight()), server, ino, name).Detach();
}

Task<void> StatFs(Request request, FuseServer* server) {
  FsResult<FsSpace> space = co_await server->vfs().StatFs();
  if (space.ok()) {
    request.StatFs(ToStatVfs(*space));
  } else {
    request.Error(space.error());
  }
}

void OnStatFs(fuse_req_t req, fuse_ino_t) {
  auto* server = FuseServer::Of(req);
  StatFs(Request(req, &server->in_flight()), server).Detach();
}

}  // namespace

void AddAttrOps(fuse_lowlevel_ops* ops) {
  ops->getattr = OnGetAttr;
  ops->setattr = OnSetAttr;
  ops->readlink = OnReadLink;
  ops->getxattr = OnGetXattr;
  ops->setxattr = OnSetXattr;
  ops->listxattr = OnListXattr;
  ops->removexattr = OnRemoveXattr;
  ops->statfs = OnStatFs;
}

}  // namespace kvfs::fs
