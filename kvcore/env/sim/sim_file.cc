// The open files and locks of SimFileSystem.
#include <algorithm>
#include <cstring>
#include <utility>

#include "kvcore/env/sim/sim_file_state.h"

namespace kvfs::env::sim {
namespace {

class SimWritableFile final : public WritableFile {
 public:
  SimWritableFile(std::shared_ptr<SimFileSystem::State> state, SimNodePtr node, std::string path)
      : handle_(std::move(state), std::move(node), std::move(path)) {}

  Status WriteAt(uint64_t offset, ByteView data) override {
    SimNode& node = handle_.node();
    KVFS_RETURN_IF_ERROR(handle_.Begin(OpKind::kWrite, offset, data.size(), [&] {
      node.content.Write(offset, data.substr(0, Room(offset, data.size() / 2)));
    }));
    std::lock_guard lock(handle_.state().mutex);
    const uint64_t room = Room(offset, data.size());
    node.content.Write(offset, data.substr(0, room));
    return room == data.size() ? Status() : NoSpace();
  }

  Status Sync() override {
    KVFS_RETURN_IF_ERROR(
        handle_.Begin(OpKind::kSync, 0, 0, [&] { handle_.node().content.ForgetUnsynced(); }));
    std::lock_guard lock(handle_.state().mutex);
    handle_.node().content.Sync();
    return {};
  }

  // Unsynced bytes may survive a power loss anyway, so the hint changes nothing.
  void StartWriteback(uint64_t, uint64_t) override {}

  Status Reserve(uint64_t size) override {
    KVFS_RETURN_IF_ERROR(handle_.Begin(OpKind::kReserve, size, 0));
    std::lock_guard lock(handle_.state().mutex);
    SimNode& node = handle_.node();
    const uint64_t has = std::max<uint64_t>(node.reserved, node.content.current().size());
    if (size > has) {
      if (handle_.state().Fitting(size - has) < size - has) {
        return NoSpace();
      }
      node.reserved = size;
    }
    return {};
  }

  Status Truncate(uint64_t size) override {
    KVFS_RETURN_IF_ERROR(handle_.Begin(OpKind::kTruncate, size, 0));
    std::lock_guard lock(handle_.state().mutex);
    SimNode& node = handle_.node();
    if (Room(0, size) < size) {
      return NoSpace();
    }
    node.content.Truncate(size);
    node.reserved = std::min(node.reserved, size);
    return {};
  }

  Status Close() override {
    if (!handle_.IsOpen()) {
      return {};
    }
    KVFS_RETURN_IF_ERROR(handle_.Begin(OpKind::kClose, 0, 0));
    handle_.Close();
    return {};
  }

 private:
  Status NoSpace() const { return Status::NoSpace(handle_.path() + ": No space left on device"); }
  // How many of `size` bytes at `offset` the disk has room for.
  uint64_t Room(uint64_t offset, uint64_t size) const {
    const SimNode& node = handle_.node();
    const uint64_t has = std::max<uint64_t>(node.reserved, node.content.current().size());
    if (offset + size <= has) {
      return size;
    }
    const uint64_t end = has + handle_.state().Fitting(offset + size - has);
    return end <= offset ? 0 : std::min(size, end - offset);
  }

  SimHandle handle_;
};

class SimRandomAccessFile final : public RandomAccessFile {
 public:
  SimRandomAccessFile(std::shared_ptr<SimFileSystem::State> state, SimNodePtr node,
                      std::string path)
      : handle_(std::move(state), std::move(node), std::move(path)) {}

  Status ReadAt(uint64_t offset, size_t size, Bytes* out) const override {
    out->clear();
    KVFS_RETURN_IF_ERROR(handle_.Begin(OpKind::kRead, offset, size));
    std::lock_guard lock(handle_.state().mutex);
    out->assign(Slice(offset, size));
    return {};
  }

  Result<size_t> ReadInto(uint64_t offset, size_t size, char* out) const override {
    KVFS_RETURN_IF_ERROR(handle_.Begin(OpKind::kRead, offset, size));
    std::lock_guard lock(handle_.state().mutex);
    const ByteView slice = Slice(offset, size);
    std::copy(slice.begin(), slice.end(), out);
    return slice.size();
  }

  Result<uint64_t> Size() const override {
    KVFS_RETURN_IF_ERROR(handle_.Begin(OpKind::kStat, 0, 0));
    std::lock_guard lock(handle_.state().mutex);
    return static_cast<uint64_t>(handle_.node().content.current().size());
  }

 private:
  ByteView Slice(uint64_t offset, size_t size) const {
    const ByteView all = handle_.node().content.current();
    return offset >= all.size() ? ByteView() : all.substr(offset, size);
  }

  SimHandle handle_;
};

class SimFileLock final : public FileLock {
 public:
  SimFileLock(std::shared_ptr<SimFileSystem::State> state, SimNodePtr node)
      : state_(std::move(state)), node_(std::move(node)), boot_(state_->boot) {
    node_->locked = true;
  }
  ~SimFileLock() override {
    std::lock_guard lock(state_->mutex);
    if (boot_ == state_->boot) {
      node_->locked = false;
    }
  }

 private:
  const std::shared_ptr<SimFileSystem::State> state_;
  const SimNodePtr node_;
  const uint64_t boot_;
};

}  // namespace

SimHandle::SimHandle(std::shared_ptr<SimFileSystem::State> state, SimNodePtr node, std::string path)
    : state_(std::move(state)),
      node_(std::move(node)),
      path_(std::move(path)),
      boot_(state_->boot) {
  ++node_->handles;
}

void SimHandle::Close() {
  std::lock_guard lock(state_->mutex);
  if (std::exchange(open_, false) && boot_ == state_->boot) {
    --node_->handles;
  }
}

Status SimHandle::CheckAlive() const {
  if (boot_ != state_->boot) {
    return Status::IoError(path_ + ": opened before the crash");
  }
  if (!open_) {
    return Status::IoError(path_ + ": Bad file descriptor");
  }
  return {};
}

std::unique_ptr<WritableFile> NewSimWritableFile(std::shared_ptr<SimFileSystem::State> state,
                                                 SimNodePtr node, std::string path) {
  return std::make_unique<SimWritableFile>(std::move(state), std::move(node), std::move(path));
}
std::unique_ptr<RandomAccessFile> NewSimRandomAccessFile(
    std::shared_ptr<SimFileSystem::State> state, SimNodePtr node, std::string path) {
  return std::make_unique<SimRandomAccessFile>(std::move(state), std::move(node), std::move(path));
}
std::unique_ptr<FileLock> NewSimFileLock(std::shared_ptr<SimFileSystem::State> state,
                                         SimNodePtr node) {
  return std::make_unique<SimFileLock>(std::move(state), std::move(node));
}

}  // namespace kvfs::env::sim
