// FileState: what the daemon knows of one regular file that is open, dirty or being
// worked on: its record, its content, what is written and not published.
//
// Owned by the FileTable, kept alive by Pins. Lock order: ops, publishing, mutex.
//   ops         one change at a time: write, truncate, fallocate, copy, reclaim
//   publishing  one commit at a time; who holds it may change `inode` and `content`
//   mutex       guards the fields; never held over a wait
// A read takes only `mutex`: it copies what is buffered, keeps a Snapshot of the rest, and
// starts again if the content moved under it where that matters.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "fs/chunk/content.h"
#include "fs/chunk/overlay.h"
#include "fs/meta/conflict.h"
#include "fs/meta/inode_store.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/write_buffer.h"
#include "kvcore/env/async_mutex.h"

namespace kvfs::fs {

// Writes that are published together, in one commit. The newest one takes writes until it is
// sealed: when it is large enough, or when it is being published.
struct Generation {
  explicit Generation(uint32_t chunk_bytes) : buffer(chunk_bytes) {}

  WriteBuffer buffer;
  TimeSpec mtime;  // of the last write
  int64_t since_micros = 0;
  uint64_t number = 0;
  bool sealed = false;
};

// One published version of the content.
struct Snapshot {
  InodeRef ref;
  std::shared_ptr<const Content> content;
  std::shared_ptr<const Bytes> inline_bytes;  // while the content is inline
  uint64_t sequence = 0;
};

struct FileState {
  FileState(InodeRef file, env::Scheduler* scheduler)
      : ref(file), ops(scheduler), publishing(scheduler) {}

  // REQUIRES: mutex held.
  Snapshot TakeSnapshot() const { return {ref, content, inline_bytes, sequence}; }
  uint64_t EffectiveSize() const {
    return dirty.empty() ? content->size : std::max(content->size, dirty_end);
  }
  void SetError(Errno error) {
    last_error = error;
    ++error_sequence;
  }

  // REQUIRES: mutex held. Whoever opens it now goes on from what it is.
  void ForgetWriting() {
    written_here = false;
    lost.reset();
    copy.reset();
  }

  const InodeRef ref;
  env::AsyncMutex ops;
  env::AsyncMutex publishing;

  mutable std::mutex mutex;
  bool loaded = false;  // then `inode` and `content` are set
  bool gone = false;    // the inode has been reclaimed
  LoadedInode inode;
  std::shared_ptr<const Content> content;
  std::shared_ptr<const Bytes> inline_bytes;
  uint64_t sequence = 0;  // counts the changes of `content` and of overlay blocks
  OverlayIndex overlay;
  // Counts the changes by others, and up to which of them the kernel holds no pages from before.
  uint64_t foreign_changes = 0;
  uint64_t pages_since = 0;

  // The content was published here while `handles` had it open. If it has lost a conflict since,
  // this is it, and they go on writing its copy.
  bool written_here = false;
  std::optional<LostContent> lost;
  std::shared_ptr<FileState> copy;  // once it is known

  std::deque<std::shared_ptr<Generation>> dirty;  // oldest first
  uint64_t dirty_end = 0;                         // just after the last byte of all of them
  uint64_t next_generation = 1;
  TimeSpec last_write;
  bool background_publish = false;  // one is posted or runs

  // errseq: how many errors of write-back there were, and how many each handle was told of.
  uint64_t error_sequence = 0;
  Errno last_error;
  std::map<FileHandle, uint64_t> handles;

  // Reading in order, for read-ahead.
  uint64_t next_read = 0;
  uint32_t reads_in_order = 0;
  uint64_t fetched_up_to = 0;  // chunk
};

}  // namespace kvfs::fs
