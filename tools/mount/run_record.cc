#include "tools/mount/run_record.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tools/common/paths.h"
#include "tools/common/process.h"

namespace kvfs::tools {

bool RunRecord::DaemonLives() const { return pid > 0 && StartTicks(pid) == start_ticks; }

bool RunRecord::SupervisorLives() const {
  return supervisor > 0 && StartTicks(supervisor) == supervisor_ticks;
}

std::string RunRecordPath(const std::string& data_directory) {
  return data_directory + "/kvfs.run";
}

Status WriteRunRecord(const std::string& data_directory, const RunRecord& record) {
  const nlohmann::json json{{"pid", record.pid},
                            {"start_ticks", record.start_ticks},
                            {"supervisor", record.supervisor},
                            {"supervisor_ticks", record.supervisor_ticks},
                            {"mountpoint", record.mountpoint}};
  const std::string path = RunRecordPath(data_directory);
  const std::string temporary = path + ".new";
  std::ofstream out(temporary, std::ios::trunc);
  // A mount point need not be UTF-8; then its odd bytes are lost here, and only messages suffer.
  out << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoStatus("cannot write " + path, errno);
  }
  return Status::Ok();
}

void RemoveRunRecord(const std::string& data_directory) {
  unlink(RunRecordPath(data_directory).c_str());
}

std::optional<RunRecord> ReadRunRecord(const std::string& data_directory) {
  std::ifstream in(RunRecordPath(data_directory));
  const nlohmann::json json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_object()) {
    return std::nullopt;
  }
  try {
    RunRecord record;
    record.pid = json.at("pid").get<pid_t>();
    record.start_ticks = json.at("start_ticks").get<uint64_t>();
    record.supervisor = json.at("supervisor").get<pid_t>();
    record.supervisor_ticks = json.at("supervisor_ticks").get<uint64_t>();
    record.mountpoint = json.at("mountpoint").get<std::string>();
    return record;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace kvfs::tools
