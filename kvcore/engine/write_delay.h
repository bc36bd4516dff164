// How long writers are held back so that flush and compaction keep up: a little for each
// write, growing smoothly with what is left to do, so that nobody ever waits long. Pure
// functions; the Db measures the load and does the waiting.
#pragma once

#include <cstdint>

namespace kvfs::engine {

// What background work has before it, and how fast it gets on.
struct WriteLoad {
  // Tables in level 0; how many start a compaction; how many stop writers.
  uint64_t level0_tables = 0;
  uint64_t level0_trigger = 1;
  uint64_t level0_stop = 2;
  // Memtables that are full or filling, in memtables; how many stop writers.
  double memtables = 0;
  double memtables_stop = 2;
  // What levels hold beyond their limits, and how much of that is too much.
  uint64_t debt_bytes = 0;
  uint64_t debt_full_bytes = 1;
  // What flush and level 0 take in at present, bytes per second.
  double drain_rate = 1;
};

// 0: writers may go as fast as they like; 1: they would have to stop. Grows without jumps.
double WritePressure(const WriteLoad& load);

// What writing `bytes` costs in time. Under a pressure of one half writers are as fast as the
// drain; above it they are slower, below it faster, so the pressure settles where both are even,
// wherever the estimate of the drain errs.
int64_t WriteCostMicros(const WriteLoad& load, uint64_t bytes);

}  // namespace kvfs::engine
