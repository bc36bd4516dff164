// TableBuilder: writes one table file (table_format.h), entry by entry in order.
// Owned by a flush or compaction task; one thread. It neither syncs nor closes the
// file, and the file is garbage unless Finish returned OK.
#pragma once

#include <cstdint>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/block_builder.h"
#include "kvcore/engine/bloom_filter.h"
#include "kvcore/engine/options.h"
#include "kvcore/engine/table_format.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class TableBuilder {
 public:
  // `file` is empty and outlives the builder.
  TableBuilder(const Options& options, uint64_t file_number, env::WritableFile* file);

  // REQUIRES: keys ascend strictly; a kBlobPointer's value is one. Errors are final.
  Status Add(ByteView internal_key, ByteView value);

  // Writes the rest. REQUIRES: at least one entry.
  Result<TableProperties> Finish();

  uint64_t EntryCount() const { return properties_.Entries(); }
  uint64_t WrittenBytes() const { return written_; }
  // What is built so far, nearly what the file would measure if finished now; exact after Finish.
  uint64_t FileSize() const { return offset_ + (data_.Empty() ? 0 : data_.SizeEstimate()); }

 private:
  void FlushBlock();
  BlockHandle AppendBlock(ByteView contents, bool compress);
  Status WriteOut(bool all);

  const Options options_;
  const uint64_t file_number_;
  env::WritableFile* const file_;
  BlockBuilder data_;
  BlockBuilder index_;
  BloomBuilder bloom_;
  PropertiesCollector properties_;
  Bytes pending_;           // built, not yet written
  uint64_t written_ = 0;    // bytes of the file written
  uint64_t offset_ = 0;     // written_ + pending_.size()
  BlockHandle last_block_;  // waits for its index entry, which needs the next key
  bool index_due_ = false;
  uint64_t data_bytes_ = 0;
  Status status_;
};

}  // namespace kvfs::engine
