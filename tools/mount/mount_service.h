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
  struct Circumstances {
    // To kvfs.log in the data directory, standard error included, as soon as that is known to be a
    // store.
    bool log_to_file = false;
    // A daemon of this mount has died, and what it left at the mount point is to be covered.
    bool again = false;
  };

  // Mounts, and returns once the mount answers.
  static Result<std::unique_ptr<MountService>> Start(const MountPlaces& places,
                                                     const MountOptions& options,
                                                     const Circumstances& circumstances);
  virtual ~MountService() = default;

  // Serves until the mount is taken away or a stop signal comes, then writes everything back.
  // kUnavailable if the connection was aborted under a mount that is still there.
  virtual Status Run() = 0;
};

}  // namespace kvfs::tools
