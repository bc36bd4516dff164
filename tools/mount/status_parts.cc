#include "tools/mount/status_parts.h"

#include <unistd.h>

#include <fstream>

#include "tools/common/version.h"

namespace kvfs::tools {
namespace {

uint64_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t total_pages = 0, resident_pages = 0;
  in >> total_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

Task<Status> StatusParts::Contribute(admin::StatusResponse* status) {
  admin::ProcessStatus* process = status->mutable_process();
  process->set_version(kVersion);
  process->set_pid(getpid());
  process->set_uptime_millis(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                std::chrono::steady_clock::now() - started_)
                                .count()));
  process->set_resident_bytes(ResidentBytes());
  process->set_memory_limit_bytes(options_.memory_bytes);
  process->set_data_directory(places_.data_directory);

  const fs::Vfs::Stats stats = vfs_->GetStats();
  admin::FilesystemStatus* filesystem = status->mutable_filesystem();
  filesystem->set_mountpoint(places_.mountpoint);
  for (const std::string& option : LibfuseOptions(options_, geteuid() == 0)) {
    filesystem->add_options(option);
  }
  filesystem->set_dirty_bytes(stats.files.dirty_bytes);
  filesystem->set_cached_bytes(stats.files.cached_bytes);
  filesystem->set_open_files(stats.files.open_files);
  filesystem->set_tracked_inodes(stats.remembered_inodes);
  filesystem->set_operations(stats.operations);
  filesystem->set_cache_hits(stats.files.cache_hits);
  filesystem->set_cache_misses(stats.files.cache_misses);
  filesystem->set_read_only(options_.read_only);
  co_return Status::Ok();
}

}  // namespace kvfs::tools
