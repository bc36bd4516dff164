// InternalIterator: an ordered walk, both ways, over internal keys (internal_key.h)
// of one source: a memtable, a block, a table, or several merged. Every entry is
// seen, deletes and superseded ones included. Used by one thread at a time; its
// source must outlive it unless the maker says otherwise. A key to seek must not point into
// what the iterator itself has shown: it may move.
#pragma once

#include <memory>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::engine {

class InternalIterator {
 public:
  virtual ~InternalIterator() = default;

  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(ByteView internal_key) = 0;         // the first key >= it
  virtual void SeekForPrev(ByteView internal_key) = 0;  // the last key <= it
  virtual void Next() = 0;                              // REQUIRES: Valid()
  virtual void Prev() = 0;                              // REQUIRES: Valid()
  // Valid until the next move. REQUIRES: Valid(). key() is always well-formed (IsInternalKey).
  virtual ByteView key() const = 0;
  virtual ByteView value() const = 0;
  // Not OK once something could not be read; Valid() is false from then on.
  virtual Status status() const = 0;
};

// Over nothing, with `status` as its status.
std::unique_ptr<InternalIterator> NewEmptyIterator(Status status = {});

}  // namespace kvfs::engine
