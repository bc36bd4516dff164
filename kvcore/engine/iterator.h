// Iterator: an ordered walk over keys of one moment. Used by one thread at a time;
// pins what it reads until destroyed, and must be destroyed before its Db.
// key() and value() are valid until the next move.
#pragma once

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::engine {

class Iterator {
 public:
  virtual ~Iterator() = default;

  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(ByteView target) = 0;         // the first key >= target
  virtual void SeekForPrev(ByteView target) = 0;  // the last key <= target
  virtual void Next() = 0;                        // REQUIRES: Valid()
  virtual void Prev() = 0;                        // REQUIRES: Valid()
  virtual ByteView key() const = 0;               // REQUIRES: Valid()
  // REQUIRES: Valid(). A blob is read when first asked for; if that fails the value is empty and
  // Valid() false. key(), value() and Next() or Prev(), which then do nothing, may still be called,
  // so that a loop need not look between them; status() tells afterwards.
  virtual ByteView value() const = 0;
  // Not OK once anything could not be read; Valid() is false then.
  virtual Status status() const = 0;
};

}  // namespace kvfs::engine
