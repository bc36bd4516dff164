// For the engine's tests: a store on a simulated machine, and a model of what it should hold.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/engine/db.h"
#include "kvcore/env/sim/sim_clock.h"
#include "kvcore/env/sim/sim_file_system.h"
#include "kvcore/env/sim/sim_random.h"
#include "kvcore/env/sim/sim_scheduler.h"

namespace kvfs::engine::testing {

using Contents = std::map<Bytes, Bytes>;

// Seeds of a random test: five times as many with KVFS_LONG.
inline auto Seeds(uint64_t usual) {
  const uint64_t count = std::getenv("KVFS_LONG") != nullptr ? 5 * usual : usual;
  return ::testing::Range<uint64_t>(1, count + 1);
}

// One machine: its disk outlives the processes that run on it.
class Machine {
 public:
  explicit Machine(uint64_t seed)
      : random(seed), files(std::make_unique<env::sim::SimFileSystem>()) {
    Boot();
  }

  // A new process: whatever tasks the last one had posted are gone.
  void Boot() {
    scheduler = std::make_unique<env::sim::SimScheduler>(random.Next(), true);
    clock = std::make_unique<env::sim::SimClock>(scheduler.get());
  }
  env::Env env() {
    return {.clock = clock.get(),
            .scheduler = scheduler.get(),
            .files = files.get(),
            .random = &random,
            .bus = nullptr};
  }
  // At most so many tasks, of those that are due.
  void RunSome(uint64_t tasks) {
    (void)scheduler->RunUntil([&tasks] { return tasks-- == 0; }, 0);
  }
  uint64_t Below(uint64_t bound) { return env::sim::Uniform(random, bound); }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  env::sim::SimRandom random;
  std::unique_ptr<env::sim::SimFileSystem> files;
  std::unique_ptr<env::sim::SimScheduler> scheduler;
  std::unique_ptr<env::sim::SimClock> clock;
};

inline constexpr char kDirectory[] = "/store";

// Options that put as much as possible on a small workload's path.
inline Options RandomOptions(Machine* machine) {
  const auto pick = [machine](std::vector<uint64_t> choices) {
    return choices[machine->Below(choices.size())];
  };
  Options options;
  options.memtable_bytes = pick({1 << 10, 4 << 10, 32 << 10, 1 << 20});
  options.block_cache_bytes = pick({64 << 10, 256 << 10, 8 << 20});
  options.block_bytes = static_cast<uint32_t>(pick({16, 256, 4096}));
  options.block_restart_interval = static_cast<uint32_t>(pick({1, 3, 16}));
  options.bloom_bits_per_key = static_cast<uint32_t>(pick({0, 2, 10}));
  options.blob_threshold_bytes = static_cast<uint32_t>(pick({64, 500, 64 << 10}));
  options.blob_file_bytes = pick({64 << 10, 256 << 10});
  options.blob_garbage_ratio = machine->OneIn(2) ? 0.3 : 0.7;
  options.table_bytes = pick({4 << 10, 16 << 10, 1 << 20});
  options.level0_tables = static_cast<uint32_t>(pick({2, 4, 8}));
  options.level1_bytes = pick({4 << 10, 64 << 10, 1 << 20});
  options.compactions = static_cast<uint32_t>(pick({1, 3, 8}));
  options.background_sync_micros = machine->OneIn(2) ? 0 : 50'000;
  options.reserve_bytes = 0;
  return options;
}

// Half-compressible bytes that differ from call to call.
inline Bytes RandomValue(Machine* machine, uint64_t size) {
  Bytes value;
  value.reserve(size + 16);
  while (value.size() < size) {
    const uint64_t word = machine->random.Next();
    value.append(reinterpret_cast<const char*>(&word), sizeof(word));
    value.append(8, static_cast<char>('a' + word % 26));
  }
  value.resize(size);
  return value;
}

// Everything an iterator shows, in the order it shows it.
inline ::testing::AssertionResult ReadAll(Db* db, const ReadOptions& options, Contents* contents) {
  contents->clear();
  const auto it = db->NewIterator(options);
  Bytes last;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const Bytes key(it->key());
    if (!contents->empty() && key <= last) {
      return ::testing::AssertionFailure() << "keys out of order: " << last << ", " << key;
    }
    last = key;
    const Bytes value(it->value());
    if (!it->Valid()) {
      break;
    }
    contents->emplace(key, value);
  }
  if (!it->status().ok()) {
    return ::testing::AssertionFailure() << it->status().ToString();
  }
  return ::testing::AssertionSuccess();
}

inline ::testing::AssertionResult Same(const Contents& expected, const Contents& actual) {
  for (const auto& [key, value] : expected) {
    const auto it = actual.find(key);
    if (it == actual.end()) {
      return ::testing::AssertionFailure() << "lost: " << key;
    }
    if (it->second != value) {
      return ::testing::AssertionFailure()
             << "changed: " << key << ", " << it->second.size() << " bytes, not " << value.size();
    }
  }
  for (const auto& [key, value] : actual) {
    if (!expected.contains(key)) {
      return ::testing::AssertionFailure() << "unexpected: " << key;
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace kvfs::engine::testing
