// Publisher: brings a change of one file into the store in one commit, and the
// FileState up to date with it. Owned by the FileManager; thread-safe; the caller
// holds state->publishing.
#pragma once

#include <functional>

#include "fs/vfs/content_planner.h"

namespace kvfs::fs {

struct PublishOptions {
  std::optional<TimeSpec> mtime;  // and ctime
  bool sync = false;
  bool may_use_reserve = false;
};

class Publisher {
 public:
  Publisher(client::Client* client, ContentPlanner* planner, ChunkReader* chunks)
      : client_(client), planner_(planner), chunks_(chunks) {}

  // Reads the record, if that has not been done. ESTALE: there is none.
  Task<Errno> Load(FileState* state);
  Task<Errno> Reload(FileState* state);

  // `published` runs under state->mutex together with the switch to the new content: what was
  // buffered and what is published are never both missing. ESTALE: the inode is gone. ENOENT:
  // a chunk is.
  Task<Errno> Publish(FileState* state, const ContentChange* change, PublishOptions options,
                      std::function<void()> published);

 private:
  Task<Errno> Commit(FileState* state, ContentPlan* plan, const PublishOptions* options,
                     const std::function<void()>* published);
  void Take(FileState* state, LoadedInode inode, ContentPlan* plan);

  client::Client* const client_;
  ContentPlanner* const planner_;
  ChunkReader* const chunks_;
};

}  // namespace kvfs::fs
