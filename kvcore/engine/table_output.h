// TableOutput: one table file being written by a flush or compaction: file and
// builder together. Finish makes its bytes durable (not its name). Unless Finish
// returned OK the file is removed again when this is destroyed. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kvcore/base/status.h"
#include "kvcore/engine/options.h"
#include "kvcore/engine/table_builder.h"
#include "kvcore/engine/version_edit.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class TableOutput {
 public:
  static Result<std::unique_ptr<TableOutput>> Create(env::FileSystem* files,
                                                     const std::string& directory,
                                                     const Options& options, uint64_t number);
  ~TableOutput();

  Status Add(ByteView internal_key, ByteView value);
  uint64_t FileSize() const { return builder_->FileSize(); }
  uint64_t EntryCount() const { return builder_->EntryCount(); }
  uint64_t number() const { return number_; }
  Result<TableMeta> Finish();

 private:
  TableOutput(env::FileSystem* files, std::string path, uint64_t number,
              std::unique_ptr<env::WritableFile> file);

  env::FileSystem* const files_;
  const std::string path_;
  const uint64_t number_;
  std::unique_ptr<env::WritableFile> file_;
  std::unique_ptr<TableBuilder> builder_;
  uint64_t hidden_bytes_ = 0;
  uint64_t writeback_end_ = 0;  // write-out has begun up to here
  bool finished_ = false;
};

}  // namespace kvfs::engine
