// RunRecord: who serves a data directory, written there by the daemon while it is
// mounted, so that the commands find it without asking it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "kvcore/base/status.h"

namespace kvfs::tools {

struct RunRecord {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // of pid; tells it from a later process of that number
  pid_t supervisor = 0;      // 0: none
  uint64_t supervisor_ticks = 0;
  std::string mountpoint;

  bool DaemonLives() const;
  bool SupervisorLives() const;
};

std::string RunRecordPath(const std::string& data_directory);
Status WriteRunRecord(const std::string& data_directory, const RunRecord& record);
void RemoveRunRecord(const std::string& data_directory);
// Nothing if there is none, or it makes no sense.
std::optional<RunRecord> ReadRunRecord(const std::string& data_directory);

}  // namespace kvfs::tools
