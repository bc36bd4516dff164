// A model test: random edits of trees with a small fan-out against a plain map, with the
// references counted as the store counts them.
#include "fs/chunk/tree_change.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <tuple>

#include "fs/chunk/tree_walk.h"

namespace kvfs::fs {
namespace {

using Reference = std::tuple<ChunkId, int, uint64_t>;

ChunkId Name(uint64_t n) { return Sha256("chunk " + std::to_string(n)); }

class TreeModel {
 private:
  void Fetch(NodeSet* nodes) {
    for (const ChunkId& id : nodes->missing()) {
      ASSERT_EQ(stored_.count(id), 1u);
      ASSERT_TRUE(nodes->Add(id, std::make_shared<const Bytes>(stored_[id])).ok());
    }
    nodes->ClearMissing();
  }

  template <typename Question>
  auto Ask(Question question) {
    NodeSet nodes(geometry_.fan_out);
    while (true) {
      auto answer = question(&nodes);
      if (answer) {
        return *answer;
      }
      Fetch(&nodes);
    }
  }

 public:
  explicit TreeModel(uint32_t fan_out) { geometry_.fan_out = fan_out; }

  void Apply(const TreeEdit& edit) {
    NodeSet nodes(geometry_.fan_out);
    std::optional<TreeChange> change;
    for (int round = 0; !change; ++round) {
      ASSERT_LE(round, 10);
      Fetch(&nodes);
      change = PlanTreeChange(geometry_, tree_, data_chunks_, edit, &nodes);
    }
    // The references, as a commit changes them: puts first, then drops.
    for (const NodePut& put : change->puts) {
      ASSERT_EQ(Sha256(put.bytes), put.place.id);
      stored_[put.place.id] = put.bytes;
      ASSERT_TRUE(references_.insert({put.place.id, put.place.level, put.place.position}).second);
    }
    for (const PlacedChunk& added : change->added) {
      ASSERT_TRUE(references_.insert({added.id, 0, added.position}).second);
    }
    for (const PlacedChunk& drop : change->drops) {
      ASSERT_EQ(references_.erase({drop.id, drop.level, drop.position}), 1u);
    }
    tree_ = change->tree;
    data_chunks_ = change->data_chunks;
    // The model.
    for (const ChunkRange& range : edit.erased) {
      model_.erase(model_.lower_bound(range.begin), model_.lower_bound(range.end));
    }
    model_.erase(model_.lower_bound(edit.new_limit), model_.end());
    for (const auto& [chunk, id] : edit.chunks) {
      if (id == kHole) {
        model_.erase(chunk);
      } else {
        model_[chunk] = id;
      }
    }
    limit_ = edit.new_limit;
  }

  void Check(std::mt19937_64* random) {
    ASSERT_EQ(tree_.limit, limit_);
    ASSERT_EQ(tree_.depth, geometry_.DepthFor(limit_));
    ASSERT_EQ(data_chunks_, model_.size());
    std::set<Reference> live;
    CollectLive(tree_.depth, 0, tree_.root, &live);
    for (size_t i = 0; i < tree_.list.size(); ++i) {
      if (tree_.list[i] != kHole) {
        live.insert({tree_.list[i], 0, i});
      }
    }
    ASSERT_EQ(live, references_);
    const uint64_t window = std::min<uint64_t>(limit_, 100);
    const uint64_t first = limit_ == 0 ? 0 : (*random)() % limit_;
    const auto found =
        Ask([&](NodeSet* nodes) { return FindChunks(geometry_, tree_, first, window, nodes); });
    for (uint64_t i = 0; i < window; ++i) {
      auto it = model_.find(first + i);
      ASSERT_EQ(found[i], it == model_.end() ? kHole : it->second) << first + i;
    }
    const auto data = Ask([&](NodeSet* nodes) { return NextData(geometry_, tree_, first, nodes); });
    auto it = model_.lower_bound(first);
    ASSERT_EQ(data, it == model_.end() ? kNoChunk : it->first);
    const auto hole = Ask([&](NodeSet* nodes) { return NextHole(geometry_, tree_, first, nodes); });
    uint64_t expected = first;
    while (expected < limit_ && model_.count(expected) != 0) {
      ++expected;
    }
    ASSERT_EQ(hole, expected);
    const uint64_t budget = (*random)() % 10;
    const auto cut = Ask(
        [&](NodeSet* nodes) { return CutPoint(geometry_, tree_, first, limit_, budget, nodes); });
    ASSERT_GE(cut, first);
    if (tree_.depth > 0) {
      const auto above = std::distance(model_.lower_bound(cut), model_.end());
      ASSERT_LE(static_cast<uint64_t>(above), budget);
      ASSERT_TRUE(cut == first || model_.count(cut - 1) == 1);
    }
  }

  uint64_t limit() const { return limit_; }

 private:
  void CollectLive(uint32_t level, uint64_t position, const ChunkId& id,
                   std::set<Reference>* live) {
    if (id == kHole) {
      return;
    }
    live->insert({id, static_cast<int>(level), position});
    if (level > 0) {
      const Bytes& node = stored_[id];
      for (uint64_t i = 0; i < NodeEntryCount(node); ++i) {
        CollectLive(level - 1, position * geometry_.fan_out + i, NodeEntry(node, i), live);
      }
    }
  }

  Geometry geometry_;
  ChunkTree tree_;
  uint64_t data_chunks_ = 0;
  uint64_t limit_ = 0;
  std::map<uint64_t, ChunkId> model_;
  std::map<ChunkId, Bytes> stored_;
  std::set<Reference> references_;
};

class TreeChangeModel : public testing::TestWithParam<int> {};

TEST_P(TreeChangeModel, MatchesAMapAndKeepsExactReferences) {
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()));
  TreeModel model(GetParam() % 2 == 0 ? 8 : 16);
  for (int step = 0; step < 400 && !HasFatalFailure(); ++step) {
    TreeEdit edit;
    edit.new_limit = model.limit();
    switch (random() % 6) {
      case 0:  // any size, small ones often
        edit.new_limit = random() % (uint64_t{1} << (random() % 14));
        break;
      case 1:
        edit.new_limit += random() % 20;
        break;
      default:
        break;
    }
    if (edit.new_limit > 0) {
      for (uint64_t i = random() % 12; i > 0; --i) {
        // Few different names, so that chunks return to places they were at.
        edit.chunks[random() % edit.new_limit] = random() % 4 == 0 ? kHole : Name(random() % 3);
      }
      if (random() % 4 == 0) {
        const uint64_t begin = random() % edit.new_limit;
        edit.erased.push_back({begin, begin + random() % (edit.new_limit - begin + 1)});
      }
    }
    model.Apply(edit);
    model.Check(&random);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeChangeModel, testing::Range(0, 12));

TEST(TreeChange, HugeSparseFileCostsItsNodesOnly) {
  Geometry geometry;
  NodeSet nodes(geometry.fan_out);
  TreeEdit edit;
  edit.new_limit = geometry.ChunkCount(kMaxFileBytes);
  edit.chunks[0] = Name(0);
  edit.chunks[edit.new_limit - 1] = Name(1);
  auto change = PlanTreeChange(geometry, {}, 0, edit, &nodes);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->tree.depth, 4u);
  EXPECT_EQ(change->puts.size(), 7u);  // two paths that share the root
  for (const NodePut& put : change->puts) {
    ASSERT_TRUE(nodes.Add(put.place.id, std::make_shared<const Bytes>(put.bytes)).ok());
  }
  EXPECT_EQ(NextData(geometry, change->tree, 1, &nodes), edit.new_limit - 1);
  EXPECT_EQ(NextHole(geometry, change->tree, 0, &nodes), 1u);
  TreeEdit cut;
  auto gone = PlanTreeChange(geometry, change->tree, change->data_chunks, cut, &nodes);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->drops.size(), 9u);
  EXPECT_EQ(gone->data_chunks, 0u);
}

TEST(TreeChange, NodesOfAForeignShapeAreRefused) {
  NodeSet nodes(256);
  EXPECT_FALSE(nodes.Add(Name(0), std::make_shared<const Bytes>("short")).ok());
  EXPECT_FALSE(
      nodes.Add(Name(0), std::make_shared<const Bytes>(Bytes(size_t{32} * 257, 'x'))).ok());
  EXPECT_FALSE(nodes.Add(Name(0), std::make_shared<const Bytes>()).ok());
  EXPECT_TRUE(nodes.Add(Name(0), std::make_shared<const Bytes>(Bytes(size_t{32} * 256, 'x'))).ok());
}

}  // namespace
}  // namespace kvfs::fs
