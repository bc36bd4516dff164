#include "fs/vfs/conflict_list.h"

#include <algorithm>

#include "fs/meta/keys.h"
#include "fs/meta/namespace.h"
#include "fs/meta/records.pb.h"

namespace kvfs::fs {
namespace {

constexpr int kDeepest = 1000;

const char* KindName(pb::ConflictNote::Kind kind) {
  switch (kind) {
    case pb::ConflictNote::CONTENT:
      return "content";
    case pb::ConflictNote::NAME:
      return "name";
    case pb::ConflictNote::DIRECTORIES:
      return "directories";
    case pb::ConflictNote::EDIT_AND_DELETE:
      return "edit-and-delete";
    case pb::ConflictNote::MOVED_TWICE:
      return "moved-twice";
    case pb::ConflictNote::RESCUED:
      return "rescued";
    case pb::ConflictNote::XATTR:
      return "xattr";
    default:
      return "?";
  }
}

// The path of a directory; "?" where it cannot be followed up to the root.
Task<FsResult<std::string>> PathOf(client::Client* client, Ino directory) {
  std::string path;
  for (int depth = 0; directory != kRootIno; ++depth) {
    auto self = co_await LoadInode(client, {.ino = directory, .home = directory});
    if (!self.ok() || depth > kDeepest) {
      if (!self.ok() && self.error() != Errno(ENOENT)) {
        co_return self.error();
      }
      co_return "?" + path;
    }
    path = "/" + self->record.sole_link().name() + path;
    directory = self->record.sole_link().parent();
  }
  co_return path;
}

// What a path leads to; ino 0: nothing.
Task<FsResult<InodeRef>> Walk(Namespace* names, Bytes path) {
  InodeRef at{.ino = kRootIno, .home = kRootIno};
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) {
      auto next = co_await names->Lookup(at, path.substr(begin, end - begin));
      if (!next.ok()) {
        if (next.error() == Errno(ENOENT) || next.error() == Errno(ENOTDIR)) {
          co_return InodeRef();
        }
        co_return next.error();
      }
      at = next->ref;
    }
    begin = end + 1;
  }
  co_return at;
}

Task<FsResult<ListedConflict>> ToListed(client::Client* client, Namespace* names,
                                        const client::Item* item) {
  ListedConflict listed;
  pb::ConflictNote note;
  if (!note.ParseFromString(item->value())) {
    co_return Errno(EIO);
  }
  listed.id = item->ck;
  listed.kind = KindName(note.kind());
  listed.time = note.noted_at();
  for (const auto& version : note.versions()) {
    ListedVersion& one = listed.versions.emplace_back();
    one.dot = {version.dot_epoch(), version.dot_counter()};
    one.time = version.time();
    one.ino = version.ino();
    one.size = version.size();
    if (!version.has_place() || version.place().parent() == 0) {
      continue;
    }
    const Ino parent = version.place().parent();
    auto directory = co_await PathOf(client, parent);
    if (!directory.ok()) {
      co_return directory.error();
    }
    one.path = *directory + "/" + version.place().name();
    auto found = co_await names->Lookup({.ino = parent, .home = parent}, version.place().name());
    one.is_there = found.ok() && found->ref.ino == one.ino;
  }
  co_return listed;
}

}  // namespace

Task<FsResult<std::vector<ListedConflict>>> ListConflicts(client::Client* client, env::Env env,
                                                          Bytes path, size_t limit) {
  constexpr uint32_t kPageItems = 256;
  Namespace names({}, client, env, nullptr);
  Ino wanted = 0;
  if (!path.empty()) {
    auto ref = co_await Walk(&names, path);
    if (!ref.ok()) {
      co_return ref.error();
    }
    wanted = ref->ino;
  }
  std::vector<ListedConflict> found;
  Bytes begin = keys::ConflictNotePrefix();
  const Bytes end = keys::PrefixEnd(begin);
  while (found.size() < limit) {
    auto page = co_await client->Scan(keys::ConflictsPk(), begin, end, kPageItems);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    for (const client::Item& item : page->items) {
      auto listed = co_await ToListed(client, &names, &item);
      if (!listed.ok()) {
        co_return listed.error();
      }
      const bool is_wanted =
          path.empty() || std::any_of(listed->versions.begin(), listed->versions.end(),
                                      [&](const ListedVersion& version) {
                                        return version.path == path ||
                                               (wanted != 0 && version.ino == wanted);
                                      });
      if (is_wanted && found.size() < limit) {
        found.push_back(std::move(*listed));
      }
    }
    if (!page->more || page->items.empty()) {
      break;
    }
    begin = page->items.back().ck;
    begin.push_back('\0');
  }
  co_return found;
}

Task<Errno> SettleConflict(client::Client* client, env::Env env, ListedConflict conflict,
                           bool newest) {
  Namespace names({.is_shared = true}, client, env, nullptr);
  for (size_t i = 1; newest && i < conflict.versions.size(); ++i) {
    const ListedVersion& version = conflict.versions[i];
    const size_t slash = version.path.rfind('/');
    if (!version.is_there || slash == std::string::npos) {
      continue;
    }
    auto directory = co_await Walk(&names, version.path.substr(0, slash));
    if (!directory.ok()) {
      co_return directory.error();
    }
    const Bytes name = version.path.substr(slash + 1);
    auto there = co_await names.Lookup(*directory, name);
    if (there.ok() && there->ref.ino == version.ino) {
      auto gone = co_await names.Unlink(*directory, name);
      if (!gone.ok()) {
        co_return gone.error();
      }
    }
  }
  client::Commit commit;
  client::Txn txn;
  txn.pk = keys::ConflictsPk();
  client::Write& erase = txn.writes.emplace_back();
  erase.kind = client::Write::Kind::kErase;
  erase.ck = conflict.id;
  commit.txns.push_back(std::move(txn));
  auto result = co_await client->Submit(std::move(commit));
  co_return ToErrno(result.status);
}

}  // namespace kvfs::fs
