// Random operations on both sides of a broken network: whatever they were, after the merge
// everything agrees, nothing that somebody wrote is missing, and it does not matter which side
// had the majority, nor who wrote the result down, nor how often.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "fs/vfs/conflict_test_support.h"
#include "fs/vfs/explain.h"
#include "fs/vfs/reference_audit_test_support.h"

namespace kvfs::fs {
namespace {

class ConflictModel : public ::testing::TestWithParam<uint64_t> {
 protected:
  void OneSeed(uint64_t seed);
  void OneSeedInStages(uint64_t seed);

  uint64_t Roll(uint64_t n) { return random_() % n; }
  std::string AnyName() { return std::string(1, static_cast<char>('a' + Roll(4))); }
  std::string AnyPath() {
    std::string path = "/" + AnyName();
    while (Roll(2) == 0 && path.size() < 6) {
      path += "/" + AnyName();
    }
    return path;
  }
  // Unlike all others; one in three is kept in chunks.
  Bytes NewContent() {
    const Bytes mark = "<" + std::to_string(++contents_) + ">";
    return Roll(3) == 0 ? mark + Bytes(5000 + Roll(30'000), 'x') : mark;
  }
  // Most of them fail, as most random operations do.
  void Change(ConflictSide* side) {
    side->vfs.Advance(static_cast<int64_t>(Roll(3'000'000)));
    const std::string path = AnyPath();
    switch (Roll(12)) {
      case 0:
      case 1:
      case 2:
        if (side->vfs.Walk(path) == 0 || !IsDirectory(side, path)) {
          side->Write(path, NewContent());
        }
        break;
      case 3:
      case 4:
        side->Mkdir(path);
        break;
      case 5:
        side->Chmod(path, 0600 + static_cast<uint32_t>(Roll(64)));
        break;
      case 6:
        side->Unlink(path);
        break;
      case 7:
        side->Rmdir(path);
        break;
      case 8:
      case 9:
        side->Rename(path, AnyPath());
        break;
      case 10:
        if (side->vfs.Walk(path) != 0 && !IsDirectory(side, path)) {
          side->Link(path, AnyPath());
        }
        break;
      default:
        if (IsDirectory(side, path)) {
          side->RemoveTree(path);
        }
        break;
    }
  }
  static bool IsDirectory(ConflictSide* side, const std::string& path) {
    const Ino ino = side->vfs.Walk(path);
    return ino != 0 && S_ISDIR(side->vfs.Await(side->vfs->GetAttr(ino))->mode);
  }
  static std::set<std::string> ContentsOf(const ConflictSide::Tree& tree) {
    std::set<std::string> contents;
    for (const auto& [path, what] : tree) {
      if (what.starts_with("file ")) {
        contents.insert(what);
      }
    }
    return contents;
  }
  static std::string Shown(const ConflictSide::Tree& tree) {
    std::string text;
    for (const auto& [path, what] : tree) {
      text += path + " = " + what.substr(0, 12) + "\n";
    }
    return text;
  }
  // Every chunk that a file needs has its reference.
  void ExpectReferences(ConflictSide* side) {
    const ReferenceSet stored = StoredReferences(&side->vfs.store().memory());
    NeededReferences<ConflictModel> needed(side->vfs.store().client(), this);
    current_ = side;
    for (const auto& [path, what] : side->WholeTree()) {
      if (what.starts_with("file ")) {
        const Ino ino = side->vfs.Walk(path);
        auto found =
            side->vfs.Await(ExplainPath(side->vfs.store().client(), side->vfs.store().env(), path));
        ASSERT_TRUE(found.ok());
        ASSERT_EQ(found->ref.ino, ino);
        needed.Add(found->ref);
      }
    }
    for (const auto& reference : needed.references()) {
      EXPECT_TRUE(stored.contains(reference));
    }
  }

 public:
  template <typename T>
  T Run(Task<T> task) {
    return current_->vfs.Await(std::move(task));
  }

 protected:
  std::mt19937_64 random_;
  uint64_t contents_ = 0;
  ConflictSide* current_ = nullptr;
};

constexpr uint64_t kSeedsPerTest = 50;

TEST_P(ConflictModel, NothingIsLostAndEverythingAgrees) {
  for (uint64_t i = 0; i < kSeedsPerTest && !HasFailure(); ++i) {
    const uint64_t seed = GetParam() * kSeedsPerTest + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    OneSeed(seed);
  }
}

void ConflictModel::OneSeed(uint64_t seed) {
  random_.seed(seed);
  contents_ = 0;
  constexpr int kBefore = 25;
  constexpr int kMostApart = 40;
  ConflictSide first(1, {});
  for (int i = 0; i < kBefore; ++i) {
    Change(&first);
  }
  const ConflictSide::Tree before = first.WholeTree();
  ConflictFork fork(first.Contents());
  for (uint64_t i = 1 + Roll(kMostApart); i > 0; --i) {
    Change(Roll(2) == 0 ? &fork.a : &fork.b);
  }
  const ConflictSide::Tree on_a = fork.a.WholeTree();
  const ConflictSide::Tree on_b = fork.b.WholeTree();
  ConflictSide::Tree trees[2];
  for (const bool a_is_trunk : {true, false}) {
    auto merged = fork.Merge(a_is_trunk);
    ResolveAll(merged.get());
    ExpectWhole(merged.get());
    ExpectReferences(merged.get());
    trees[a_is_trunk] = merged->WholeTree();
    const testing::Contents once = merged->Contents();
    ResolveAll(merged.get());
    EXPECT_TRUE(once == merged->Contents()) << "resolved twice";
  }
  EXPECT_EQ(Shown(trees[0]), Shown(trees[1]));

  const std::set<std::string> old = ContentsOf(before);
  const std::set<std::string> from_a = ContentsOf(on_a);
  const std::set<std::string> from_b = ContentsOf(on_b);
  const std::set<std::string> now = ContentsOf(trees[1]);
  for (const auto* side : {&from_a, &from_b}) {
    const auto* other = side == &from_a ? &from_b : &from_a;
    for (const std::string& content : *side) {
      if (!old.contains(content) || other->contains(content)) {
        EXPECT_TRUE(now.contains(content)) << content.substr(0, 12) << " is lost";
      }
    }
  }
  if (HasFailure()) {
    std::printf("before\n%son a\n%son b\n%smerged\n%smerged the other way\n%s",
                Shown(before).c_str(), Shown(on_a).c_str(), Shown(on_b).c_str(),
                Shown(trees[1]).c_str(), Shown(trees[0]).c_str());
  }
}

// The partition keys come one by one, in any order, and mounts are at work in between.
void ConflictModel::OneSeedInStages(uint64_t seed) {
  random_.seed(seed);
  contents_ = 0;
  constexpr int kBefore = 25;
  constexpr int kMostApart = 20;
  ConflictSide first(1, {});
  for (int i = 0; i < kBefore; ++i) {
    Change(&first);
  }
  ConflictFork fork(first.Contents());
  for (uint64_t i = 1 + Roll(kMostApart); i > 0; --i) {
    Change(Roll(2) == 0 ? &fork.a : &fork.b);
  }
  const testing::Contents branch = fork.b.Contents();
  std::set<Bytes> pks;
  for (const auto& [key, value] : branch) {
    if (const auto parsed = replication::ParseKey(key, false);
        parsed.ok() && parsed->kind == replication::KeyKind::kItem) {
      pks.insert(Bytes(parsed->pk));
    }
  }
  for (const auto& [key, value] : fork.base()) {
    if (const auto parsed = replication::ParseKey(key, false);
        parsed.ok() && parsed->kind == replication::KeyKind::kItem) {
      pks.insert(Bytes(parsed->pk));
    }
  }
  std::vector<Bytes> order(pks.begin(), pks.end());
  std::shuffle(order.begin(), order.end(), random_);
  testing::Contents now = fork.a.Contents();
  std::unique_ptr<ConflictSide> side;
  uint64_t number = 4;
  bool with_work = true;
  for (const Bytes& pk : order) {
    now = testing::MergeContents(
        fork.base(), now, branch, [&](ByteView one) { return one == pk; }, with_work);
    with_work = false;
    side = std::make_unique<ConflictSide>(number++, std::move(now));
    if (Roll(2) == 0) {
      const Errno done = side->vfs.Await(side->vfs->RunWorkNow());
      EXPECT_TRUE(done.ok()) << done.value();
      side->vfs.Advance(static_cast<int64_t>(Roll(3'000'000)));
    }
    now = side->vfs.store().memory().Contents();
  }
  side = std::make_unique<ConflictSide>(number, std::move(now));
  ResolveAll(side.get());
  ExpectWhole(side.get());
  const std::set<std::string> old = ContentsOf(first.WholeTree());
  const std::set<std::string> from_a = ContentsOf(fork.a.WholeTree());
  const std::set<std::string> from_b = ContentsOf(fork.b.WholeTree());
  const std::set<std::string> found = ContentsOf(side->WholeTree());
  for (const auto* one : {&from_a, &from_b}) {
    const auto* other = one == &from_a ? &from_b : &from_a;
    for (const std::string& content : *one) {
      if (!old.contains(content) || other->contains(content)) {
        EXPECT_TRUE(found.contains(content)) << content.substr(0, 12) << " is lost";
      }
    }
  }
  if (HasFailure()) {
    std::printf("before\n%son a\n%son b\n%smerged\n%s", Shown(first.WholeTree()).c_str(),
                Shown(fork.a.WholeTree()).c_str(), Shown(fork.b.WholeTree()).c_str(),
                Shown(side->WholeTree()).c_str());
  }
}

TEST_P(ConflictModel, PartitionKeysMayComeOneByOne) {
  for (uint64_t i = 0; i < kSeedsPerTest && !HasFailure(); ++i) {
    const uint64_t seed = GetParam() * kSeedsPerTest + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    OneSeedInStages(seed);
  }
}

// Of the first 500 seeds, or those that KVFS_SEEDS=A..B lies in.
auto Blocks() {
  uint64_t first = 0;
  uint64_t last = 10 * kSeedsPerTest - 1;
  if (const char* seeds = std::getenv("KVFS_SEEDS"); seeds != nullptr) {
    char* rest = nullptr;
    first = last = std::strtoull(seeds, &rest, 10);
    if (std::string(rest).starts_with("..")) {
      last = std::strtoull(rest + 2, nullptr, 10);
    }
  }
  return ::testing::Range<uint64_t>(first / kSeedsPerTest,
                                    std::max(first, last) / kSeedsPerTest + 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ConflictModel, Blocks());

}  // namespace
}  // namespace kvfs::fs
