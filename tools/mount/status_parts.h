// What a mounted daemon adds to `kvfs-admin status`: the process and the filesystem.
// Thread-safe; borrowed by the admin service.
#pragma once

#include <chrono>

#include "fs/vfs/vfs.h"
#include "kvcore/ops/admin_service.h"
#include "tools/mount/mount_checks.h"
#include "tools/mount/mount_options.h"

namespace kvfs::tools {

class StatusParts final : public ops::StatusContributor {
 public:
  StatusParts(const MountPlaces& places, const MountOptions& options, const fs::Vfs* vfs)
      : places_(places), options_(options), vfs_(vfs) {}

  Task<Status> Contribute(admin::StatusResponse* status) override;

 private:
  const MountPlaces places_;
  const MountOptions options_;
  const fs::Vfs* const vfs_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace kvfs::tools
