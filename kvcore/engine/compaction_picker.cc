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
// Or where so many entries in a row show nothing: a few blocks that a scan reads for nothing.
constexpr uint64_t kLongDeadRun = 128;

// User keys, both inclusive; of the tables it was made from, so no longer than those.
struct Range {
  ByteView begin;
  ByteView end;

  void Widen(const TableList& tables) {
    for (const auto& table : tables) {
      begin = std::min(begin, UserKey(table->meta.smallest));
      end = std::max(end, UserKey(table->meta.largest));
    }
  }
  bool Overlaps(const Range& other) const { return begin <= other.end && other.begin <= end; }
};

Range RangeOf(const TableFile& table) {
  return {UserKey(table.meta.smallest), UserKey(table.meta.largest)};
}

Range RangeOf(const TableList& tables) {
  Range range = RangeOf(*tables.front());
  range.Widen(tables);
  return range;
}

// All it reads, which is where it writes.
Range RangeOf(const Compaction& compaction) {
  Range range = RangeOf(compaction.upper);
  range.Widen(compaction.lower);
  return range;
}

bool Contains(const TableList& tables, const TableFile& table) {
  return std::any_of(tables.begin(), tables.end(), [&table](const auto& other) {
    return other->meta.number == table.meta.number;
  });
}

bool IsInput(const Compaction& compaction, const TableFile& table) {
  return Contains(compaction.upper, table) || Contains(compaction.lower, table);
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
        TableBytes(version->Overlapping(compaction.output_level + 1, range.begin, range.end)) >
            kMaxGrandparentTables * options.table_bytes;
    compaction.trivial_move = !far_overlap;
  }
  return compaction;
}

bool Dense(const TableMeta& meta) {
  return meta.deletes > 0 &&
         (meta.deletes * kDenseDeletes >= meta.entries || meta.longest_dead_run >= kLongDeadRun);
}

class Picker {
 public:
  Picker(const std::shared_ptr<const Version>& version, const Options& options,
         const CompactionNeeds& needs, const Compactions& under_way, CompactionCursors* cursors)
      : version_(version),
        options_(options),
        needs_(needs),
        under_way_(under_way),
        cursors_(cursors) {}

  // The level that is furthest over its limit and has something free.
  std::optional<Compaction> BySize() {
    struct Oversized {
      double score;
      int level;
    };
    std::vector<Oversized> levels;
    for (int level = 0; level + 1 < kLevels; ++level) {
      const double score = Score(level);
      if (level == 0 ? score >= 1 : score > 1) {
        levels.push_back({score, level});
      }
    }
    std::stable_sort(levels.begin(), levels.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    for (const Oversized& oversized : levels) {
      auto picked = oversized.level == 0 ? OldestOfLevel0() : Cheapest(oversized.level);
      if (picked) {
        return picked;
      }
    }
    return std::nullopt;
  }

  std::optional<Compaction> ByDeletes() {
    for (int level = 0; level < kLevels; ++level) {
      for (const auto& table : Tables(level)) {
        const TableMeta& meta = table->meta;
        const bool wanted = Dense(meta) || (needs_.shed_hidden && meta.hidden_bytes > 0) ||
                            (needs_.everything && meta.deletes > 0);
        if (!wanted || meta.largest_sequence > needs_.oldest_visible || InUse(*table)) {
          continue;
        }
        if (auto picked = Free(Shed(level, table))) {
          return picked;
        }
      }
    }
    return std::nullopt;
  }

  // Level by level, so that what comes down is merged with all that is above it first.
  std::optional<Compaction> Everything() {
    const int deepest = version_->DeepestLevel();
    for (int level = 0; level < deepest || level == 0; ++level) {
      if (!Tables(level).empty()) {
        return level == 0 ? OldestOfLevel0() : FirstFree(level);
      }
    }
    return std::nullopt;
  }

 private:
  const TableList& Tables(int level) const { return version_->levels[static_cast<size_t>(level)]; }

  bool InUse(const TableFile& table) const {
    return std::any_of(under_way_.begin(), under_way_.end(),
                       [&table](const auto& compaction) { return IsInput(*compaction, table); });
  }

  std::optional<Compaction> Free(Compaction picked) const {
    const bool conflict =
        std::any_of(under_way_.begin(), under_way_.end(),
                    [&picked](const auto& compaction) { return Conflict(*compaction, picked); });
    return conflict ? std::nullopt : std::optional(std::move(picked));
  }

  // How far the level is over its limit, without what is on its way down.
  double Score(int level) const {
    uint64_t tables = 0;
    uint64_t bytes = 0;
    for (const auto& table : Tables(level)) {
      if (!InUse(*table)) {
        ++tables;
        bytes += table->meta.file_bytes;
      }
    }
    return level == 0
               ? static_cast<double>(tables) / options_.level0_tables
               : static_cast<double>(bytes) / static_cast<double>(LevelLimit(options_, level));
  }

  // From the oldest, so that what sinks is what was written first.
  std::optional<Compaction> OldestOfLevel0() const {
    const TableList& tables = Tables(0);
    for (auto table = tables.rbegin(); table != tables.rend(); ++table) {
      if (InUse(**table)) {
        continue;
      }
      if (auto picked = Free(Down(version_, options_, 0, Closure(*version_, *table), true))) {
        return picked;
      }
    }
    return std::nullopt;
  }

  std::optional<Compaction> FirstFree(int level) const {
    for (const auto& table : Tables(level)) {
      if (auto picked = Free(Down(version_, options_, level, {table}, true))) {
        return picked;
      }
    }
    return std::nullopt;
  }

  // The table of a sorted level that costs least to push down, the smallest overlap per byte, among
  // those after the cursor; among all where none is left there.
  std::optional<Compaction> Cheapest(int level) {
    Bytes& cursor = (*cursors_)[static_cast<size_t>(level)];
    std::optional<Compaction> best;
    double best_cost = 0;
    bool best_after = false;
    for (const auto& table : Tables(level)) {
      if (InUse(*table)) {
        continue;
      }
      const Range range = RangeOf(*table);
      const bool after = cursor.empty() || range.begin > cursor;
      const uint64_t overlap = TableBytes(version_->Overlapping(level + 1, range.begin, range.end));
      const double cost =
          static_cast<double>(overlap) / static_cast<double>(table->meta.file_bytes);
      if (best && !(after && !best_after) && !(after == best_after && cost < best_cost)) {
        continue;
      }
      if (auto picked = Free(Down(version_, options_, level, {table}, true))) {
        best = std::move(picked);
        best_cost = cost;
        best_after = after;
      }
    }
    if (best) {
      cursor.assign(UserKey(best->upper[0]->meta.largest));
    }
    return best;
  }

  // Downwards; at the bottom of its range, where it lies.
  Compaction Shed(int level, const std::shared_ptr<TableFile>& table) const {
    if (level == 0) {
      return Down(version_, options_, 0, Closure(*version_, table), false);
    }
    if (OverlapsBelow(*version_, level, RangeOf(*table))) {
      return Down(version_, options_, level, {table}, false);
    }
    Compaction rewrite;
    rewrite.version = version_;
    rewrite.level = level;
    rewrite.output_level = level;
    rewrite.upper = {table};
    return rewrite;
  }

  const std::shared_ptr<const Version>& version_;
  const Options& options_;
  const CompactionNeeds& needs_;
  const Compactions& under_way_;
  CompactionCursors* const cursors_;
};

}  // namespace

uint64_t TableBytes(const TableList& tables) {
  uint64_t bytes = 0;
  for (const auto& table : tables) {
    bytes += table->meta.file_bytes;
  }
  return bytes;
}

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

bool Conflict(const Compaction& a, const Compaction& b) {
  if (a.output_level == b.output_level && RangeOf(a).Overlaps(RangeOf(b))) {
    return true;
  }
  const auto read_by_b = [&b](const auto& table) { return IsInput(b, *table); };
  return std::any_of(a.upper.begin(), a.upper.end(), read_by_b) ||
         std::any_of(a.lower.begin(), a.lower.end(), read_by_b);
}

std::optional<Compaction> PickCompaction(const std::shared_ptr<const Version>& version,
                                         const Options& options, const CompactionNeeds& needs,
                                         const Compactions& under_way, CompactionCursors* cursors) {
  Picker picker(version, options, needs, under_way, cursors);
  if (auto by_size = picker.BySize()) {
    return by_size;
  }
  if (auto by_deletes = picker.ByDeletes()) {
    return by_deletes;
  }
  return needs.everything ? picker.Everything() : std::nullopt;
}

}  // namespace kvfs::engine
