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

  bool Valid() const { return valid_; }
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(ByteView internal_key) = 0;         // the first key >= it
  virtual void SeekForPrev(ByteView internal_key) = 0;  // the last key <= it
  virtual void Next() = 0;                              // REQUIRES: Valid()
  virtual void Prev() = 0;                              // REQUIRES: Valid()
  // Valid until the next move. REQUIRES: Valid(). key() is always well-formed (IsInternalKey).
  ByteView key() const { return key_; }
  ByteView value() const { return value_; }
  // Not OK once something could not be read; Valid() is false from then on.
  virtual Status status() const = 0;

 protected:
  // To be called at the end of every move. What is shown is kept here, so that those who walk over
  // a tower of iterators go through it once for each move, not for each look.
  void Show(ByteView key, ByteView value) {
    key_ = key;
    value_ = value;
    valid_ = true;
  }
  void ShowNothing() { valid_ = false; }
  void ShowWhatIsAt(const InternalIterator& other) {
    key_ = other.key_;
    value_ = other.value_;
    valid_ = other.valid_;
  }

 private:
  ByteView key_;
  ByteView value_;
  bool valid_ = false;
};

// Over nothing, with `status` as its status.
std::unique_ptr<InternalIterator> NewEmptyIterator(Status status = {});

}  // namespace kvfs::engine
