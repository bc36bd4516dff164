#include "kvcore/engine/options.h"

namespace kvfs::engine {
namespace {

Status CheckRange(const char* name, uint64_t value, uint64_t low, uint64_t high) {
  if (value < low || value > high) {
    return Status::InvalidArgument(std::string("option ") + name + " is " + std::to_string(value) +
                                   ", must be " + std::to_string(low) + " .. " +
                                   std::to_string(high));
  }
  return Status::Ok();
}

}  // namespace

Status CheckOptions(const Options& options) {
  constexpr uint64_t kKiB = 1u << 10;
  constexpr uint64_t kMiB = 1u << 20;
  constexpr uint64_t kGiB = 1u << 30;
  constexpr uint64_t kTiB = kGiB << 10;
  KVFS_RETURN_IF_ERROR(CheckRange("memtable_bytes", options.memtable_bytes, kKiB, kGiB));
  KVFS_RETURN_IF_ERROR(CheckRange("block_cache_bytes", options.block_cache_bytes, 64 * kKiB, kTiB));
  KVFS_RETURN_IF_ERROR(CheckRange("block_bytes", options.block_bytes, 16, kMiB));
  KVFS_RETURN_IF_ERROR(
      CheckRange("block_restart_interval", options.block_restart_interval, 1, 1024));
  KVFS_RETURN_IF_ERROR(CheckRange("bloom_bits_per_key", options.bloom_bits_per_key, 0, 32));
  KVFS_RETURN_IF_ERROR(CheckRange("blob_threshold_bytes", options.blob_threshold_bytes, 64, kGiB));
  KVFS_RETURN_IF_ERROR(CheckRange("blob_file_bytes", options.blob_file_bytes, 64 * kKiB, 4 * kGiB));
  if (!(options.blob_garbage_ratio >= 0.05 && options.blob_garbage_ratio <= 1)) {
    return Status::InvalidArgument("option blob_garbage_ratio must be 0.05 .. 1");
  }
  KVFS_RETURN_IF_ERROR(CheckRange("table_bytes", options.table_bytes, 4 * kKiB, kGiB));
  KVFS_RETURN_IF_ERROR(CheckRange("level0_tables", options.level0_tables, 2, 64));
  KVFS_RETURN_IF_ERROR(CheckRange("level1_bytes", options.level1_bytes, 4 * kKiB, kTiB));
  KVFS_RETURN_IF_ERROR(CheckRange("compactions", options.compactions, 1, 64));
  KVFS_RETURN_IF_ERROR(
      CheckRange("delete_bytes_per_second", options.delete_bytes_per_second, 0, kTiB));
  if (options.background_sync_micros < 0 || options.background_sync_micros > 3'600'000'000) {
    return Status::InvalidArgument("option background_sync_micros must be 0 .. 3600000000");
  }
  return CheckRange("reserve_bytes", options.reserve_bytes, 0, kTiB);
}

}  // namespace kvfs::engine
