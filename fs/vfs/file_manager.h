// FileManager: the bytes of regular files. Buffers writes in the daemon, publishes
// them, and reads through the buffers.
//
// Owned by the Vfs; thread-safe; per-inode state is created by the first open or
// write and dropped when clean and closed. One inode's changes are serialised by an
// AsyncMutex; different inodes run in parallel. Buffered bytes are bounded by
// Options::write_buffer_bytes over all inodes; over the bound, and after
// Options::max_dirty_micros, the oldest are published in the background.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fs/meta/conflict_resolver.h"
#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::fs {

// Bytes of a read, without copying what is cached: pieces in order, holes as zeros.
struct ReadPiece {
  std::shared_ptr<const Bytes> buffer;  // null: `size` zero bytes
  size_t offset = 0;
  size_t size = 0;
};
using ReadPieces = std::vector<ReadPiece>;

struct FileManagerOptions {
  uint64_t write_buffer_bytes = 64u << 20;  // over all files; 1 MiB .. 16 GiB
  int64_t max_dirty_micros = 5'000'000;     // 100 ms .. 60 s
  uint64_t chunk_cache_bytes = 64u << 20;   // decompressed chunks; 1 MiB .. 1 TiB
  uint32_t read_ahead_chunks = 4;           // 0 .. 64
  // Overlay blocks after which a chunk folds; 1 .. 32. Of the 32 blocks of a chunk 31 means: once
  // it is written over whole (doc/content.md has what was measured).
  uint32_t fold_blocks = 31;
  // Where the overlay of a file is no larger than this, no chunk folds for its number of blocks:
  // what is so small and written so often, a database's log, is soon written over again. 0 .. 1
  // GiB.
  uint64_t unfolded_bytes = 8u << 20;
  // Overlays of files that have not been written for so long fold too; 1 s .. 1 day.
  int64_t fold_after_micros = 600'000'000;
  // With other mounts, which may lock files, and may write while parted from this one
  // (NamespaceOptions::is_shared). So each publish
  // marks the content (conflict.h: ContentMark), and none leaves overlay blocks: those of two sides
  // would mix.
  bool is_shared = false;
};

// One open(2) of a file; write-back errors are told to each handle once (errseq).
using FileHandle = uint64_t;

class FileManager {
 public:
  virtual ~FileManager() = default;

  static std::unique_ptr<FileManager> Create(const FileManagerOptions& options,
                                             client::Client* client, env::Env env);

  // Counts a handle. Where O_TRUNC is set the kernel, or the caller, truncates.
  virtual Task<FsResult<FileHandle>> Open(InodeRef ref) = 0;
  // Drops the handle; the inode may be forgotten once clean.
  virtual Task<Errno> Release(InodeRef ref, FileHandle handle) = 0;
  virtual bool IsOpen(Ino ino) const = 0;

  virtual Task<FsResult<ReadPieces>> Read(InodeRef ref, uint64_t offset, uint64_t size) = 0;
  // Buffers the bytes (one write is never split over two publishes). ENOSPC, EFBIG, EDQUOT, EIO.
  // `append`: at the end of the file, wherever it is now. The new offset after the bytes.
  virtual Task<FsResult<uint64_t>> Write(InodeRef ref, uint64_t offset, Bytes data,
                                         bool append) = 0;
  // close(2): what is buffered is published, in the kernel (survives the daemon). Cheap when clean.
  virtual Task<Errno> Flush(InodeRef ref, FileHandle handle) = 0;
  // fsync(2): published and durable.
  virtual Task<Errno> Fsync(InodeRef ref, FileHandle handle) = 0;

  virtual Task<FsResult<Attr>> Truncate(InodeRef ref, uint64_t size) = 0;
  // `mode`: FALLOC_FL_* of fallocate(2).
  virtual Task<Errno> Fallocate(InodeRef ref, int mode, uint64_t offset, uint64_t size) = 0;
  // SEEK_DATA or SEEK_HOLE. ENXIO past the end.
  virtual Task<FsResult<uint64_t>> Seek(InodeRef ref, uint64_t offset, int whence) = 0;
  // Shares whole chunks where both ranges are aligned, copies the rest. Bytes copied.
  virtual Task<FsResult<uint64_t>> CopyRange(InodeRef from, uint64_t from_offset, InodeRef to,
                                             uint64_t to_offset, uint64_t size) = 0;

  // Others may write to the store: has what is remembered of the file, if anything is, be what the
  // store says now. What is buffered stays, over that. The answer: whether the kernel may hold
  // pages of older content. Then it is to be told, and after that PagesDropped is called with the
  // number.
  virtual Task<FsResult<std::optional<uint64_t>>> Refresh(InodeRef ref) = 0;
  virtual void PagesDropped(Ino ino, uint64_t number) = 0;
  // Of files that are remembered: those born in `home`, or all.
  virtual std::vector<InodeRef> Remembered(std::optional<Ino> home) const = 0;

  // Puts what is buffered (size, times) over attributes read from the store.
  // `released_before`: ReleasedCount() from before the attributes were read.
  virtual void Overlay(Attr* attr, uint64_t released_before) const = 0;
  // How many files have been closed for good and are known from the store alone since then.
  virtual uint64_t ReleasedCount() const = 0;
  // Publishes what is buffered of one inode, so that its record says it all (before setattr of
  // times).
  virtual Task<Errno> Publish(InodeRef ref) = 0;

  // The last link is gone and no handle is open: gives the chunks back. Also called by the
  // reclaimer for orphans found in the work index.
  virtual Task<Errno> ReclaimOrphan(InodeRef ref) = 0;
  // Orphans for which `is_held` says true are left alone by RunDueWork, as are open ones: somebody
  // may yet open them. To be set before the first call.
  virtual void SetHeld(std::function<bool(Ino)> is_held) = 0;
  // Who does the lines of the work index that are none of files: as ConflictResolver::RunLine. To
  // be set before the first call.
  using LineRunner = std::function<Task<FsResult<bool>>(client::WorkItem)>;
  virtual void SetLineRunner(LineRunner run) = 0;
  // Resolves what is met with several siblings. Borrowed; to be set before the first call.
  virtual void SetConflictHandler(ConflictHandler* handler) = 0;
  // For the resolver of conflicts.
  virtual ContentKeeper* contents() = 0;
  // Runs the work index: orphans, dropped chunks, folds. Bounded work per call; true if more is
  // due.
  virtual Task<FsResult<bool>> RunDueWork() = 0;

  // Publishes everything; with `sync` makes it durable. For umount and SIGTERM.
  virtual Task<Errno> Drain(bool sync) = 0;

  struct Stats {
    uint64_t dirty_bytes = 0, cached_bytes = 0, open_files = 0, tracked_inodes = 0;
    uint64_t cache_hits = 0, cache_misses = 0;
  };
  virtual Stats GetStats() const = 0;
  // Of one inode: bytes buffered and not yet published.
  virtual uint64_t DirtyBytes(Ino ino) const = 0;
};

}  // namespace kvfs::fs
