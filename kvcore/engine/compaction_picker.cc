#include <algorithm>

#include "kvcore/engine/compaction.h"

namespace kvfs::engine {

namespace {

constexpr uint64_t kLevelFactor = 10;
// A table whose move would make it overlap more than this many tables two levels down is merged
// instead.
constexpr uint64_t kMaxGrandparentTables = 10;
// A table is dense with deletes when they are at least one entry in so many.
constexpr uint64_t kDenseDeletes = 4;

struct Range {
  Bytes begin;
  Bytes end;
};

Range RangeOf(const TableList& tables) {
  Range range{Bytes(UserKey(tables.front()->meta.smallest)),
              Bytes(UserKey(tables.front()->meta.largest))};
  for (const auto& table : tables) {
    range.begin = std::min(range.begin, Bytes(UserKey(table->meta.smallest)));
    range.end = std::max(range.end, Bytes(UserKey(table->meta.largest)));
  }
  return range;
}

uint64_t Bytes64(const TableList& tables) {
  uint64_t bytes = 0;
  for (const auto& table : tables) {
    bytes += table->meta.file_bytes;
  }
  return bytes;
}

// Level-0 tables that overlap `seed`, directly or through others: none of them may stay behind
// while a newer one sinks.
TableList Closure(const Version& version, const std::shared_ptr<TableFile>& seed) {
  TableList chosen{seed};
  while (true) {
    const Range range = RangeOf(chosen);
    TableList wider = version.Overlapping(0, range.begin, range.end);
    if (wider.size() == chosen.size()) {
      return wider;
    }
    chosen = std::move(wider);
  }
}

bool OverlapsBelow(const Version& version, int level, const Range& range) {
  for (int below = level + 1; below < kLevels; ++below) {
    if (!version.Overlapping(below, range.begin, range.end).empty()) {
      return true;
    }
  }
  return false;
}

Compaction Down(const std::shared_ptr<const Version>& version, const Options& options, int level,
                TableList upper, bool may_move) {
  Compaction compaction;
  compaction.version = version;
  compaction.level = level;
  compaction.output_level = std::min(level + 1, kLevels - 1);
  compaction.upper = std::move(upper);
  const Range range = RangeOf(compaction.upper);
  if (compaction.output_level != level) {
    compaction.lower = version->Overlapping(compaction.output_level, range.begin, range.end);
  }
  if (may_move && compaction.upper.size() == 1 && compaction.lower.empty() &&
      compaction.output_level != level) {
    const bool far_overlap =
        compaction.output_level + 1 < kLevels &&
        Bytes64(version->Overlapping(compaction.output_level + 1, range.begin, range.end)) >
            kMaxGrandparentTables * options.table_bytes;
    compaction.trivial_move = !far_overlap;
  }
  return compaction;
}

bool Dense(const TableMeta& meta) {
  return meta.deletes > 0 && meta.deletes * kDenseDeletes >= meta.entries;
}

// The table of a sorted level that costs least to push down, the smallest overlap per byte, among
// those after the cursor; among all where none is left there.
std::shared_ptr<TableFile> Cheapest(const Version& version, int level, const Bytes& cursor) {
  std::shared_ptr<TableFile> best;
  double best_cost = 0;
  bool best_after = false;
  for (const auto& table : version.levels[static_cast<size_t>(level)]) {
    const bool after = cursor.empty() || UserKey(table->meta.smallest) > cursor;
    const uint64_t overlap = Bytes64(version.Overlapping(level + 1, UserKey(table->meta.smallest),
                                                         UserKey(table->meta.largest)));
    const double cost = static_cast<double>(overlap) / static_cast<double>(table->meta.file_bytes);
    if (best == nullptr || (after && !best_after) || (after == best_after && cost < best_cost)) {
      best = table;
      best_cost = cost;
      best_after = after;
    }
  }
  return best;
}

std::optional<Compaction> PickBySize(const std::shared_ptr<const Version>& version,
                                     const Options& options, CompactionCursors* cursors) {
  double best_score = 1;
  int best_level = -1;
  const double level0 = static_cast<double>(version->levels[0].size()) / options.level0_tables;
  if (level0 >= best_score) {
    best_score = level0;
    best_level = 0;
  }
  for (int level = 1; level + 1 < kLevels; ++level) {
    const double score = static_cast<double>(version->LevelBytes(level)) /
                         static_cast<double>(LevelLimit(options, level));
    if (score > best_score) {
      best_score = score;
      best_level = level;
    }
  }
  if (best_level < 0) {
    return std::nullopt;
  }
  if (best_level == 0) {
    // From the oldest, so that what sinks is what was written first.
    return Down(version, options, 0, Closure(*version, version->levels[0].back()), true);
  }
  Bytes& cursor = (*cursors)[static_cast<size_t>(best_level)];
  const auto table = Cheapest(*version, best_level, cursor);
  cursor.assign(UserKey(table->meta.largest));
  return Down(version, options, best_level, {table}, true);
}

std::optional<Compaction> PickByDeletes(const std::shared_ptr<const Version>& version,
                                        const Options& options, const CompactionNeeds& needs) {
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& table : version->levels[static_cast<size_t>(level)]) {
      const TableMeta& meta = table->meta;
      const bool wanted = Dense(meta) || (needs.shed_hidden && meta.hidden_bytes > 0) ||
                          (needs.everything && meta.deletes > 0);
      if (!wanted || meta.largest_sequence > needs.oldest_visible) {
        continue;
      }
      if (level == 0) {
        return Down(version, options, 0, Closure(*version, table), false);
      }
      const Range range{Bytes(UserKey(meta.smallest)), Bytes(UserKey(meta.largest))};
      if (OverlapsBelow(*version, level, range)) {
        return Down(version, options, level, {table}, false);
      }
      Compaction rewrite;  // it is the bottom of its range: shed them where it lies
      rewrite.version = version;
      rewrite.level = level;
      rewrite.output_level = level;
      rewrite.upper = {table};
      return rewrite;
    }
  }
  return std::nullopt;
}

std::optional<Compaction> PickEverything(const std::shared_ptr<const Version>& version,
                                         const Options& options) {
  const int deepest = version->DeepestLevel();
  for (int level = 0; level < deepest || level == 0; ++level) {
    const TableList& tables = version->levels[static_cast<size_t>(level)];
    if (tables.empty()) {
      continue;
    }
    if (level == 0) {
      return Down(version, options, 0, Closure(*version, tables.back()), true);
    }
    return Down(version, options, level, {tables.front()}, true);
  }
  return std::nullopt;
}

}  // namespace

uint64_t Compaction::InputBytes() const { return Bytes64(upper) + Bytes64(lower); }

uint64_t LevelLimit(const Options& options, int level) {
  uint64_t limit = options.level1_bytes;
  for (int i = 1; i < level; ++i) {
    limit *= kLevelFactor;
  }
  return limit;
}

uint64_t PendingCompactionBytes(const Version& version, const Options& options) {
  uint64_t pending = 0;
  if (version.levels[0].size() >= options.level0_tables) {
    pending += version.LevelBytes(0);
  }
  for (int level = 1; level + 1 < kLevels; ++level) {
    const uint64_t bytes = version.LevelBytes(level);
    const uint64_t limit = LevelLimit(options, level);
    pending += bytes > limit ? bytes - limit : 0;
  }
  return pending;
}

std::optional<Compaction> PickCompaction(const std::shared_ptr<const Version>& version,
                                         const Options& options, const CompactionNeeds& needs,
                                         CompactionCursors* cursors) {
  if (auto by_size = PickBySize(version, options, cursors)) {
    return by_size;
  }
  if (auto by_deletes = PickByDeletes(version, options, needs)) {
    return by_deletes;
  }
  return needs.everything ? PickEverything(version, options) : std::nullopt;
}

}  // namespace kvfs::engine
