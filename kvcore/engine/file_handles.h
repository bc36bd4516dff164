// TableFile and BlobFileHandle: the files a version holds. Shared by every version
// that names them; when the last one lets go of a file that was marked obsolete, its name
// goes to ObsoleteFiles, whose owner deletes it. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/engine/blob_cache.h"
#include "kvcore/engine/blob_file.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/version_edit.h"

namespace kvfs::engine {

// The files nobody needs any more, waiting to be deleted. Outlives all handles (shared_ptr).
class ObsoleteFiles {
 public:
  // `on_add` runs after each Add, on the adding thread, which may hold locks: it may only post.
  void SetListener(std::function<void()> on_add);
  void Add(FileName file);
  std::vector<FileName> Take();
  bool Empty() const;

 private:
  mutable std::mutex mutex_;
  std::vector<FileName> files_;
  std::function<void()> on_add_;
};

class TableFile {
 public:
  TableFile(TableMeta table_meta, std::shared_ptr<ObsoleteFiles> obsolete_files)
      : meta(std::move(table_meta)), obsolete_files_(std::move(obsolete_files)) {}
  ~TableFile();
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  // To be deleted once the last holder is gone.
  void MarkObsolete() { obsolete_.store(true, std::memory_order_relaxed); }

  const TableMeta meta;

 private:
  const std::shared_ptr<ObsoleteFiles> obsolete_files_;
  std::atomic<bool> obsolete_{false};
};

class BlobFileHandle {
 public:
  // `growing`: how to read a file that is being written; null for a finished one.
  BlobFileHandle(uint64_t physical, std::shared_ptr<const BlobFile> growing,
                 std::shared_ptr<ObsoleteFiles> obsolete_files)
      : physical_(physical),
        growing_(std::move(growing)),
        obsolete_files_(std::move(obsolete_files)) {}
  ~BlobFileHandle();
  BlobFileHandle(const BlobFileHandle&) = delete;
  BlobFileHandle& operator=(const BlobFileHandle&) = delete;

  Result<std::shared_ptr<const BlobFile>> Open(BlobFileCache* cache) const;
  void MarkObsolete() { obsolete_.store(true, std::memory_order_relaxed); }
  uint64_t physical() const { return physical_; }

 private:
  const uint64_t physical_;
  const std::shared_ptr<const BlobFile> growing_;
  const std::shared_ptr<ObsoleteFiles> obsolete_files_;
  std::atomic<bool> obsolete_{false};
};

}  // namespace kvfs::engine
