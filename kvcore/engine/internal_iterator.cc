#include "kvcore/engine/internal_iterator.h"

#include "kvcore/engine/failed_iterator.h"

namespace kvfs::engine {

std::unique_ptr<InternalIterator> NewEmptyIterator(Status status) {
  return std::make_unique<FailedIterator<InternalIterator>>(std::move(status));
}

}  // namespace kvfs::engine
