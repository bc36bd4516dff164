// VfsImpl: reading directories.

#include <algorithm>
#include <utility>

#include "fs/meta/names.h"
#include "fs/meta/posix.h"
#include "fs/vfs/vfs_impl.h"

namespace kvfs::fs {
namespace {

constexpr uint64_t kDotCookie = 1;
constexpr uint64_t kDotDotCookie = 2;

// Names that share a cookie must not be split by a full buffer: reading goes on behind the cookie
// of the last one taken. So all but the last of them carry the cookie before theirs, and a split
// group is read again from its start.
void JoinCollisions(uint64_t before, std::vector<DirEntry>* entries) {
  for (size_t i = 0; i < entries->size(); ++i) {
    const uint64_t cookie = (*entries)[i].cookie;
    if (i + 1 < entries->size() && (*entries)[i + 1].cookie == cookie) {
      (*entries)[i].cookie = before;
    } else {
      before = cookie;
    }
  }
}

}  // namespace

Task<FsResult<uint64_t>> VfsImpl::OpenDirectory(Ino ino) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  if (ref->ino != ref->home) {
    co_return Errno(ENOTDIR);
  }
  co_return next_directory_handle_.fetch_add(1, std::memory_order_relaxed);
}

Task<Errno> VfsImpl::ReadDirectory(Ino ino, uint64_t, uint64_t cookie, bool with_attrs,
                                   DirSink sink) {
  // The kernel's buffer takes a few dozen entries at a time, with attributes fewer.
  constexpr uint32_t kFirstPage = 32;
  constexpr uint32_t kMaxPage = 512;
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  if (ref->ino != ref->home) {
    co_return ENOTDIR;
  }
  constexpr uint32_t kDirectoryType = S_IFDIR >> 12;
  if (cookie == 0) {
    atimes_.Add(*ref, WallTime(env_.clock));
    const DirEntry self{.name = ".", .ref = *ref, .type = kDirectoryType, .cookie = kDotCookie};
    if (!sink(self, nullptr)) {
      co_return 0;
    }
  }
  if (cookie <= kDotCookie) {
    auto parent = co_await namespace_.LookupParent(*ref);
    if (!parent.ok()) {
      co_return parent.error();
    }
    const DirEntry above{
        .name = "..", .ref = parent->ref, .type = kDirectoryType, .cookie = kDotDotCookie};
    if (!sink(above, nullptr)) {
      co_return 0;
    }
  }
  cookie = std::max(cookie, kDotDotCookie);
  for (uint32_t limit = kFirstPage;; limit = std::min(limit * 2, kMaxPage)) {
    const uint64_t released_before = files_->ReleasedCount();
    auto page = co_await namespace_.ReadDirectory(*ref, cookie, limit, with_attrs);
    if (!page.ok()) {
      co_return page.error();
    }
    if (!page->entries.empty()) {
      const uint64_t last = page->entries.back().cookie;
      JoinCollisions(cookie, &page->entries);
      cookie = last;
    }
    for (size_t i = 0; i < page->entries.size(); ++i) {
      const DirEntry& entry = page->entries[i];
      if (!with_attrs) {
        if (!sink(entry, nullptr)) {
          co_return 0;
        }
        continue;
      }
      OverlayBuffered(&page->attrs[i], released_before);
      // Counted first: once taken, a forget may come at any time.
      inodes_.Remember(entry.ref);
      if (!sink(entry, &page->attrs[i])) {
        inodes_.Forget(entry.ref.ino, 1);
        co_return 0;
      }
    }
    if (!page->more) {
      co_return 0;
    }
    cookie = std::max(cookie, page->next_cookie);
  }
}

Task<Errno> VfsImpl::ReleaseDirectory(Ino, uint64_t) { co_return 0; }

Task<Errno> VfsImpl::FsyncDirectory(Ino ino) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  const Status done = co_await client_->Sync();
  co_return ToErrno(done);
}

}  // namespace kvfs::fs
