// MountObservation: what a mounted daemon tells of its operations: metrics, and for `kvfs-admin
// profile` what runs and what took long. Thread-safe; borrowed by the admin service.
#pragma once

#include "fs/fuse/fuse_mount.h"
#include "fs/vfs/vfs.h"
#include "kvcore/ops/admin_service.h"

namespace kvfs::tools {

class MountObservation final : public ops::AdminHandler, public ops::MetricSource {
 public:
  MountObservation(const fs::FuseMount* mount, const fs::Vfs* vfs) : mount_(mount), vfs_(vfs) {}

  void RegisterWith(ops::AdminService* service);

  Task<ops::AdminResponse> Handle(ops::AdminRequest request) override;
  void AddMetrics(ops::MetricList* list) override;

 private:
  const fs::FuseMount* const mount_;
  const fs::Vfs* const vfs_;
};

}  // namespace kvfs::tools
