// Options of the storage engine. Each names its unit, default and bounds; Db::Open
// refuses values outside their bounds (InvalidArgument naming the option).
#pragma once

#include <cstdint>
#include <string>

#include "kvcore/base/status.h"

namespace kvfs::engine {

struct Options {
  // A memtable is flushed once it holds this many bytes. 1 KiB .. 1 GiB.
  uint64_t memtable_bytes = 32u << 20;
  // Bound on the block cache, index and filter blocks included. 64 KiB .. 1 TiB.
  uint64_t block_cache_bytes = 64u << 20;
  // Uncompressed size at which a data block ends. 16 B .. 1 MiB.
  uint32_t block_bytes = 4096;
  // Entries between restart points of a block. 1 .. 1024.
  uint32_t block_restart_interval = 16;
  // Bits of Bloom filter per key; 0 = none. 0 .. 32.
  uint32_t bloom_bits_per_key = 10;
  // Values from this size on go into blob files at flush, if not already at put. 64 B .. 1 GiB.
  uint32_t blob_threshold_bytes = 8u << 10;
  // A blob file is closed at this size. 64 KiB .. 4 GiB.
  uint64_t blob_file_bytes = 64u << 20;
  // A closed blob file with at least this share of garbage is rewritten. 0.05 .. 1.
  double blob_garbage_ratio = 0.3;
  // Size of a table written by compaction. 4 KiB .. 1 GiB.
  uint64_t table_bytes = 8u << 20;
  // Tables in level 0 that start a compaction; the more there are beyond
  // that the slower writers get; at 4x they wait. 2 .. 64.
  uint32_t level0_tables = 4;
  // Size of level 1; each further level is ten times the one above. 4 KiB .. 1 TiB.
  uint64_t level1_bytes = 64u << 20;
  // Compactions that may run at the same time. 1 .. 64.
  uint32_t compactions = 3;
  // How fast files that are not needed any more are deleted, after a burst of 64 MiB, bytes per
  // second; 0 = at once. Where space is short nothing waits. 0 .. 1 TiB.
  uint64_t delete_bytes_per_second = 512u << 20;
  // Written data is made durable after at most this long even if nobody asks, microseconds;
  // 0 = only when asked. 0 .. 3,600 s.
  int64_t background_sync_micros = 5'000'000;
  // Free space on the disk below which only deletes are taken. 0 .. 1 TiB.
  uint64_t reserve_bytes = 64u << 20;
  // Bound on the size of everything in the directory, 0 = the disk's. Writes that would exceed it
  // are refused with NoSpace; deletes are taken.
  uint64_t capacity_bytes = 0;
  // What the lock file says of its holder, for whoever finds the store busy.
  std::string holder = "kvfs";
  // Refuses every write, touches no file.
  bool read_only = false;
};

// kInvalidArgument naming the option that is out of its bounds.
Status CheckOptions(const Options& options);

}  // namespace kvfs::engine
