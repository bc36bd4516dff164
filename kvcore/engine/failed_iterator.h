// FailedIterator: an iterator over nothing, with the status that says why. `Base` is
// Iterator or InternalIterator, which have the same face.
#pragma once

#include <cassert>
#include <utility>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::engine {

template <typename Base>
class FailedIterator final : public Base {
 public:
  explicit FailedIterator(Status status) : status_(std::move(status)) {}

  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(ByteView) override {}
  void SeekForPrev(ByteView) override {}
  void Next() override { assert(false); }
  void Prev() override { assert(false); }
  ByteView key() const override { return {}; }
  ByteView value() const override { return {}; }
  Status status() const override { return status_; }

 private:
  const Status status_;
};

}  // namespace kvfs::engine
