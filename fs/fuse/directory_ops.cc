// The operations on open directories.
#include <vector>

#include "fs/fuse/fuse_convert.h"
#include "fs/fuse/fuse_server.h"

namespace kvfs::fs {
namespace {

// Lays directory entries out as the kernel reads them.
class Listing {
 public:
  Listing(fuse_req_t req, FuseServer* server, Ino directory, size_t size)
      : req_(req), server_(server), directory_(directory), buffer_(size, '\0') {}

  bool Add(const DirEntry& entry) {
    struct stat attr {};
    attr.st_ino = entry.ref.ino;
    attr.st_mode = static_cast<mode_t>(entry.type << 12);  // DT_* are the type bits of a mode
    return Took(fuse_add_direntry(req_, Free(), FreeSize(), entry.name.c_str(), &attr,
                                  static_cast<off_t>(entry.cookie)));
  }

  // An entry without attributes leaves the kernel to look it up when it needs to.
  bool AddPlus(const DirEntry& entry, const Attr* attr) {
    fuse_entry_param param{};
    if (attr != nullptr) {
      param = server_->EntryOf(*attr, directory_);
    } else {
      param.attr.st_ino = entry.ref.ino;
      param.attr.st_mode = static_cast<mode_t>(entry.type << 12);
    }
    if (!Took(fuse_add_direntry_plus(req_, Free(), FreeSize(), entry.name.c_str(), &param,
                                     static_cast<off_t>(entry.cookie)))) {
      return false;
    }
    if (param.ino != 0) {
      looked_up_.push_back(param.ino);
    }
    return true;
  }

  ByteView bytes() const { return ByteView(buffer_).substr(0, used_); }
  const std::vector<Ino>& looked_up() const { return looked_up_; }

 private:
  char* Free() { return buffer_.data() + used_; }
  size_t FreeSize() const { return buffer_.size() - used_; }
  bool Took(size_t needed) {
    if (needed > FreeSize()) {
      return false;
    }
    used_ += needed;
    return true;
  }

  const fuse_req_t req_;
  FuseServer* const server_;
  const Ino directory_;
  Bytes buffer_;
  size_t used_ = 0;
  std::vector<Ino> looked_up_;
};

Task<void> Read(Request request, FuseServer* server, Ino ino, uint64_t handle, uint64_t cookie,
                size_t size, bool plus) {
  Listing listing(request.raw(), server, ino, size);
  DirSink sink = [&listing, plus](const DirEntry& entry, const Attr* attr) {
    return plus ? listing.AddPlus(entry, attr) : listing.Add(entry);
  };
  Errno error = co_await server->vfs().ReadDirectory(ino, handle, cookie, plus, sink);
  // What was listed before the failure is delivered; the next call meets the failure again.
  if (!error.ok() && listing.bytes().empty()) {
    request.Error(error);
    co_return;
  }
  if (request.Buffer(listing.bytes()) != 0) {
    for (Ino looked_up : listing.looked_up()) {
      server->vfs().Forget(looked_up, 1);
    }
  }
}

void OnReadDirectory(fuse_req_t req, fuse_ino_t ino, size_t size, off_t cookie,
                     fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Read(Request(req, &server->in_flight()), server, ino, file->fh, static_cast<uint64_t>(cookie),
       size, false)
      .Detach();
}

void OnReadDirectoryPlus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t cookie,
                         fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Read(Request(req, &server->in_flight()), server, ino, file->fh, static_cast<uint64_t>(cookie),
       size, true)
      .Detach();
}

Task<void> Open(Request request, FuseServer* server, Ino ino, fuse_file_info file) {
  FsResult<uint64_t> handle = co_await server->vfs().OpenDirectory(ino);
  if (!handle.ok()) {
    request.Error(handle.error());
    co_return;
  }
  file.fh = *handle;
  file.cache_readdir = server->options().cache_readdir;
  file.keep_cache = server->options().cache_readdir;
  if (request.Open(file) != 0) {
    (void)co_await server->vfs().ReleaseDirectory(ino, *handle);
  }
}

void OnOpenDirectory(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Open(Request(req, &server->in_flight()), server, ino, *file).Detach();
}

Task<void> Release(Request request, FuseServer* server, Ino ino, uint64_t handle) {
  Errno error = co_await server->vfs().ReleaseDirectory(ino, handle);
  request.Error(error);
}

void OnReleaseDirectory(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  auto* server = FuseServer::Of(req);
  Release(Request(req, &server->in_flight()), server, ino, file->fh).Detach();
}

Task<void> Fsync(Request request, FuseServer* server, Ino ino) {
  Errno error = co_await server->vfs().FsyncDirectory(ino);
  request.Error(error);
}

void OnFsyncDirectory(fuse_req_t req, fuse_ino_t ino, int, fuse_file_info*) {
  auto* server = FuseServer::Of(req);
  Fsync(Request(req, &server->in_flight()), server, ino).Detach();
}

}  // namespace

void AddDirectoryOps(fuse_lowlevel_ops* ops) {
  ops->opendir = OnOpenDirectory;
  ops->readdir = OnReadDirectory;
  ops->readdirplus = OnReadDirectoryPlus;
  ops->releasedir = OnReleaseDirectory;
  ops->fsyncdir = OnFsyncDirectory;
}

}  // namespace kvfs::fs
