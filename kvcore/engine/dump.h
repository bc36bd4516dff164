// Text descriptions of the engine's files, for people and tools.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kvcore/base/status.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

using LineSink = std::function<void(const std::string& line)>;

// One line per record or entry. The kind is told by the name (file_names.h): logs, tables, blob
// files and manifests; kInvalidArgument for any other. Damage ends the dump with kCorruption, after
// the lines that could be read.
Status DumpFile(env::FileSystem* files, const std::string& path, const LineSink& line);

}  // namespace kvfs::engine
