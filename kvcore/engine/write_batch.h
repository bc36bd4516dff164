// WriteBatch: what is applied together, or not at all. A value in memory, owned
// by the caller, no synchronisation. Its encoding (doc/formats/batch.md) goes into the
// payload of a log record; BatchReader decodes it. Keys of at most kMaxUserKeyBytes and
// values of at most kMaxValueBytes (internal_key.h).
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
  // The same where the caller knows that the key holds this blob: its garbage is counted at once.
  void DeleteBlob(ByteView key, const BlobPointer& pointer);

  uint32_t Count() const { return count_; }
  size_t ByteSize() const { return rep_.size(); }
  bool Empty() const { return count_ == 0; }
  // Whether it refers to values in blob files.
  bool PutsBlobs() const { return puts_blobs_; }
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
  bool puts_blobs_ = false;
  bool may_use_reserve_ = false;
};

}  // namespace kvfs::engine
