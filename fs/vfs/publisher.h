// Publisher: brings a change of one file into the store in one commit, and the
// FileState up to date with it. Owned by the FileManager; thread-safe; the caller
// holds state->publishing.
#pragma once

#include <functional>

#include "fs/meta/namespace.h"
#include "fs/vfs/content_planner.h"

namespace kvfs::fs {

struct PublishOptions {
  std::optional<TimeSpec> mtime;  // and ctime
  bool sync = false;
  bool may_use_reserve = false;
  // Of somebody who has the file open: where the version that he has written has lost a conflict,
  // it goes to the copy of that version, so that no file is a mixture.
  bool of_writer = false;
};

class Publisher {
 public:
  // An overlay is folded when it has lain idle for `fold_after_micros`. `is_shared` as in
  // FileManagerOptions.
  Publisher(client::Client* client, env::Clock* clock, env::Scheduler* scheduler,
            ContentPlanner* planner, ChunkReader* chunks, int64_t fold_after_micros, bool is_shared)
      : client_(client),
        clock_(clock),
        scheduler_(scheduler),
        planner_(planner),
        chunks_(chunks),
        fold_after_micros_(fold_after_micros),
        is_shared_(is_shared) {}

  void SetConflictHandler(ConflictHandler* handler) { conflicts_ = handler; }

  // Reads the record, if that has not been done. ESTALE: there is none.
  Task<Errno> Load(FileState* state);
  Task<Errno> Reload(FileState* state, Freshness freshness = Freshness::kNow);
  // The line of the work index for folding the file's overlay, if nothing is written from now on.
  client::WorkKey FoldWork(InodeRef ref) const;

  // `published` runs under state->mutex together with the switch to the new content: what was
  // buffered and what is published are never both missing. ESTALE: the inode is gone. ENOENT:
  // a chunk is.
  Task<Errno> Publish(FileState* state, const ContentChange* change, PublishOptions options,
                      std::function<void()> published);

 private:
  // kRetry: it changed meanwhile.
  Task<Errno> TryReload(FileState* state, Freshness freshness);
  // Where the writers of the file go on: null: in the file itself.
  Task<FsResult<std::shared_ptr<FileState>>> CopyFor(FileState* state);
  Task<Errno> Commit(FileState* state, ContentPlan* plan, const PublishOptions* options,
                     const std::function<void()>* published);
  void Take(FileState* state, LoadedInode inode, ContentPlan* plan);

  client::Client* const client_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  ContentPlanner* const planner_;
  ChunkReader* const chunks_;
  const int64_t fold_after_micros_;
  const bool is_shared_;
  ConflictHandler* conflicts_ = nullptr;
};

}  // namespace kvfs::fs
