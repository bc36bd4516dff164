// The configuration file of kvfsd: TOML whose keys are the names of the options. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kvcore/base/status.h"

namespace kvfs::tools {

// What a file says, as command lines would: option without dashes -> its text. Switches are "true"
// or "false"; [[members]] and lists become "1=HOST:PORT/zone=a,...".
using Config = std::map<std::string, std::string>;

// `name`: of the file, for messages. kInvalidArgument naming file, line and key, and for an unknown
// key the nearest of `known`.
Result<Config> ParseConfig(std::string_view text, const std::string& name,
                           const std::vector<std::string>& known);
Result<Config> LoadConfig(const std::string& path, const std::vector<std::string>& known);

}  // namespace kvfs::tools
