// BlobRewrite: copies the records of a finished blob file that are still needed into a
// new physical file under the same logical number, in steps of bounded size. Owned by the
// Db's background turn; its result is an edit. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/engine/blob_file.h"
#include "kvcore/engine/blob_writer.h"
#include "kvcore/engine/version_edit.h"
#include "kvcore/env/env.h"

namespace kvfs::engine {

class BlobRewrite {
 public:
  // `needed`: ordinals of `from` to keep; others may only become unneeded meanwhile.
  static Result<std::unique_ptr<BlobRewrite>> Start(const env::Env& env,
                                                    const std::string& directory,
                                                    std::shared_ptr<const BlobFile> from,
                                                    OrdinalSet needed, uint64_t new_physical);
  ~BlobRewrite();

  // Copies about `budget` bytes; true when the new file is whole and durable but for its name.
  Result<bool> Step(uint64_t budget);

  VersionEdit& edit() { return edit_; }
  uint64_t bytes_written() const { return writer_->Size(); }
  // The edit has been handed to Apply: the new file is no longer this object's to remove.
  void Release() { released_ = true; }

 private:
  BlobRewrite(const env::Env& env, std::string path, std::shared_ptr<const BlobFile> from,
              OrdinalSet needed);

  const env::Env env_;
  const std::string path_;
  const std::shared_ptr<const BlobFile> from_;
  const OrdinalSet needed_;
  std::vector<BlobIndex::Entry> entries_;
  size_t next_ = 0;
  uint64_t record_bytes_ = 0;
  std::unique_ptr<BlobFileWriter> writer_;
  uint64_t writeback_end_ = 0;  // write-out has begun up to here
  VersionEdit edit_;
  bool released_ = false;
};

}  // namespace kvfs::engine
