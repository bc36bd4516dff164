// What SimFileSystem and its open files share. Internal to this folder.
#pragma once

#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include "kvcore/env/sim/sim_file_system.h"

namespace kvfs::env::sim {

struct SimFileSystem::State {
  // Lets the trace see the operation, counts it and says whether it fails. Not under the lock.
  Status Begin(OpKind kind, const std::string& path, uint64_t offset = 0, uint64_t size = 0);
  // How many of `more` bytes still fit. REQUIRES: mutex
  uint64_t Fitting(uint64_t more) const;

  mutable std::mutex mutex;  // guards everything below
  std::unique_ptr<SimDisk> disk = std::make_unique<SimDisk>();
  SimFaults faults;
  std::shared_ptr<const Trace> trace;
  uint64_t capacity = std::numeric_limits<uint64_t>::max();
  uint64_t boot = 1;  // crashes so far; a handle of an earlier boot is dead
};

// One open file: counted in its node until it is closed.
class SimHandle {
 public:
  SimHandle(std::shared_ptr<SimFileSystem::State> state, SimNodePtr node, std::string path);
  SimHandle(const SimHandle&) = delete;
  SimHandle& operator=(const SimHandle&) = delete;
  ~SimHandle() { Close(); }

  // Begins an operation: fails if a fault says so, the machine crashed or the file is closed. A
  // failure by a fault calls `on_fault` under the lock.
  template <typename F>
  Status Begin(OpKind kind, uint64_t offset, uint64_t size, F on_fault) const {
    const Status fault = state_->Begin(kind, path_, offset, size);
    std::lock_guard lock(state_->mutex);
    KVFS_RETURN_IF_ERROR(CheckAlive());
    if (!fault.ok() && !state_->faults.IsOff()) {
      on_fault();
    }
    return fault;
  }
  Status Begin(OpKind kind, uint64_t offset, uint64_t size) const {
    return Begin(kind, offset, size, [] {});
  }
  void Close();
  bool IsOpen() const { return open_; }

  SimFileSystem::State& state() const { return *state_; }
  SimNode& node() const { return *node_; }
  const std::string& path() const { return path_; }

 private:
  Status CheckAlive() const;  // REQUIRES: the lock

  const std::shared_ptr<SimFileSystem::State> state_;
  const SimNodePtr node_;
  const std::string path_;
  const uint64_t boot_;
  bool open_ = true;
};

// REQUIRES for all three: the lock.
std::unique_ptr<WritableFile> NewSimWritableFile(std::shared_ptr<SimFileSystem::State> state,
                                                 SimNodePtr node, std::string path);
std::unique_ptr<RandomAccessFile> NewSimRandomAccessFile(
    std::shared_ptr<SimFileSystem::State> state, SimNodePtr node, std::string path);
std::unique_ptr<FileLock> NewSimFileLock(std::shared_ptr<SimFileSystem::State> state,
                                         SimNodePtr node);

}  // namespace kvfs::env::sim
