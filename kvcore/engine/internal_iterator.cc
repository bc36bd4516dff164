#include "kvcore/engine/internal_iterator.h"

#include <cassert>
#include <utility>

namespace kvfs::engine {

namespace {

class EmptyIterator final : public InternalIterator {
 public:
  explicit EmptyIterator(Status status) : status_(std::move(status)) {}

  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(ByteView) override {}
  void SeekForPrev(ByteView) override {}
  void Next() override { assert(false); }
  void Prev() override { assert(false); }
  Status status() const override { return status_; }

 private:
  const Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewEmptyIterator(Status status) {
  return std::make_unique<EmptyIterator>(std::move(status));
}

}  // namespace kvfs::engine
