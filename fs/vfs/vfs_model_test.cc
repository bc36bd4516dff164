// The Vfs against a small POSIX filesystem in memory: the same random operations on
// both, the same answers, the same trees.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>

#include "tests/support/test_vfs.h"

namespace kvfs::fs {
namespace {

using testing::TestVfs;

// ---- the model --------------------------------------------------------------

struct ModelNode {
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t nlink = 0;  // names; a directory's is computed
  Bytes content;       // or the target of a symlink
  std::map<Bytes, std::shared_ptr<ModelNode>> children;
  ModelNode* parent = nullptr;
  std::map<Bytes, Bytes> xattrs;

  bool is_dir() const { return S_ISDIR(mode); }
  uint32_t Links() const {
    if (!is_dir()) {
      return nlink;
    }
    uint32_t links = 2;
    for (const auto& [name, child] : children) {
      links += child->is_dir() ? 1 : 0;
    }
    return links;
  }
};
using ModelRef = std::shared_ptr<ModelNode>;

class Model {
 public:
  Model() : root(std::make_shared<ModelNode>()) {
    root->mode = S_IFDIR | 0755;
    root->parent = root.get();
  }

  static ModelRef Child(const ModelRef& dir, const Bytes& name) {
    auto it = dir->children.find(name);
    return it == dir->children.end() ? nullptr : it->second;
  }
  static bool IsBelow(const ModelNode* inner, const ModelNode* outer) {
    while (inner != outer) {
      if (inner->parent == inner) {
        return false;
      }
      inner = inner->parent;
    }
    return true;
  }
  static int Make(const ModelRef& dir, const Bytes& name, uint32_t mode, Bytes content = {}) {
    if (Child(dir, name) != nullptr) {
      return EEXIST;
    }
    auto node = std::make_shared<ModelNode>();
    node->mode = mode;
    node->uid = 1000;
    node->nlink = 1;
    node->content = std::move(content);
    Attach(dir, name, node);
    return 0;
  }
  static int Unlink(const ModelRef& dir, const Bytes& name) {
    const ModelRef node = Child(dir, name);
    if (node == nullptr) {
      return ENOENT;
    }
    if (node->is_dir()) {
      return EISDIR;
    }
    --node->nlink;
    dir->children.erase(name);
    return 0;
  }
  static int Rmdir(const ModelRef& dir, const Bytes& name) {
    const ModelRef node = Child(dir, name);
    if (node == nullptr) {
      return ENOENT;
    }
    if (!node->is_dir()) {
      return ENOTDIR;
    }
    if (!node->children.empty()) {
      return ENOTEMPTY;
    }
    dir->children.erase(name);
    return 0;
  }
  static int Link(const ModelRef& node, const ModelRef& dir, const Bytes& name) {
    if (node->is_dir()) {
      return EPERM;
    }
    if (Child(dir, name) != nullptr) {
      return EEXIST;
    }
    ++node->nlink;
    dir->children[name] = node;
    return 0;
  }
  static int Rename(const ModelRef& from_dir, const Bytes& from, const ModelRef& to_dir,
                    const Bytes& to, RenameMode mode) {
    const ModelRef moved = Child(from_dir, from);
    const ModelRef there = Child(to_dir, to);
    if (moved == nullptr) {
      return ENOENT;
    }
    if (there != nullptr && mode == RenameMode::kNoReplace) {
      return EEXIST;
    }
    if (there == moved) {
      return 0;
    }
    if (there == nullptr && mode == RenameMode::kExchange) {
      return ENOENT;
    }
    if (moved->is_dir() && IsBelow(to_dir.get(), moved.get())) {
      return EINVAL;
    }
    if (mode == RenameMode::kExchange) {
      if (there->is_dir() && IsBelow(from_dir.get(), there.get())) {
        return EINVAL;
      }
      Attach(from_dir, from, there);
      Attach(to_dir, to, moved);
      return 0;
    }
    if (there != nullptr) {
      if (moved->is_dir() != there->is_dir()) {
        return there->is_dir() ? EISDIR : ENOTDIR;
      }
      if (!there->children.empty()) {
        return ENOTEMPTY;
      }
      --there->nlink;
    }
    from_dir->children.erase(from);
    Attach(to_dir, to, moved);
    return 0;
  }

  const ModelRef root;

 private:
  static void Attach(const ModelRef& dir, const Bytes& name, const ModelRef& node) {
    dir->children[name] = node;
    if (node->is_dir()) {
      node->parent = dir.get();
    }
  }
};

// ---- the two side by side ---------------------------------------------------

class VfsModelTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  struct Open {
    ModelRef node;
    Ino ino = 0;
    uint64_t handle = 0;
  };

  VfsModelTest() : random(GetParam()), vfs(GetParam()) {}

  uint64_t Roll(uint64_t n) { return random() % n; }
  Bytes AnyName() { return Bytes(1, static_cast<char>('a' + Roll(5))); }
  // A directory of both, by walking down at random.
  std::pair<ModelRef, Ino> AnyDir() {
    ModelRef dir = model.root;
    std::string path;
    while (Roll(3) != 0) {
      const Bytes name = AnyName();
      const ModelRef child = Model::Child(dir, name);
      if (child == nullptr || !child->is_dir()) {
        break;
      }
      dir = child;
      path += "/" + name;
    }
    const Ino ino = vfs.Walk(path);
    EXPECT_NE(ino, 0u) << path;
    return {dir, ino};
  }
  // Mostly short; sometimes past the inline limit, seldom of several chunks.
  Bytes AnyContent() {
    const uint64_t kind = Roll(20);
    const size_t size = kind == 0 ? Roll(400'000) : kind < 4 ? Roll(9'000) : Roll(40);
    return Bytes(size, static_cast<char>('A' + Roll(26)));
  }
  template <typename T>
  static int Error(const FsResult<T>& result) {
    return result.ok() ? 0 : result.error().value();
  }

  void Step();
  void StepOnHandle();
  void CheckTree();
  void CheckNode(const ModelRef& node, Ino ino, const std::string& path);

  std::mt19937_64 random;
  Model model;
  TestVfs vfs;
  std::vector<Open> open;
};

void VfsModelTest::Step() {
  const auto [dir, ino] = AnyDir();
  const Bytes name = AnyName();
  switch (Roll(12)) {
    case 0:
    case 1:
      ASSERT_EQ(Error(vfs.Await(vfs->MakeDirectory(ino, name, 0755, vfs.who))),
                Model::Make(dir, name, S_IFDIR | 0755));
      break;
    case 2:
    case 3: {
      const bool exclusive = Roll(2) == 0;
      const ModelRef there = Model::Child(dir, name);
      int expected = Model::Make(dir, name, S_IFREG | 0644);
      if (expected == EEXIST && !exclusive) {
        expected = there->is_dir() ? EISDIR : S_ISREG(there->mode) ? 0 : ESTALE;
      }
      auto created =
          vfs.Await(vfs->CreateFile(ino, name, 0666, O_RDWR | (exclusive ? O_EXCL : 0), vfs.who));
      ASSERT_EQ(Error(created), expected);
      if (expected == 0) {
        open.push_back({Model::Child(dir, name), created->attr.ino, created->open.handle});
      }
      break;
    }
    case 4:
      ASSERT_EQ(Error(vfs.Await(vfs->MakeSymlink(ino, name, "to-" + name, vfs.who))),
                Model::Make(dir, name, S_IFLNK | 0777, "to-" + name));
      break;
    case 5:
      ASSERT_EQ(vfs.Await(vfs->Unlink(ino, name)).value(), Model::Unlink(dir, name));
      break;
    case 6:
      ASSERT_EQ(vfs.Await(vfs->RemoveDirectory(ino, name)).value(), Model::Rmdir(dir, name));
      break;
    case 7: {
      const ModelRef node = Model::Child(dir, name);
      if (node == nullptr) {
        break;
      }
      const Ino file = vfs.Await(vfs->Lookup(ino, name))->attr.ino;
      const auto [to_dir, to_ino] = AnyDir();
      const Bytes to = AnyName();
      ASSERT_EQ(Error(vfs.Await(vfs->Link(file, to_ino, to))), Model::Link(node, to_dir, to));
      break;
    }
    case 8:
    case 9: {
      const auto [to_dir, to_ino] = AnyDir();
      const Bytes to = AnyName();
      const auto mode = static_cast<RenameMode>(Roll(3));
      ASSERT_EQ(vfs.Await(vfs->Rename(ino, name, to_ino, to, mode)).value(),
                Model::Rename(dir, name, to_dir, to, mode))
          << name << " -> " << to << " mode " << static_cast<int>(mode);
      break;
    }
    case 10: {
      const ModelRef node = Model::Child(dir, name);
      if (node == nullptr || S_ISLNK(node->mode)) {
        break;
      }
      const Ino target = vfs.Await(vfs->Lookup(ino, name))->attr.ino;
      const Bytes key = "user." + AnyName();
      if (Roll(3) == 0) {
        ASSERT_EQ(vfs.Await(vfs->RemoveXattr(target, key)).value(),
                  node->xattrs.erase(key) > 0 ? 0 : ENODATA);
        break;
      }
      const int flags = static_cast<int>(Roll(3));
      const bool has = node->xattrs.contains(key);
      int expected = 0;
      if (flags == XATTR_CREATE && has) {
        expected = EEXIST;
      } else if (flags == XATTR_REPLACE && !has) {
        expected = ENODATA;
      } else {
        node->xattrs[key] = name;
      }
      ASSERT_EQ(vfs.Await(vfs->SetXattr(target, key, name, flags, false)).value(), expected);
      break;
    }
    default: {
      const ModelRef node = Model::Child(dir, name);
      if (node == nullptr || S_ISLNK(node->mode)) {
        break;
      }
      const Ino target = vfs.Await(vfs->Lookup(ino, name))->attr.ino;
      SetAttrRequest request;
      request.set_mode = true;
      request.mode = static_cast<uint32_t>(Roll(0777));
      ASSERT_EQ(Error(vfs.Await(vfs->SetAttr(target, request, vfs.who))), 0);
      node->mode = (node->mode & S_IFMT) | request.mode;
      break;
    }
  }
}

void VfsModelTest::StepOnHandle() {
  if (open.empty()) {
    return;
  }
  const size_t at = Roll(open.size());
  const Open file = open[at];
  switch (Roll(5)) {
    case 0: {
      const Bytes data = AnyContent();
      const uint64_t offset = Roll(file.node->content.size() + 5);
      ASSERT_EQ(Error(vfs.Await(vfs->Write(file.ino, file.handle, offset, data))), 0);
      if (!data.empty()) {
        file.node->content.resize(std::max(file.node->content.size(), offset + data.size()));
        file.node->content.replace(offset, data.size(), data);
      }
      break;
    }
    case 1: {
      SetAttrRequest request;
      request.set_size = true;
      request.size = Roll(2 * file.node->content.size() + 2);
      ASSERT_EQ(Error(vfs.Await(vfs->SetAttr(file.ino, request, vfs.who))), 0);
      file.node->content.resize(request.size);
      break;
    }
    case 2:
      ASSERT_TRUE(vfs.ReadHandle(file.ino, file.handle) == file.node->content);
      break;
    case 3:
      ASSERT_TRUE(vfs.Await(vfs->Fsync(file.ino, file.handle, false)).ok());
      break;
    default:
      ASSERT_TRUE(vfs.Await(vfs->Flush(file.ino, file.handle)).ok());
      ASSERT_TRUE(vfs.Await(vfs->Release(file.ino, file.handle)).ok());
      open.erase(open.begin() + static_cast<ptrdiff_t>(at));
      break;
  }
}

void VfsModelTest::CheckNode(const ModelRef& node, Ino ino, const std::string& path) {
  auto attr = vfs.Await(vfs->GetAttr(ino));
  ASSERT_EQ(Error(attr), 0) << path;
  EXPECT_EQ(attr->mode, node->mode) << path;
  EXPECT_EQ(attr->nlink, node->Links()) << path;
  auto names = vfs.Await(vfs->ListXattrs(ino));
  ASSERT_EQ(Error(names), 0) << path;
  EXPECT_EQ(names->size(), node->xattrs.size()) << path;
  for (const auto& [key, value] : node->xattrs) {
    EXPECT_EQ(*vfs.Await(vfs->GetXattr(ino, key)), value) << path;
  }
  if (S_ISLNK(node->mode)) {
    EXPECT_EQ(*vfs.Await(vfs->ReadLink(ino)), node->content);
    return;
  }
  if (!node->is_dir()) {
    EXPECT_EQ(attr->size, node->content.size()) << path;
    EXPECT_TRUE(vfs.ReadFile(ino) == node->content) << path;
    return;
  }
  std::map<Bytes, Ino> listed;
  const Errno done =
      vfs.Await(vfs->ReadDirectory(ino, 0, 2, false, [&](const DirEntry& entry, const Attr*) {
        EXPECT_TRUE(listed.emplace(entry.name, entry.ref.ino).second);
        return true;
      }));
  ASSERT_TRUE(done.ok());
  ASSERT_EQ(listed.size(), node->children.size()) << path;
  for (const auto& [name, child] : node->children) {
    ASSERT_TRUE(listed.contains(name)) << path << "/" << name;
    auto found = vfs.Await(vfs->Lookup(ino, name));
    ASSERT_EQ(Error(found), 0);
    EXPECT_EQ(found->attr.ino, listed[name]);
    CheckNode(child, found->attr.ino, path + "/" + name);
  }
}

void VfsModelTest::CheckTree() {
  CheckNode(model.root, kRootIno, "");
  for (const FsckProblem& problem : vfs.Fsck().problems) {
    ADD_FAILURE() << KindName(problem.kind) << " " << problem.where << ": " << problem.text;
  }
}

TEST_P(VfsModelTest, AnswersAndTreesAreTheSame) {
  constexpr int kSteps = 4'000;
  for (int step = 0; step < kSteps && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(GetParam()) + " step " + std::to_string(step));
    if (Roll(3) == 0) {
      StepOnHandle();
    } else {
      Step();
    }
    if (HasFatalFailure()) {
      return;
    }
    if (Roll(20) == 0) {
      vfs.Advance(static_cast<int64_t>(Roll(3'000'000)));
    }
    if (Roll(400) == 0) {
      CheckTree();
    }
    if (Roll(500) == 0) {
      for (const Open& file : open) {
        ASSERT_TRUE(vfs.Await(vfs->Flush(file.ino, file.handle)).ok());
        if (Roll(2) == 0) {  // else the handle is lost, as in a crash
          ASSERT_TRUE(vfs.Await(vfs->Release(file.ino, file.handle)).ok());
        }
      }
      open.clear();
      vfs.Remount();
      CheckTree();
    }
  }
  CheckTree();
  vfs.Advance(20'000'000);
  for (const Open& file : open) {
    EXPECT_TRUE(vfs.ReadHandle(file.ino, file.handle) == file.node->content);
    ASSERT_TRUE(vfs.Await(vfs->Release(file.ino, file.handle)).ok());
  }
  vfs.Remount();  // nothing is known any more
  vfs.Advance(20'000'000);
  EXPECT_EQ(vfs.Fsck().orphans, 0u);
  CheckTree();
}

INSTANTIATE_TEST_SUITE_P(Seeds, VfsModelTest, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace kvfs::fs
