// Compaction: which tables to merge, and the merge itself.
//
// PickCompaction is a pure function of the version, the needs and what is under way.
// CompactionJob does the work in steps of bounded size, so that it shares a thread; it is
// used by one task at a time and touches no shared state: its result is an edit.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/engine/entry_filter.h"
#include "kvcore/engine/options.h"
#include "kvcore/engine/table_output.h"
#include "kvcore/engine/version.h"

namespace kvfs::engine {

struct Compaction {
  std::shared_ptr<const Version> version;
  int level = 0;         // of `upper`
  int output_level = 0;  // of `lower`, or `level` itself where it only sheds deletes
  TableList upper;
  TableList lower;
  bool trivial_move = false;  // upper[0] just changes its level
};

// Those under way. Their inputs are of the version picked from, or of an older one.
using Compactions = std::vector<std::shared_ptr<const Compaction>>;

// Whether the two may not run at the same time: they share an input, or write into one range of
// one level.
bool Conflict(const Compaction& a, const Compaction& b);

struct CompactionNeeds {
  // Deletes that hide blobs should meet them, not only where deletes are dense.
  bool shed_hidden = false;
  // All tables into one level, without deletes: CompactAll.
  bool everything = false;
  // The oldest sequence somebody may read at; deletes above it cannot go yet.
  uint64_t oldest_visible = kMaxSequence;
};

// Where each level's next compaction begins: after the largest key of the last one.
using CompactionCursors = std::array<Bytes, kLevels>;

// One that conflicts with none under way.
std::optional<Compaction> PickCompaction(const std::shared_ptr<const Version>& version,
                                         const Options& options, const CompactionNeeds& needs,
                                         const Compactions& under_way, CompactionCursors* cursors);
// Size of their files.
uint64_t TableBytes(const TableList& tables);
// Bytes that have to move before every level is within its limit.
uint64_t PendingCompactionBytes(const Version& version, const Options& options);
// The size a level may have.
uint64_t LevelLimit(const Options& options, int level);

class CompactionJob {
 public:
  struct Context {
    env::FileSystem* files = nullptr;
    std::string directory;
    Options options;
    TableCache* tables = nullptr;
    int64_t started_micros = 0;  // monotonic
    std::function<uint64_t()> new_file_number;
  };

  CompactionJob(std::shared_ptr<const Compaction> compaction, Context context,
                std::vector<uint64_t> snapshots);
  ~CompactionJob();

  // Goes on for about `budget` bytes of input; true when the edit is complete and all outputs are
  // durable but for their names.
  Result<bool> Step(uint64_t budget);

  const std::shared_ptr<const Compaction>& compaction() const { return compaction_; }
  VersionEdit& edit() { return edit_; }
  int64_t started_micros() const { return context_.started_micros; }
  uint64_t bytes_written() const { return bytes_written_; }
  // The edit has been handed to Apply: the outputs are no longer this job's to remove.
  void Release() { outputs_.clear(); }

 private:
  Status Take(ByteView key, ByteView value);
  Status FinishOutput();
  bool NothingBelow(ByteView user_key);
  // Whether the output should end before `internal_key`, lest it overlap too much two levels down.
  bool EndsBefore(ByteView internal_key);

  const std::shared_ptr<const Compaction> compaction_;
  const Context context_;
  EntryFilter filter_;
  std::unique_ptr<InternalIterator> input_;
  std::unique_ptr<TableOutput> output_;
  Bytes last_user_key_;  // of the output
  VersionEdit edit_;
  std::vector<uint64_t> outputs_;  // finished
  uint64_t bytes_written_ = 0;
  std::array<size_t, kLevels> below_{};  // position in each level below, for NothingBelow
  size_t grandparent_ = 0;
  uint64_t grandparent_overlap_ = 0;
};

}  // namespace kvfs::engine
