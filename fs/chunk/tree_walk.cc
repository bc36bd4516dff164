#include "fs/chunk/tree_walk.h"

#include <algorithm>

namespace kvfs::fs {
namespace {

class Walker {
 public:
  Walker(const Geometry& geometry, NodeSet* nodes) : geometry_(geometry), nodes_(nodes) {}

  bool incomplete() const { return incomplete_; }

  // Copies the names of [first, first + out->size()) that lie under the node.
  void Collect(uint32_t level, uint64_t position, const ChunkId& id, uint64_t first,
               std::vector<ChunkId>* out) {
    if (id == kHole) {
      return;
    }
    if (level == 0) {
      (*out)[position - first] = id;
      return;
    }
    const Bytes* node = Load(id);
    if (node == nullptr) {
      return;
    }
    const uint64_t child_span = geometry_.Span(level - 1);
    const uint64_t base = position * geometry_.fan_out;
    for (uint64_t i = ChildAt(first, base, child_span);
         i < NodeEntryCount(*node) && (base + i) * child_span < first + out->size(); ++i) {
      Collect(level - 1, base + i, NodeEntry(*node, i), first, out);
    }
  }

  // The first data chunk >= from under the node, or kNoChunk.
  uint64_t FirstData(uint32_t level, uint64_t position, const ChunkId& id, uint64_t from) {
    if (id == kHole) {
      return kNoChunk;
    }
    if (level == 0) {
      return position;
    }
    const Bytes* node = Load(id);
    if (node == nullptr) {
      return kNoChunk;
    }
    const uint64_t base = position * geometry_.fan_out;
    for (uint64_t i = ChildAt(from, base, geometry_.Span(level - 1));
         i < NodeEntryCount(*node) && !incomplete_; ++i) {
      const uint64_t found = FirstData(level - 1, base + i, NodeEntry(*node, i), from);
      if (found != kNoChunk) {
        return found;
      }
    }
    return kNoChunk;
  }

  // The first hole >= from under the node, or kNoChunk.
  uint64_t FirstHole(uint32_t level, uint64_t position, const ChunkId& id, uint64_t from) {
    const uint64_t span = geometry_.Span(level);
    if (id == kHole) {
      return std::max(from, position * span);
    }
    if (level == 0) {
      return kNoChunk;
    }
    const Bytes* node = Load(id);
    if (node == nullptr) {
      return kNoChunk;
    }
    const uint64_t base = position * geometry_.fan_out;
    for (uint64_t i = ChildAt(from, base, geometry_.Span(level - 1));
         i < geometry_.fan_out && !incomplete_; ++i) {
      const uint64_t found = FirstHole(level - 1, base + i, NodeEntry(*node, i), from);
      if (found != kNoChunk) {
        return found;
      }
    }
    return kNoChunk;
  }

  // Goes backwards while `budget` lasts; the data chunk that no longer fits, or kNoChunk.
  uint64_t SpendBackwards(uint32_t level, uint64_t position, const ChunkId& id, uint64_t floor,
                          uint64_t end, uint64_t* budget) {
    const uint64_t span = geometry_.Span(level);
    if (id == kHole || (position + 1) * span <= floor || position * span >= end) {
      return kNoChunk;
    }
    if (level == 0) {
      if (*budget == 0) {
        return position;
      }
      --*budget;
      return kNoChunk;
    }
    const Bytes* node = Load(id);
    if (node == nullptr) {
      return kNoChunk;
    }
    const uint64_t base = position * geometry_.fan_out;
    for (uint64_t i = NodeEntryCount(*node); i > 0 && !incomplete_; --i) {
      const uint64_t found =
          SpendBackwards(level - 1, base + i - 1, NodeEntry(*node, i - 1), floor, end, budget);
      if (found != kNoChunk) {
        return found;
      }
    }
    return kNoChunk;
  }

 private:
  const Bytes* Load(const ChunkId& id) {
    const Bytes* node = nodes_->Find(id);
    incomplete_ |= node == nullptr;
    return node;
  }

  // The child of the node whose first child is `base` that holds chunk `from`; 0 if it lies before.
  static uint64_t ChildAt(uint64_t from, uint64_t base, uint64_t child_span) {
    const uint64_t child = from / child_span;
    return child > base ? child - base : 0;
  }

  const Geometry& geometry_;
  NodeSet* const nodes_;
  bool incomplete_ = false;
};

}  // namespace

std::optional<std::vector<ChunkId>> FindChunks(const Geometry& geometry, const ChunkTree& tree,
                                               uint64_t first, uint64_t count, NodeSet* nodes) {
  std::vector<ChunkId> out(count, kHole);
  if (tree.depth == 0) {
    for (uint64_t i = first; i < std::min<uint64_t>(first + count, tree.list.size()); ++i) {
      out[i - first] = tree.list[i];
    }
    return out;
  }
  Walker walker(geometry, nodes);
  if (count > 0 && first < geometry.Span(tree.depth)) {
    walker.Collect(tree.depth, 0, tree.root, first, &out);
  }
  if (walker.incomplete()) {
    return std::nullopt;
  }
  return out;
}

std::optional<uint64_t> NextData(const Geometry& geometry, const ChunkTree& tree, uint64_t from,
                                 NodeSet* nodes) {
  if (from >= tree.limit) {
    return kNoChunk;
  }
  if (tree.depth == 0) {
    for (uint64_t i = from; i < tree.list.size(); ++i) {
      if (tree.list[i] != kHole) {
        return i;
      }
    }
    return kNoChunk;
  }
  Walker walker(geometry, nodes);
  const uint64_t found = walker.FirstData(tree.depth, 0, tree.root, from);
  return walker.incomplete() ? std::nullopt : std::optional(found);
}

std::optional<uint64_t> NextHole(const Geometry& geometry, const ChunkTree& tree, uint64_t from,
                                 NodeSet* nodes) {
  if (from >= tree.limit) {
    return tree.limit;
  }
  if (tree.depth == 0) {
    while (from < tree.list.size() && tree.list[from] != kHole) {
      ++from;
    }
    return std::min(from, tree.limit);
  }
  Walker walker(geometry, nodes);
  const uint64_t found = walker.FirstHole(tree.depth, 0, tree.root, from);
  return walker.incomplete() ? std::nullopt : std::optional(std::min(found, tree.limit));
}

std::optional<uint64_t> CutPoint(const Geometry& geometry, const ChunkTree& tree, uint64_t floor,
                                 uint64_t end, uint64_t max_data, NodeSet* nodes) {
  if (tree.depth == 0) {
    return floor;
  }
  Walker walker(geometry, nodes);
  const uint64_t kept = walker.SpendBackwards(tree.depth, 0, tree.root, floor, end, &max_data);
  if (walker.incomplete()) {
    return std::nullopt;
  }
  return kept == kNoChunk ? floor : std::max(floor, kept + 1);
}

}  // namespace kvfs::fs
