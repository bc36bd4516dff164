#include "fs/meta/namespace.h"

#include <utility>

#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {

Namespace::Namespace(const NamespaceOptions& options, client::Client* client, env::Env env,
                     OpenFiles* open_files)
    : options_(options),
      client_(client),
      env_(env),
      open_files_(open_files),
      move_lock_(env.scheduler) {}

Namespace::Moment Namespace::Now() const {
  return {.now = WallTime(env_.clock), .set_at = client_->Now()};
}

Bytes Namespace::DentryKey(ByteView name) const {
  return keys::Dentry(keys::NameHash(client_->info().name_hash_key, name), name);
}

uint64_t Namespace::NewLinkId() const {
  const uint64_t id = env_.random->Next();
  return id == 0 ? 1 : id;
}

Task<Errno> Namespace::Initialise(Credentials owner) {
  constexpr uint32_t kRootMode = S_IFDIR | 0755;
  const InodeRef root{.ino = kRootIno, .home = kRootIno};
  auto existing = co_await Load(root);
  if (existing.ok()) {
    co_return 0;
  }
  if (existing.error() != Errno(ENOENT)) {
    co_return existing.error();
  }
  const Moment moment = Now();
  LoadedInode loaded{.ref = root, .record = {}, .version = {}};
  FillNewRecord(root, kRootMode, moment.now, moment.set_at, &loaded.record);
  loaded.record.set_uid(owner.uid);
  loaded.record.set_gid(owner.gid);
  loaded.record.mutable_sole_link()->set_parent(kRootIno);
  ChangeSet changes;
  changes.Update(loaded);
  changes.Put(kRootIno, keys::Alive(), {});
  const Errno done = co_await changes.Commit(client_);
  co_return done == kRetry ? Errno() : done;  // somebody else made it meanwhile
}

Task<FsResult<Namespace::FoundEntry>> Namespace::FindEntry(InodeRef dir, Bytes name,
                                                           Freshness freshness) {
  FoundEntry found;
  found.ck = DentryKey(name);
  std::vector<client::ItemKey> wanted;
  wanted.push_back({keys::DirectoryPk(dir.ino), found.ck});
  auto items = co_await GetItems(client_, std::move(wanted), freshness);
  if (!items.ok()) {
    co_return ToErrno(items.error());
  }
  Result<std::optional<client::Item>> item = std::move((*items)[0]);
  if (item.ok() && item->has_value() && (*item)->siblings.size() > 1 && conflicts_ != nullptr) {
    // Where it cannot be resolved now, the winner is what the name leads to.
    (void)co_await conflicts_->ResolveEntry(dir.ino, found.ck);
    item = co_await client_->Get({keys::DirectoryPk(dir.ino), found.ck});
  }
  if (!item.ok()) {
    co_return ToErrno(item.error());
  }
  if (!item->has_value()) {
    co_return Errno(ENOENT);
  }
  found.in_conflict = (*item)->siblings.size() > 1;
  auto dentry = DecodeDentry((*item)->value());
  if (!dentry.ok()) {
    co_return ToErrno(dentry.error());
  }
  found.dentry = std::move(*dentry);
  found.version = (*item)->version;
  co_return found;
}

Task<FsResult<LoadedInode>> Namespace::Load(InodeRef ref, Freshness freshness) {
  auto loaded = co_await LoadInode(client_, ref, freshness);
  if (loaded.ok() && loaded->in_conflict && conflicts_ != nullptr) {
    (void)co_await conflicts_->ResolveInode(ref);
    loaded = co_await LoadInode(client_, ref);
  }
  co_return loaded;
}

Task<FsResult<NodeInfo>> Namespace::Lookup(InodeRef dir, Bytes name) {
  if (name == ".") {
    auto self = co_await Load(dir);
    if (!self.ok()) {
      co_return self.error();
    }
    co_return NodeInfo{.ref = dir, .attr = AttrOf(self->record)};
  }
  if (name == "..") {
    auto parent = co_await LookupParent(dir);
    co_return parent;
  }
  if (const Errno bad = CheckName(name); !bad.ok()) {
    co_return bad;
  }
  auto recent = co_await TryLookup(dir, name, Freshness::kRecent);
  if (recent.ok() || recent.error() != kRetry) {
    co_return recent;
  }
  auto found = co_await RetryOnConflict([&] { return TryLookup(dir, name, Freshness::kNow); });
  co_return found;
}

Task<FsResult<NodeInfo>> Namespace::TryLookup(InodeRef dir, Bytes name, Freshness freshness) {
  auto entry = co_await FindEntry(dir, name, freshness);
  if (!entry.ok()) {
    co_return entry.error();
  }
  const InodeRef ref = entry->ref();
  auto inode = co_await Load(ref, freshness);
  if (inode.ok()) {
    co_return NodeInfo{.ref = ref,
                       .attr = AttrOf(inode->record),
                       .was_born_here = entry->is_directory() || ref.home == dir.ino};
  }
  if (inode.error() != Errno(ENOENT)) {
    co_return inode.error();
  }
  // The entry went between the two reads, or it is one that should not be.
  if (freshness == Freshness::kRecent) {
    co_return kRetry;
  }
  auto again = co_await FindEntry(dir, name);
  if (!again.ok()) {
    co_return again.error();
  }
  co_return again->version == entry->version ? Errno(EIO) : kRetry;
}

Task<FsResult<NodeInfo>> Namespace::LookupParent(InodeRef dir) {
  auto self = co_await Load(dir);
  if (!self.ok()) {
    co_return self.error();
  }
  const Ino above = self->record.sole_link().parent();
  const InodeRef ref{.ino = above, .home = above};
  auto parent = co_await Load(ref);
  if (!parent.ok()) {
    co_return parent.error();
  }
  co_return NodeInfo{.ref = ref, .attr = AttrOf(parent->record)};
}

Task<FsResult<Attr>> Namespace::GetAttr(InodeRef ref, Freshness freshness) {
  auto inode = co_await Load(ref, freshness);
  if (!inode.ok()) {
    co_return inode.error();
  }
  co_return AttrOf(inode->record);
}

Task<FsResult<Ino>> Namespace::AllocateInode() {
  auto ino = co_await client_->AllocateInode();
  if (!ino.ok()) {
    co_return ToErrno(ino.error());
  }
  co_return *ino;
}

Task<FsResult<Bytes>> Namespace::ReadSymlink(InodeRef ref) {
  auto item = co_await client_->Get({keys::DirectoryPk(ref.home), keys::Inline(ref.ino)});
  if (!item.ok()) {
    co_return ToErrno(item.error());
  }
  if (!item->has_value()) {
    co_return Errno(ENOENT);
  }
  co_return (*item)->value();
}

}  // namespace kvfs::fs
