// Namespace: reading directories.

#include <utility>

#include "fs/meta/keys.h"
#include "fs/meta/namespace.h"

namespace kvfs::fs {
namespace {

FsResult<DirEntry> ToEntry(const client::Item& item) {
  auto parts = keys::ParseDentry(item.ck);
  auto dentry = DecodeDentry(item.value());
  if (!parts || !dentry.ok()) {
    return Errno(EIO);
  }
  return DirEntry{.name = Bytes(parts->name),
                  .ref = {.ino = dentry->ino(), .home = dentry->home()},
                  .type = dentry->type(),
                  .cookie = parts->hash};
}

}  // namespace

Task<FsResult<DirPage>> Namespace::ReadDirectory(InodeRef dir, uint64_t cookie, uint32_t limit,
                                                 bool with_attrs) {
  constexpr uint32_t kMaxScanItems = 10'000;
  if (limit == 0) {
    co_return Errno(EINVAL);
  }
  const Bytes pk = keys::DirectoryPk(dir.ino);
  DirPage page;
  const uint32_t wanted = std::min(limit, kMaxScanItems);
  auto scanned =
      co_await client_->Scan(pk, keys::DentryFrom(cookie + 1), keys::DentryEnd(), wanted);
  if (!scanned.ok()) {
    co_return ToErrno(scanned.error());
  }
  page.more = scanned->more;
  for (const client::Item& item : scanned->items) {
    auto entry = ToEntry(item);
    if (!entry.ok()) {
      co_return entry.error();
    }
    page.entries.push_back(std::move(*entry));
  }
  if (page.more && !page.entries.empty()) {
    // Names that share the last cookie may lie beyond: reading goes on behind the cookie, so all
    // of them belong into this page.
    const uint64_t last = page.entries.back().cookie;
    Bytes begin = scanned->items.back().ck;
    begin.push_back('\0');
    auto rest = co_await client_->Scan(pk, begin, keys::DentryFrom(last + 1), kMaxScanItems);
    if (!rest.ok()) {
      co_return ToErrno(rest.error());
    }
    for (const client::Item& item : rest->items) {
      auto entry = ToEntry(item);
      if (!entry.ok()) {
        co_return entry.error();
      }
      page.entries.push_back(std::move(*entry));
    }
  }
  page.next_cookie = page.entries.empty() ? cookie : page.entries.back().cookie;
  if (!with_attrs) {
    co_return page;
  }

  std::vector<InodeRef> refs;
  refs.reserve(page.entries.size());
  for (const DirEntry& entry : page.entries) {
    refs.push_back(entry.ref);
  }
  auto inodes = co_await LoadInodes(client_, std::move(refs));
  if (!inodes.ok()) {
    co_return inodes.error();
  }
  std::vector<DirEntry> kept;
  for (size_t i = 0; i < page.entries.size(); ++i) {
    if (const auto& inode = (*inodes)[i]; inode) {  // else it went since the scan
      kept.push_back(std::move(page.entries[i]));
      page.attrs.push_back(AttrOf(inode->record));
    }
  }
  page.entries = std::move(kept);
  co_return page;
}

}  // namespace kvfs::fs
