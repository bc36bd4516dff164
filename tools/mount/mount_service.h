// MountService: the composition root of a mount. Environment, node, filesystem, FUSE
// and the admin socket, put together in that order and taken down in the reverse.
//
// Made and used by the main thread of a process that has no other threads yet and
// blocks SIGTERM, SIGINT and SIGHUP.
#pragma once

#include <memory>

#include "kvcore/base/status.h"
#include "tools/mount/mount_checks.h"
#include "tools/mount/mount_options.h"

namespace kvfs::tools {

class MountService {
 public:
  // Mounts, and returns once the mount answers. `log_to_file`: to kvfs.log in the data directory,
  // standard error included, as soon as that is known to be a store.
  static Result<std::unique_ptr<MountService>> Start(const MountPlaces& places,
                                                     const MountOptions& options, bool log_to_file);
  virtual ~MountService() = default;

  // Serves until the mount is taken away or a stop signal comes, then writes everything back.
  virtual Status Run() = 0;
};

}  // namespace kvfs::tools
