// FileTable: the FileStates in use, by inode, and which of them are dirty, by age.
// A Pin keeps a state; the state of a clean file goes with its last Pin. Open handles
// and buffered bytes are Pins too. Owned by the FileManager. Thread-safe; its mutexes
// are innermost.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/vfs/file_state.h"

namespace kvfs::fs {

class FileTable {
 public:
  class Pin {
   public:
    Pin() = default;
    Pin(FileTable* table, FileState* state) : table_(table), state_(state) {}
    Pin(Pin&& other) noexcept
        : table_(other.table_), state_(std::exchange(other.state_, nullptr)) {}
    Pin& operator=(Pin&& other) noexcept {
      Release();
      table_ = other.table_;
      state_ = std::exchange(other.state_, nullptr);
      return *this;
    }
    ~Pin() { Release(); }

    explicit operator bool() const { return state_ != nullptr; }
    FileState* get() const { return state_; }
    FileState* operator->() const { return state_; }
    FileState& operator*() const { return *state_; }
    Pin Again() const { return table_->PinAgain(state_); }
    // Lets the state stay pinned until somebody adopts the pin.
    void Leave() { state_ = nullptr; }
    void Release() {
      if (state_ != nullptr) {
        table_->Unpin(std::exchange(state_, nullptr));
      }
    }

   private:
    FileTable* table_ = nullptr;
    FileState* state_ = nullptr;
  };

  explicit FileTable(env::Scheduler* scheduler) : scheduler_(scheduler) {}

  Pin Acquire(InodeRef ref);                                // made if it is not there
  Pin Find(Ino ino) const;                                  // empty if it is not there
  Pin Adopt(FileState* state) { return Pin(this, state); }  // a pin that was left
  uint64_t size() const;
  // How many states were dropped.
  uint64_t released() const { return released_.load(std::memory_order_acquire); }

  // Tells that the file is dirty since then, or (nothing) clean.
  void SetDirty(FileState* state, std::optional<int64_t> since_micros);
  // Dirty files, the one dirty longest first; those that became so after `until_micros` left out.
  std::vector<Pin> Dirty(int64_t until_micros) const;
  bool HasDirty() const;
  // All that are there.
  std::vector<InodeRef> All() const;

  // Buffered bytes of all files.
  std::atomic<int64_t> dirty_bytes{0};

 private:
  struct Slot {
    std::unique_ptr<FileState> state;
    uint64_t pins = 0;
  };

  Pin PinAgain(FileState* state) const;
  void Unpin(FileState* state);

  env::Scheduler* const scheduler_;
  mutable std::mutex mutex_;  // guards slots_
  mutable std::unordered_map<Ino, Slot> slots_;
  mutable std::mutex dirty_mutex_;  // guards the two below; before mutex_
  std::map<std::pair<int64_t, Ino>, Pin> by_age_;
  std::unordered_map<Ino, int64_t> dirty_since_;
  std::atomic<uint64_t> released_{0};
};

}  // namespace kvfs::fs
