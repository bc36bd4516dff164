#include "kvcore/env/sim/sim_file_system.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/env/sim/sim_file_state.h"

namespace kvfs::env::sim {
namespace {

// What an unlimited disk reports.
constexpr uint64_t kReportedCapacity = uint64_t{1} << 40;

}  // namespace

Status SimFileSystem::State::Begin(OpKind kind, const std::string& path, uint64_t offset,
                                   uint64_t size) {
  const SimOperation operation{kind, path, offset, size};
  std::shared_ptr<const Trace> watcher;
  {
    std::lock_guard lock(mutex);
    watcher = trace;
  }
  if (watcher != nullptr) {
    (*watcher)(operation);
  }
  std::lock_guard lock(mutex);
  return faults.Begin(operation);
}

uint64_t SimFileSystem::State::Fitting(uint64_t more) const {
  if (capacity == std::numeric_limits<uint64_t>::max()) {
    return more;
  }
  const uint64_t used = disk->UsedBytes();
  return used >= capacity ? 0 : std::min(more, capacity - used);
}

SimFileSystem::SimFileSystem() : state_(std::make_shared<State>()) {}
SimFileSystem::~SimFileSystem() = default;

Result<std::unique_ptr<WritableFile>> SimFileSystem::OpenWritable(const std::string& path,
                                                                  Create create) {
  bool exists = false;
  {
    std::lock_guard lock(state_->mutex);
    exists = state_->disk->Find(path).ok();
  }
  KVFS_RETURN_IF_ERROR(state_->Begin(exists ? OpKind::kOpen : OpKind::kCreate, path));
  if (exists && create == Create::kTruncate) {
    KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kTruncate, path));
  }
  std::lock_guard lock(state_->mutex);
  SimDisk& disk = *state_->disk;
  auto node =
      create != Create::kNew && disk.Find(path).ok() ? disk.FindFile(path) : disk.CreateFile(path);
  KVFS_RETURN_IF_ERROR(node.status());
  if (create == Create::kTruncate && !(*node)->content.current().empty()) {
    (*node)->content.Truncate(0);
    (*node)->reserved = 0;
  }
  return NewSimWritableFile(state_, *node, path);
}

Result<std::unique_ptr<RandomAccessFile>> SimFileSystem::OpenRandomAccess(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kOpen, path));
  std::lock_guard lock(state_->mutex);
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr node, state_->disk->FindFile(path));
  return NewSimRandomAccessFile(state_, node, path);
}

Status SimFileSystem::CreateDirectory(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kMakeDirectory, path));
  std::lock_guard lock(state_->mutex);
  return state_->disk->CreateDirectory(path);
}

Status SimFileSystem::SyncDirectory(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kSyncDirectory, path));
  std::lock_guard lock(state_->mutex);
  return state_->disk->SyncDirectory(path);
}

Result<std::vector<std::string>> SimFileSystem::List(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kList, path));
  std::lock_guard lock(state_->mutex);
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr node, state_->disk->Find(path));
  if (!node->is_directory) {
    return Status::IoError(path + ": Not a directory");
  }
  std::vector<std::string> names;
  names.reserve(node->entries.size());
  for (const auto& [name, child] : node->entries) {
    names.push_back(name);
  }
  return names;
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kRename, from + " to " + to));
  std::lock_guard lock(state_->mutex);
  return state_->disk->Rename(from, to);
}

Status SimFileSystem::Link(const std::string& from, const std::string& to) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kLink, from + " to " + to));
  std::lock_guard lock(state_->mutex);
  return state_->disk->Link(from, to);
}

Status SimFileSystem::Unlink(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kUnlink, path));
  std::lock_guard lock(state_->mutex);
  return state_->disk->Unlink(path);
}

Status SimFileSystem::RemoveDirectory(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kRemoveDirectory, path));
  std::lock_guard lock(state_->mutex);
  return state_->disk->RemoveDirectory(path);
}

Result<bool> SimFileSystem::Exists(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kStat, path));
  std::lock_guard lock(state_->mutex);
  return state_->disk->Find(path).ok();
}

Result<uint64_t> SimFileSystem::FileSize(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kStat, path));
  std::lock_guard lock(state_->mutex);
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr node, state_->disk->Find(path));
  return static_cast<uint64_t>(node->content.current().size());
}

Result<Bytes> SimFileSystem::FileIdentity(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kStat, path));
  std::lock_guard lock(state_->mutex);
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr node, state_->disk->Find(path));
  Bytes identity;
  PutFixed64(&identity, node->serial);
  PutFixed64(&identity, 0);
  return identity;
}

Result<SpaceInfo> SimFileSystem::Space(const std::string& path) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kStat, path));
  std::lock_guard lock(state_->mutex);
  KVFS_RETURN_IF_ERROR(state_->disk->Find(path).status());
  const uint64_t total = std::min(state_->capacity, kReportedCapacity);
  const uint64_t used = state_->disk->UsedBytes();
  return SpaceInfo{.total_bytes = total, .available_bytes = total - std::min(used, total)};
}

Result<std::unique_ptr<FileLock>> SimFileSystem::LockFile(const std::string& path,
                                                          ByteView holder) {
  KVFS_RETURN_IF_ERROR(state_->Begin(OpKind::kLock, path));
  std::lock_guard lock(state_->mutex);
  SimDisk& disk = *state_->disk;
  auto node = disk.Find(path).ok() ? disk.FindFile(path) : disk.CreateFile(path);
  KVFS_RETURN_IF_ERROR(node.status());
  if ((*node)->locked) {
    return Status::Busy(path + ": locked by " + (*node)->content.current());
  }
  (*node)->content.Truncate(0);
  (*node)->content.Write(0, holder);
  return NewSimFileLock(state_, *node);
}

void SimFileSystem::Crash(Random& random, CrashMode mode) {
  std::lock_guard lock(state_->mutex);
  ++state_->boot;
  state_->faults.Clear();
  switch (mode) {
    case CrashMode::kProcessDeath:
      state_->disk->CloseAll();
      break;
    case CrashMode::kPowerLoss:
      state_->disk->LosePower(random, nullptr);
      break;
    case CrashMode::kPowerLossMinimum: {
      const Survival nothing = Survival::kNothing;
      state_->disk->LosePower(random, &nothing);
      break;
    }
  }
}

std::unique_ptr<SimFileSystem> SimFileSystem::Clone() const {
  auto copy = std::make_unique<SimFileSystem>();
  std::lock_guard lock(state_->mutex);
  copy->state_->disk = state_->disk->Clone();
  copy->state_->capacity = state_->capacity;
  return copy;
}

void SimFileSystem::Inject(SimFault fault) {
  std::lock_guard lock(state_->mutex);
  state_->faults.Inject(std::move(fault));
}

void SimFileSystem::PowerOffAt(uint64_t nth_mutating) {
  std::lock_guard lock(state_->mutex);
  state_->faults.PowerOffAt(nth_mutating);
}

void SimFileSystem::PowerOff() {
  std::lock_guard lock(state_->mutex);
  state_->faults.PowerOff();
}

bool SimFileSystem::IsOff() const {
  std::lock_guard lock(state_->mutex);
  return state_->faults.IsOff();
}

void SimFileSystem::ClearFaults() {
  std::lock_guard lock(state_->mutex);
  state_->faults.Clear();
}

uint64_t SimFileSystem::OperationCount(OpKinds kinds) const {
  std::lock_guard lock(state_->mutex);
  return state_->faults.Count(kinds);
}

void SimFileSystem::SetTrace(Trace trace) {
  std::lock_guard lock(state_->mutex);
  state_->trace = trace ? std::make_shared<const Trace>(std::move(trace)) : nullptr;
}

void SimFileSystem::SetCapacity(uint64_t bytes) {
  std::lock_guard lock(state_->mutex);
  state_->capacity = bytes;
}

uint64_t SimFileSystem::UsedBytes() const {
  std::lock_guard lock(state_->mutex);
  return state_->disk->UsedBytes();
}

void SimFileSystem::FlipBits(const std::string& path, uint64_t offset, unsigned char mask) {
  std::lock_guard lock(state_->mutex);
  auto node = state_->disk->FindFile(path);
  assert(node.ok() && offset < (*node)->content.current().size());
  (*node)->content.FlipBits(offset, mask);
}

}  // namespace kvfs::env::sim
