#include "tools/mount/mount_observation.h"

#include <chrono>

namespace kvfs::tools {
namespace {

using fs::OperationMeters;

void Fill(const OperationMeters::Operation& operation, admin::RunningOperation* out) {
  const char* const name = OperationMeters::NameOf(operation.opcode);
  out->set_operation(name == nullptr ? "opcode " + std::to_string(operation.opcode) : name);
  out->set_ino(operation.ino);
  out->set_began_micros(static_cast<uint64_t>(operation.began_micros));
  out->set_took_micros(static_cast<uint64_t>(operation.took_micros));
  out->set_error(operation.error);
}

}  // namespace

void MountObservation::RegisterWith(ops::AdminService* service) {
  service->Register(ops::AdminCommand::kOperations, this);
  service->RegisterMetrics(this);
}

Task<ops::AdminResponse> MountObservation::Handle(ops::AdminRequest) {
  ops::AdminResponse response;
  admin::OperationsResponse* const out = response.mutable_operations();
  for (const auto& operation : mount_->operations().Slow()) {
    Fill(operation, out->add_slow());
  }
  for (const auto& operation : mount_->RunningOperations()) {
    Fill(operation, out->add_running());
  }
  out->set_slow_micros(static_cast<uint64_t>(mount_->operations().slow_micros()));
  out->set_now_micros(static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                                std::chrono::steady_clock::now().time_since_epoch())
                                                .count()));
  co_return response;
}

void MountObservation::AddMetrics(ops::MetricList* list) {
  for (uint32_t opcode = 0; opcode < OperationMeters::kOpcodes; ++opcode) {
    if (const char* const name = OperationMeters::NameOf(opcode); name != nullptr) {
      list->Histogram("kvfs_fuse_operation_seconds",
                      "What the kernel asked for, from the request to the reply.",
                      mount_->operations().Of(opcode), {{"operation", name}});
    }
  }
  for (uint32_t opcode = 0; opcode < OperationMeters::kOpcodes; ++opcode) {
    if (const char* const name = OperationMeters::NameOf(opcode); name != nullptr) {
      list->Counter("kvfs_fuse_errors_total", "Those that were answered with an errno.",
                    static_cast<double>(mount_->operations().Of(opcode).failures),
                    {{"operation", name}});
    }
  }
  const auto number = [](uint64_t value) { return static_cast<double>(value); };
  const fs::Vfs::Stats stats = vfs_->GetStats();
  list->Gauge("kvfs_fuse_in_flight", "Requests of the kernel that are being served.",
              static_cast<double>(mount_->InFlightCount()));
  list->Gauge("kvfs_mount_dirty_bytes", "Written and not published yet.",
              number(stats.files.dirty_bytes));
  list->Gauge("kvfs_mount_cached_bytes", "The chunk cache.", number(stats.files.cached_bytes));
  list->Gauge("kvfs_mount_open_files", "Open files.", number(stats.files.open_files));
  list->Gauge("kvfs_mount_remembered_inodes", "Inodes that the kernel knows.",
              number(stats.remembered_inodes));
  list->Counter("kvfs_mount_cache_hits_total", "Chunks found in the cache.",
                number(stats.files.cache_hits));
  list->Counter("kvfs_mount_cache_misses_total", "Chunks asked of the store.",
                number(stats.files.cache_misses));
}

}  // namespace kvfs::tools
