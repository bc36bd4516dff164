// What the tests of conflicts stand on: a filesystem that is forked, changed on both
// sides and merged, as a network that breaks and heals does it. Not thread-safe.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "fs/meta/posix.h"
#include "tests/support/merged_contents.h"
#include "tests/support/test_vfs.h"

namespace kvfs::fs {

// A mounted filesystem, driven by paths.
class ConflictSide {
 public:
  static constexpr uint32_t kChunkBytes = 8u << 10;

  ConflictSide(uint64_t number, testing::Contents contents)
      : vfs(StoreOptions(number, std::move(contents)), SharedOptions()) {
    vfs.Advance(static_cast<int64_t>(1'000'000 * number));  // no two clocks are the same
  }

  int Write(const std::string& path, const Bytes& content) {
    const auto [dir, name] = Split(path);
    const Ino parent = vfs.Walk(dir);
    return parent != 0 && vfs.WriteFile(parent, name, content) != 0 ? 0 : EIO;
  }
  int Chmod(const std::string& path, uint32_t mode) {
    SetAttrRequest request;
    request.set_mode = true;
    request.mode = mode;
    const Ino ino = vfs.Walk(path);
    return ino == 0 ? ENOENT : ErrorOf(vfs.Await(vfs->SetAttr(ino, request, vfs.who)));
  }
  int Mkdir(const std::string& path) {
    const auto [dir, name] = Split(path);
    return ErrorOf(vfs.Await(vfs->MakeDirectory(vfs.Walk(dir), name, 0755, vfs.who)));
  }
  int Symlink(const std::string& path, const std::string& target) {
    const auto [dir, name] = Split(path);
    return ErrorOf(vfs.Await(vfs->MakeSymlink(vfs.Walk(dir), name, target, vfs.who)));
  }
  int Unlink(const std::string& path) {
    const auto [dir, name] = Split(path);
    const Ino ino = vfs.Walk(path);
    const int done = vfs.Await(vfs->Unlink(vfs.Walk(dir), name)).value();
    vfs->Forget(ino, 1'000'000);
    return done;
  }
  int Rmdir(const std::string& path) {
    const auto [dir, name] = Split(path);
    return vfs.Await(vfs->RemoveDirectory(vfs.Walk(dir), name)).value();
  }
  int Rename(const std::string& from, const std::string& to) {
    const auto [from_dir, from_name] = Split(from);
    const auto [to_dir, to_name] = Split(to);
    return vfs
        .Await(vfs->Rename(vfs.Walk(from_dir), from_name, vfs.Walk(to_dir), to_name,
                           RenameMode::kReplace))
        .value();
  }
  int Link(const std::string& from, const std::string& to) {
    const auto [to_dir, to_name] = Split(to);
    return ErrorOf(vfs.Await(vfs->Link(vfs.Walk(from), vfs.Walk(to_dir), to_name)));
  }
  int RemoveTree(const std::string& path) {
    for (const auto& [below, what] : TreeBelow(path)) {
      if (!what.starts_with("dir")) {
        Unlink(below);
      }
    }
    auto directories = TreeBelow(path);
    for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
      Rmdir(it->first);
    }
    return Rmdir(path);
  }
  Bytes Read(const std::string& path) {
    const Ino ino = vfs.Walk(path);
    return ino == 0 ? Bytes("(none)") : vfs.ReadFile(ino);
  }

  using Tree = std::map<std::string, std::string>;  // path -> "dir", "file CONTENT", "link TARGET"
  Tree TreeBelow(const std::string& path) {
    Tree tree;
    Collect(path, vfs.Walk(path), &tree);
    return tree;
  }
  Tree WholeTree() { return TreeBelow(""); }

  testing::Contents Contents() {
    EXPECT_TRUE(vfs.Await(vfs->RunWorkNow()).ok());
    return vfs.store().memory().Contents();
  }

  testing::TestVfs vfs;

 private:
  static testing::LocalFsStore::Options StoreOptions(uint64_t number, testing::Contents contents) {
    if (number > 1) {  // counters are those of the first
      std::erase_if(contents, [](const auto& item) { return item.first.front() == 0; });
    }
    return {.seed = number,
            .chunk_bytes = kChunkBytes,
            .storage_epoch = 0x100 + number,
            .inode_grant = number,
            .one_actor = false,
            .contents = std::move(contents)};
  }
  static VfsOptions SharedOptions() {
    VfsOptions options;
    options.is_shared = true;
    options.work_interval_micros = int64_t{3600} * 1'000'000;  // only when told
    options.orphan_grace_micros = int64_t{86'400} * 1'000'000;
    options.keeps_atime = false;
    return options;
  }
  template <typename T>
  static int ErrorOf(const FsResult<T>& result) {
    return result.ok() ? 0 : result.error().value();
  }
  static std::pair<std::string, std::string> Split(const std::string& path) {
    const size_t slash = path.rfind('/');
    return {path.substr(0, slash), path.substr(slash + 1)};
  }
  void Collect(const std::string& path, Ino ino, Tree* tree) {
    const uint64_t handle = *vfs.Await(vfs->OpenDirectory(ino));
    std::vector<std::pair<Bytes, uint32_t>> entries;
    uint64_t cookie = 0;
    bool any = true;
    while (any) {
      any = false;
      const Errno listed = vfs.Await(
          vfs->ReadDirectory(ino, handle, cookie, false, [&](const DirEntry& entry, const Attr*) {
            cookie = entry.cookie;
            any = true;
            if (entry.name != "." && entry.name != "..") {
              entries.emplace_back(entry.name, entry.type);
            }
            return true;
          }));
      EXPECT_TRUE(listed.ok());
    }
    EXPECT_TRUE(vfs.Await(vfs->ReleaseDirectory(ino, handle)).ok());
    for (const auto& [name, type] : entries) {
      const std::string below = path + "/" + std::string(name);
      const Ino child = vfs.Walk(below);
      if (type == S_IFDIR >> 12) {
        EXPECT_TRUE(tree->emplace(below, "dir").second);
        if (child != 0) {
          Collect(below, child, tree);
        } else {
          ADD_FAILURE() << below << " leads nowhere";
        }
      } else if (type == S_IFLNK >> 12) {
        auto target = vfs.Await(vfs->ReadLink(child));
        tree->emplace(below, "link " + (target.ok() ? *target : Bytes("(error)")));
      } else {
        tree->emplace(below, "file " + (child == 0 ? Bytes("(nowhere)") : vfs.ReadFile(child)));
      }
    }
  }
};

// The two sides of a network that breaks.
class ConflictFork {
 public:
  explicit ConflictFork(const testing::Contents& base) : base_(base), a(2, base), b(3, base) {}

  // One mount over what both have come to, with nothing resolved yet. `a_is_trunk`: which side had
  // the majority.
  std::unique_ptr<ConflictSide> Merge(bool a_is_trunk = true) {
    const testing::Contents from_a = a.Contents();
    const testing::Contents from_b = b.Contents();
    const auto all = [](ByteView) { return true; };
    testing::Contents merged = a_is_trunk ? testing::MergeContents(base_, from_a, from_b, all)
                                          : testing::MergeContents(base_, from_b, from_a, all);
    return std::make_unique<ConflictSide>(4, std::move(merged));
  }
  const testing::Contents& base() const { return base_; }

 private:
  const testing::Contents base_;

 public:
  ConflictSide a, b;
};

// Does all there is to do, also what is looked at again after a while.
inline void ResolveAll(ConflictSide* side) {
  constexpr int64_t kHour = int64_t{3600} * 1'000'000;
  for (int i = 0; i < 4; ++i) {
    const Errno done = side->vfs.Await(side->vfs->RunWorkNow());
    EXPECT_TRUE(done.ok()) << done.value();
    side->vfs.Advance(kHour);
  }
}

// Nothing is left in conflict, and names, records and counts agree.
inline void ExpectWhole(ConflictSide* side) {
  EXPECT_TRUE(testing::KeysInConflict(side->vfs.store().memory().Contents()).empty());
  for (const FsckProblem& problem : side->vfs.Fsck().problems) {
    ADD_FAILURE() << KindName(problem.kind) << " " << problem.where << " " << problem.text;
  }
}

}  // namespace kvfs::fs
