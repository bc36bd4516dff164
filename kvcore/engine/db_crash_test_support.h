// For tests of what survives: a machine that stops or fails, and what must be found afterwards.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kvcore/engine/db_test_support.h"

namespace kvfs::engine::testing {

using env::sim::CrashMode;

// Every change of the disk from the nth on fails: the machine has stopped there.
inline env::sim::SimFault FromNowOn(uint64_t nth) {
  env::sim::SimFault fault;
  fault.nth = nth;
  fault.for_ever = true;
  return fault;
}

// The disk is full for a moment.
inline env::sim::SimFault NoSpaceOnce(uint64_t nth) {
  env::sim::SimFault fault;
  fault.kinds = env::sim::KindSet(env::sim::OpKind::kWrite, env::sim::OpKind::kCreate,
                                  env::sim::OpKind::kRename);
  fault.nth = nth;
  fault.code = Code::kNoSpace;
  return fault;
}

inline env::sim::SimFault Once(uint64_t nth) {
  env::sim::SimFault fault;
  fault.kinds = env::sim::kAllOps;
  fault.nth = nth;
  return fault;
}

// What was written, in order, and what must have survived.
class History {
 public:
  using Changes = std::vector<std::pair<Bytes, std::optional<Bytes>>>;

  // Takes the place of a write that failed before it.
  void Acknowledged(Position end, Changes changes) {
    records_.push_back({end, std::move(changes)});
    doubtful_.reset();
  }
  // A write that failed may have come to be on disk nevertheless.
  void Failed(Changes changes) { doubtful_ = std::move(changes); }
  void Synced(Position position) { synced_ = std::max(synced_, position); }

  Position last() const { return records_.empty() ? base_position_ : records_.back().end; }

  // What a reader sees now.
  Contents Expected() const {
    Contents contents = base_;
    for (const Record& record : records_) {
      Apply(record.changes, &contents);
    }
    return contents;
  }

  // The store came back at `position`. From now on that is the truth.
  ::testing::AssertionResult Recovered(Db* db, CrashMode mode) {
    const Position position = db->LastPosition();
    if (position < synced_) {
      return ::testing::AssertionFailure()
             << "recovered up to " << position << ", synced up to " << synced_;
    }
    if (mode == CrashMode::kProcessDeath && position < last()) {
      return ::testing::AssertionFailure()
             << "recovered up to " << position << ", acknowledged up to " << last();
    }
    Contents expected = base_;
    Position reached = base_position_;
    for (const auto& [end, changes] : records_) {
      if (end > position) {
        break;
      }
      Apply(changes, &expected);
      reached = end;
    }
    if (reached != position) {
      if (!doubtful_ || reached != last()) {
        return ::testing::AssertionFailure()
               << "recovered up to " << position << ", which is within a batch, after " << reached;
      }
      Apply(*doubtful_, &expected);
    }
    Contents actual;
    if (auto read = ReadAll(db, {}, &actual); !read) {
      return read;
    }
    if (auto same = Same(expected, actual); !same) {
      return same << " (recovered up to " << position << ")";
    }
    base_ = std::move(expected);
    base_position_ = position;
    records_.clear();
    doubtful_.reset();
    return ::testing::AssertionSuccess();
  }

 private:
  struct Record {
    Position end = 0;
    Changes changes;
  };
  static void Apply(const Changes& changes, Contents* contents) {
    for (const auto& [key, value] : changes) {
      if (value) {
        (*contents)[key] = *value;
      } else {
        contents->erase(key);
      }
    }
  }

  Contents base_;
  Position base_position_ = 0;
  Position synced_ = 0;
  std::vector<Record> records_;
  std::optional<Changes> doubtful_;
};

class CrashMachine {
 public:
  explicit CrashMachine(uint64_t seed) : machine(seed), options(RandomOptions(&machine)) {}

  Status Open() {
    auto opened = Db::Open(options, machine.env(), kDirectory);
    if (opened.ok()) {
      db = std::move(*opened);
    }
    return opened.status();
  }

  void Crash(CrashMode mode) {
    db.reset();
    machine.files->Crash(machine.random, mode);
    machine.Boot();
  }

  // One random write, sync or bit of background work. False once the store takes no more writes.
  bool Step() {
    switch (machine.Below(12)) {
      case 0:
        machine.scheduler->RunFor(static_cast<int64_t>(machine.Below(200'000)));
        return true;
      case 1:
      case 2:
        machine.scheduler->RunUntilIdle();
        return true;
      case 3:
        return Sync();
      case 4:
        if (machine.OneIn(4)) {
          (void)machine.scheduler->Run(db->CompactAll());
        }
        return true;
      default:
        return Write();
    }
  }

  bool Sync() {
    const Position position = db->LastPosition();
    const Status synced = machine.scheduler->Run(db->Sync(position));
    if (synced.ok()) {
      history.Synced(position);
    }
    return synced.ok();
  }

  bool Write() {
    WriteBatch batch;
    History::Changes changes;
    for (uint64_t i = 0, n = 1 + machine.Below(3); i < n; ++i) {
      const Bytes key = "k" + std::to_string(machine.Below(30));
      if (machine.OneIn(3)) {
        const auto pointer = db->GetBlobPointer(key);
        if (pointer.ok() && i == 0) {
          batch.DeleteBlob(key, *pointer);
        } else {
          batch.Delete(key);
        }
        changes.emplace_back(key, std::nullopt);
        continue;
      }
      Bytes value = RandomValue(&machine, machine.Below(machine.OneIn(4) ? 30'000 : 300));
      if (machine.OneIn(2)) {
        const auto pointer = db->PutBlob(value);
        if (!pointer.ok()) {
          return pointer.error().code() == Code::kNoSpace;
        }
        batch.PutBlob(key, *pointer);
      } else {
        batch.Put(key, value);
      }
      changes.emplace_back(key, std::move(value));
    }
    const auto position = db->Write(batch);
    if (!position.ok()) {
      if (position.error().code() != Code::kReadOnly) {
        history.Failed(std::move(changes));
      }
      return position.error().code() == Code::kNoSpace;
    }
    history.Acknowledged(*position, std::move(changes));
    return true;
  }

  CrashMode RandomMode() {
    switch (machine.Below(3)) {
      case 0:
        return CrashMode::kProcessDeath;
      case 1:
        return CrashMode::kPowerLossMinimum;
      default:
        return CrashMode::kPowerLoss;
    }
  }

  Machine machine;
  Options options;
  std::unique_ptr<Db> db;
  History history;
};

// One short workload that touches everything.
inline Options SmallOptions() {
  Options options;
  options.memtable_bytes = 4 << 10;
  options.table_bytes = 4 << 10;
  options.level0_tables = 2;
  options.level1_bytes = 8 << 10;
  options.blob_threshold_bytes = 500;
  options.blob_file_bytes = 64 << 10;
  options.reserve_bytes = 0;
  return options;
}

// False if it was stopped before its end.
inline bool Workload(CrashMachine* crash) {
  if (crash->db == nullptr && !crash->Open().ok()) {
    return false;
  }
  for (int i = 0; i < 40; ++i) {
    if (!crash->Write()) {
      return false;
    }
    if (i % 5 == 0 && !crash->Sync()) {
      return false;
    }
    if (i % 3 == 0) {
      crash->machine.scheduler->RunUntilIdle();
    }
  }
  return crash->machine.scheduler->Run(crash->db->CompactAll()).ok();
}

}  // namespace kvfs::engine::testing
