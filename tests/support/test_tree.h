// TestTree: a Namespace over a store in memory, driven by paths and without waiting:
// what tests of names and attributes stand on. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "tests/support/local_fs_store.h"

namespace kvfs::testing {

class TestTree : public fs::OpenFiles {
 public:
  explicit TestTree(uint64_t seed = 1)
      : store_(seed), names_(fs::NamespaceOptions{}, store_.client(), store_.env(), this) {
    [[maybe_unused]] const fs::Errno ready = store_.Await(names_.Initialise(who));
    assert(ready.ok());
  }

  LocalFsStore& store() { return store_; }
  fs::Namespace& names() { return names_; }
  template <typename T>
  T Await(Task<T> task) {
    return store_.Await(std::move(task));
  }

  static fs::InodeRef Root() { return {.ino = fs::kRootIno, .home = fs::kRootIno}; }

  // "/a/b": the directory /a and the name b.
  fs::FsResult<std::pair<fs::InodeRef, Bytes>> Split(const std::string& path) {
    const size_t slash = path.rfind('/');
    auto dir = Find(path.substr(0, slash));
    if (!dir.ok()) {
      return dir.error();
    }
    return std::pair(dir->ref, path.substr(slash + 1));
  }
  fs::FsResult<fs::NodeInfo> Find(const std::string& path) {
    fs::NodeInfo node;
    node.ref = Root();
    auto root = Await(names_.GetAttr(node.ref));
    if (!root.ok()) {
      return root.error();
    }
    node.attr = *root;
    size_t at = 0;
    while (at < path.size()) {
      const size_t begin = path[at] == '/' ? at + 1 : at;
      const size_t end = std::min(path.find('/', begin), path.size());
      if (end > begin) {
        if (!S_ISDIR(node.attr.mode)) {
          return fs::Errno(ENOTDIR);
        }
        auto next = Await(names_.Lookup(node.ref, path.substr(begin, end - begin)));
        if (!next.ok()) {
          return next.error();
        }
        node = *next;
      }
      at = end;
    }
    return node;
  }
  fs::FsResult<fs::NodeInfo> File(const std::string& path, uint32_t mode = 0644) {
    return At(path, [&](auto dir, auto name) {
      return names_.MakeNode(dir, name, S_IFREG | mode, 0, who);
    });
  }
  fs::FsResult<fs::NodeInfo> Node(const std::string& path, uint32_t mode, uint64_t rdev) {
    return At(path,
              [&](auto dir, auto name) { return names_.MakeNode(dir, name, mode, rdev, who); });
  }
  fs::FsResult<fs::NodeInfo> Dir(const std::string& path, uint32_t mode = 0755) {
    return At(path,
              [&](auto dir, auto name) { return names_.MakeDirectory(dir, name, mode, who); });
  }
  fs::FsResult<fs::NodeInfo> Symlink(const std::string& target, const std::string& path) {
    return At(path,
              [&](auto dir, auto name) { return names_.MakeSymlink(dir, name, target, who); });
  }
  fs::FsResult<fs::NodeInfo> Link(const std::string& old, const std::string& path) {
    auto node = Find(old);
    if (!node.ok()) {
      return node.error();
    }
    return At(path, [&](auto dir, auto name) { return names_.Link(node->ref, dir, name); });
  }
  fs::FsResult<fs::Removed> Unlink(const std::string& path) {
    return At(path, [&](auto dir, auto name) { return names_.Unlink(dir, name); });
  }
  fs::FsResult<fs::Removed> Rmdir(const std::string& path) {
    return At(path, [&](auto dir, auto name) { return names_.RemoveDirectory(dir, name); });
  }
  fs::FsResult<fs::RenameOutcome> Rename(const std::string& from, const std::string& to,
                                         fs::RenameMode mode = fs::RenameMode::kReplace) {
    auto from_parts = Split(from);
    if (!from_parts.ok()) {
      return from_parts.error();
    }
    return At(to, [&](auto dir, auto name) {
      return names_.Rename(from_parts->first, from_parts->second, dir, name, mode);
    });
  }
  fs::Attr Stat(const std::string& path) {
    auto node = Find(path);
    return node.ok() ? node->attr : fs::Attr{};
  }
  // What `ls` prints, in the order of cookies.
  std::vector<Bytes> List(const std::string& path, uint32_t page_entries = 100) {
    std::vector<Bytes> names;
    auto dir = Find(path);
    if (!dir.ok()) {
      return names;
    }
    uint64_t cookie = 0;
    while (true) {
      auto page = Await(names_.ReadDirectory(dir->ref, cookie, page_entries, false));
      if (!page.ok()) {
        return names;
      }
      for (const fs::DirEntry& entry : page->entries) {
        names.push_back(entry.name);
      }
      if (!page->more) {
        return names;
      }
      cookie = page->next_cookie;
    }
  }

  // OpenFiles
  Task<env::AsyncMutex::Guard> HoldOpens(fs::Ino) override { co_return env::AsyncMutex::Guard(); }
  bool IsOpen(fs::Ino ino) const override { return open.contains(ino); }
  bool IsKnown(fs::Ino ino) const override { return known.contains(ino); }

  fs::Credentials who{.uid = 1000, .gid = 1000, .umask = 022, .pid = 1};
  std::unordered_set<fs::Ino> open;
  std::unordered_set<fs::Ino> known;

 private:
  template <typename Operation>
  auto At(const std::string& path, Operation operation)
      -> decltype(operation(fs::InodeRef(), Bytes()).TakeValue()) {
    auto parts = Split(path);
    if (!parts.ok()) {
      return parts.error();
    }
    return Await(operation(parts->first, parts->second));
  }

  LocalFsStore store_;
  fs::Namespace names_;
};

}  // namespace kvfs::testing
