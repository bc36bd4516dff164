// The FileManager over a Client. Its parts lie in several files: file_manager.cc
// (handles, attributes), file_read.cc, file_write.cc, file_publish.cc (buffers to the
// store), file_change.cc (truncate, fallocate, copy), file_fold.cc, file_reclaim.cc.
#pragma once

#include "fs/vfs/background_work.h"
#include "fs/vfs/conflict_content.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/file_table.h"
#include "fs/vfs/publisher.h"
#include "fs/vfs/space_budget.h"

namespace kvfs::fs {

class FileManagerImpl final : public FileManager {
 public:
  FileManagerImpl(const FileManagerOptions& options, client::Client* client, env::Env env);

  Task<FsResult<FileHandle>> Open(InodeRef ref) override;
  Task<Errno> Release(InodeRef ref, FileHandle handle) override;
  bool IsOpen(Ino ino) const override;
  Task<FsResult<ReadPieces>> Read(InodeRef ref, uint64_t offset, uint64_t size) override;
  Task<FsResult<uint64_t>> Write(InodeRef ref, uint64_t offset, Bytes data, bool append) override;
  Task<Errno> Flush(InodeRef ref, FileHandle handle) override;
  Task<Errno> Fsync(InodeRef ref, FileHandle handle) override;
  Task<FsResult<Attr>> Truncate(InodeRef ref, uint64_t size) override;
  Task<Errno> Fallocate(InodeRef ref, int mode, uint64_t offset, uint64_t size) override;
  Task<FsResult<uint64_t>> Seek(InodeRef ref, uint64_t offset, int whence) override;
  Task<FsResult<uint64_t>> CopyRange(InodeRef from, uint64_t from_offset, InodeRef to,
                                     uint64_t to_offset, uint64_t size) override;
  Task<FsResult<std::optional<uint64_t>>> Refresh(InodeRef ref) override;
  void PagesDropped(Ino ino, uint64_t number) override;
  std::vector<InodeRef> Remembered(std::optional<Ino> home) const override;
  void Overlay(Attr* attr, uint64_t released_before) const override;
  uint64_t ReleasedCount() const override { return files_.released(); }
  Task<Errno> Publish(InodeRef ref) override;
  Task<Errno> ReclaimOrphan(InodeRef ref) override;
  void SetHeld(std::function<bool(Ino)> is_held) override { is_held_ = std::move(is_held); }
  void SetLineRunner(LineRunner run) override { run_line_ = std::move(run); }
  void SetConflictHandler(ConflictHandler* handler) override {
    publisher_.SetConflictHandler(handler);
  }
  ContentKeeper* contents() override { return &keeper_; }
  Task<FsResult<bool>> RunDueWork() override;
  Task<Errno> Drain(bool sync) override;
  Stats GetStats() const override;
  uint64_t DirtyBytes(Ino ino) const override;

 private:
  using Pin = FileTable::Pin;
  using Guard = env::AsyncMutex::Guard;

  // A file whose record has been read.
  Task<FsResult<Pin>> AcquireLoaded(InodeRef ref);
  TimeSpec Now() const;

  // ---- reading
  Task<FsResult<ReadPieces>> TryRead(FileState* state, uint64_t offset, uint64_t size, bool whole);
  bool NoteRead(const Pin& pin, uint64_t offset, uint64_t end);
  Task<void> ReadAhead(Pin pin, uint64_t first, uint64_t count);
  Task<FsResult<uint64_t>> SeekPublished(FileState* state, uint64_t offset, int whence);

  // ---- writing
  // Publishes old buffers until `bytes` more fit into the bound.
  Task<Errno> MakeRoom(uint64_t bytes);
  // REQUIRES: ops held. Puts the bytes into the newest generation.
  void Buffer(const Pin& pin, uint64_t offset, ByteView data);

  // ---- publishing
  enum class Extent : uint8_t { kSealed, kAll };
  // Publishes what is buffered by now (or the sealed part of it), oldest first. Errors are noted
  // for the handles.
  Task<Errno> PublishDirty(FileState* state, Extent extent, bool sync);
  // The same with state->publishing held by the caller.
  Task<Errno> PublishDirtyLocked(FileState* state, Extent extent, bool sync, bool* synced);
  // The oldest generation, if there is one.
  Task<Errno> PublishOldest(FileState* state, bool sync);
  Task<Errno> PublishOldestLocked(FileState* state, bool sync);
  Task<void> PublishSealed(Pin pin);
  void DiscardDirty(FileState* state);
  void UpdateDirtyMark(FileState* state);
  void PostPublish(const Pin& pin);
  void ArmAgeTimer();
  Task<void> PublishAged();
  Errno TakeError(FileState* state, FileHandle handle, Errno direct);

  // ---- changing
  Task<Errno> ChangeContent(FileState* state, ContentChange change, bool frees_space);
  Task<Errno> EraseRange(FileState* state, uint64_t begin, uint64_t end);
  Task<Errno> ShareChunks(FileState* from, FileState* to, uint64_t from_chunk, uint64_t to_chunk,
                          uint64_t count, uint64_t to_end);
  Task<FsResult<uint64_t>> CopyBytes(const Pin& from, const Pin& to, uint64_t from_offset,
                                     uint64_t to_offset, uint64_t size);

  // ---- reclaiming
  // True: deleted, together with its line of the work index. EBUSY: somebody has it open.
  Task<FsResult<bool>> TryReclaim(InodeRef ref);
  Task<FsResult<bool>> DeleteOrphan(FileState* state);
  Task<FsResult<bool>> EraseItems(LoadedInode inode, std::vector<client::ChunkDrop> drops,
                                  std::vector<client::Write> blocks);
  Task<Errno> EraseWork(InodeRef ref, client::WorkKey key);
  // The homes of which it is known, during one call of RunDueWork, whether they are whole.
  struct Wholeness {
    std::map<Ino, bool> known;
    int not_whole = 0;
  };
  Task<bool> IsWhole(Ino home, Wholeness* wholeness);
  Task<FsResult<bool>> DoLine(const client::WorkItem* line, Wholeness* wholeness);
  Task<FsResult<bool>> DoWork(InodeRef ref, client::WorkKey key);

  // ---- folding (file_fold.cc)
  // Folds the overlay of a file that has lain idle, and takes its line of the work index away; else
  // puts the line off.
  Task<Errno> FoldIdle(InodeRef ref, client::WorkKey key);
  Task<Errno> FoldAll(FileState* state);
  bool IsHeld(Ino ino) const;

  const FileManagerOptions options_;
  client::Client* const client_;
  const env::Env env_;
  const uint64_t generation_bytes_;  // at which a generation is sealed
  ChunkReader chunks_;
  ContentReader reader_;
  ContentPlanner planner_;
  Publisher publisher_;
  ConflictContent keeper_;
  std::function<bool(Ino)> is_held_;
  LineRunner run_line_;
  FileTable files_;
  SpaceBudget space_;
  std::atomic<FileHandle> next_handle_{1};
  std::atomic<uint64_t> open_handles_{0};
  std::atomic<bool> timer_armed_{false};
  BackgroundWork background_;  // last: goes first
};

}  // namespace kvfs::fs
