// WriteBatch: what is applied together, or not at all. A value in memory, owned
// by the caller, no synchronisation. Its encoding (doc/formats/log.md) is the
// payload of a log record.
#pragma once

#include <cstdint>

#include "kvcore/base/bytes.h"
#include "kvcore/engine/blob_pointer.h"

namespace kvfs::engine {

class WriteBatch {
 public:
  void Put(ByteView key, ByteView value);
  // Refers to a value that Db::PutBlob has written.
  void PutBlob(ByteView key, const BlobPointer& pointer);
  void Delete(ByteView key);

  uint32_t Count() const { return count_; }
  size_t ByteSize() const { return rep_.size(); }
  bool Empty() const { return count_ == 0; }
  // True while it holds nothing but deletes: such a batch is taken on a full disk.
  bool OnlyDeletes() const { return only_deletes_; }
  // Lets a batch that frees space use the reserve although it also puts small records
  // (an unlink rewrites the directory's times).
  void AllowReserve() { may_use_reserve_ = true; }
  bool MayUseReserve() const { return may_use_reserve_ || only_deletes_; }
  void Clear();

  const Bytes& Encoded() const { return rep_; }

 private:
  Bytes rep_;
  uint32_t count_ = 0;
  bool only_deletes_ = true;
  bool may_use_reserve_ = false;
};

}  // namespace kvfs::engine
