#include "fs/chunk/tree_change.h"

#include <algorithm>
#include <cassert>

namespace kvfs::fs {
namespace {

// One computation. Old nodes above the old root are "virtual": they exist in no store and hold
// the old root (or list) as their first child, so growing is an ordinary change.
class Planner {
 public:
  Planner(const Geometry& geometry, const ChunkTree& old_tree, const TreeEdit& edit, NodeSet* nodes)
      : geometry_(geometry), old_(old_tree), edit_(edit), nodes_(nodes) {
    erased_ = edit.erased;
    erased_.push_back({edit.new_limit, kNoEnd});
    change_.tree.limit = edit.new_limit;
    change_.tree.depth = geometry.DepthFor(edit.new_limit);
  }

  std::optional<TreeChange> Run(uint64_t old_data_chunks) {
    data_chunks_ = static_cast<int64_t>(old_data_chunks);
    const uint32_t new_depth = change_.tree.depth;
    const uint32_t top = std::max({new_depth, old_.depth, 1u});
    if (old_.depth == new_depth && new_depth > 0 && !IsTouched(0, geometry_.Span(top))) {
      change_.tree.root = old_.root;
    } else {
      const ChunkId id = Rebuild(top, 0, old_.depth == top ? old_.root : kHole);
      if (new_depth == top) {
        change_.tree.root = id;
      }
    }
    if (incomplete_) {
      return std::nullopt;
    }
    assert(data_chunks_ >= 0);
    change_.data_chunks = static_cast<uint64_t>(data_chunks_);
    return std::move(change_);
  }

 private:
  static constexpr uint64_t kNoEnd = ~uint64_t{0};

  bool HasEdits(uint64_t begin, uint64_t end) const {
    auto it = edit_.chunks.lower_bound(begin);
    return it != edit_.chunks.end() && it->first < end;
  }
  bool IsTouched(uint64_t begin, uint64_t end) const {
    const uint64_t old_end = std::min(end, old_.limit);
    return HasEdits(begin, end) || std::any_of(erased_.begin(), erased_.end(), [&](auto& range) {
             return range.begin < old_end && begin < range.end;
           });
  }
  bool IsWhollyErased(uint64_t begin, uint64_t end) const {
    const uint64_t old_end = std::min(end, old_.limit);
    return !HasEdits(begin, end) && std::any_of(erased_.begin(), erased_.end(), [&](auto& range) {
      return range.begin <= begin && old_end <= range.end;
    });
  }

  void Drop(const ChunkId& id, uint32_t level, uint64_t position) {
    if (id != kHole) {
      change_.drops.push_back({id, static_cast<uint8_t>(level), position});
      data_chunks_ -= level == 0 ? 1 : 0;
    }
  }

  void DropSubtree(uint32_t level, uint64_t position, const ChunkId& id) {
    if (id == kHole) {
      return;
    }
    if (level > 0) {
      const Bytes* node = Load(id);
      if (node == nullptr) {
        return;
      }
      for (uint64_t i = 0; i < NodeEntryCount(*node); ++i) {
        DropSubtree(level - 1, position * geometry_.fan_out + i, NodeEntry(*node, i));
      }
    }
    Drop(id, level, position);
  }

  // The new name of node (level, position), whose old name is `old_id`; kHole if it is gone, or
  // is not kept as a node in the new tree.
  ChunkId Rebuild(uint32_t level, uint64_t position, const ChunkId& old_id) {
    const bool is_virtual = level > old_.depth && position == 0;
    std::vector<ChunkId> entries(geometry_.fan_out, kHole);
    if (is_virtual) {
      if (old_.depth == 0 && level == 1) {
        std::copy(old_.list.begin(), old_.list.end(), entries.begin());
      } else if (old_.depth > 0 && level == old_.depth + 1) {
        entries[0] = old_.root;
      }
    } else if (old_id != kHole) {
      const Bytes* node = Load(old_id);
      if (node == nullptr) {
        return kHole;
      }
      for (uint64_t i = 0; i < NodeEntryCount(*node); ++i) {
        entries[i] = NodeEntry(*node, i);
      }
    }
    if (level == 1) {
      ChangeLeaves(position, &entries);
    } else {
      ChangeChildren(level, position, &entries);
    }
    const uint32_t new_depth = change_.tree.depth;
    if (level <= new_depth) {
      return Store(level, position, entries, old_id);
    }
    // Above the new root, or the level that the record lists itself.
    Drop(old_id, level, position);
    if (new_depth == 0 && level == 1) {
      entries.resize(change_.tree.limit);
      change_.tree.list = std::move(entries);
    } else if (new_depth > 0 && level == new_depth + 1) {
      change_.tree.root = entries[0];
    }
    return kHole;
  }

  void ChangeLeaves(uint64_t position, std::vector<ChunkId>* entries) {
    const uint64_t base = position * geometry_.fan_out;
    const uint64_t end = base + geometry_.fan_out;
    const auto set = [&](uint64_t chunk, const ChunkId& id) {
      ChunkId& entry = (*entries)[chunk - base];
      if (entry == id) {
        return;
      }
      Drop(entry, 0, chunk);
      if (id != kHole) {
        change_.added.push_back({id, 0, chunk});
        ++data_chunks_;
      }
      entry = id;
    };
    for (const ChunkRange& range : erased_) {
      for (uint64_t i = std::max(base, range.begin); i < std::min(end, range.end); ++i) {
        if (edit_.chunks.count(i) == 0) {
          set(i, kHole);
        }
      }
    }
    for (auto it = edit_.chunks.lower_bound(base); it != edit_.chunks.end() && it->first < end;
         ++it) {
      set(it->first, it->second);
    }
  }

  void ChangeChildren(uint32_t level, uint64_t position, std::vector<ChunkId>* entries) {
    const uint64_t span = geometry_.Span(level - 1);
    for (uint64_t i = 0; i < geometry_.fan_out; ++i) {
      const uint64_t child = position * geometry_.fan_out + i;
      ChunkId& entry = (*entries)[i];
      const bool is_reshaped =
          child == 0 && (level - 1 > old_.depth || level - 1 > change_.tree.depth);
      if (!is_reshaped && !IsTouched(child * span, (child + 1) * span)) {
        continue;
      }
      if (!is_reshaped && IsWhollyErased(child * span, (child + 1) * span)) {
        DropSubtree(level - 1, child, entry);
        entry = kHole;
      } else if (is_reshaped || entry != kHole || HasEdits(child * span, (child + 1) * span)) {
        entry = Rebuild(level - 1, child, entry);
      }
    }
  }

  ChunkId Store(uint32_t level, uint64_t position, const std::vector<ChunkId>& entries,
                const ChunkId& old_id) {
    Bytes bytes = EncodeNode(entries);
    const ChunkId id = bytes.empty() ? kHole : Sha256(bytes);
    if (id == old_id) {
      return id;
    }
    Drop(old_id, level, position);
    if (id != kHole) {
      change_.puts.push_back({{id, static_cast<uint8_t>(level), position}, std::move(bytes)});
    }
    return id;
  }

  const Bytes* Load(const ChunkId& id) {
    const Bytes* node = nodes_->Find(id);
    incomplete_ |= node == nullptr;
    return node;
  }

  const Geometry& geometry_;
  const ChunkTree& old_;
  const TreeEdit& edit_;
  NodeSet* const nodes_;
  std::vector<ChunkRange> erased_;
  TreeChange change_;
  int64_t data_chunks_ = 0;
  bool incomplete_ = false;
};

}  // namespace

std::optional<TreeChange> PlanTreeChange(const Geometry& geometry, const ChunkTree& old_tree,
                                         uint64_t old_data_chunks, const TreeEdit& edit,
                                         NodeSet* nodes) {
  return Planner(geometry, old_tree, edit, nodes).Run(old_data_chunks);
}

}  // namespace kvfs::fs
