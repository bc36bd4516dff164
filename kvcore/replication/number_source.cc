#include "kvcore/replication/number_source.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "kvcore/base/coding.h"

namespace kvfs::replication {

NumberSource::NumberSource(Options options, LocalStore* store, env::Scheduler* scheduler,
                           uint64_t reserved)
    : options_(std::move(options)),
      store_(store),
      reserving_(scheduler),
      next_(reserved),
      reserved_(reserved) {}

Result<std::unique_ptr<NumberSource>> NumberSource::Open(Options options, LocalStore* store,
                                                         env::Scheduler* scheduler) {
  assert(options.block >= 1 && options.first <= options.end);
  uint64_t reserved = options.first;
  auto stored = store->Get(options.key);
  if (stored.ok()) {
    ByteView in = *stored;
    if (!GetFixed64(&in, &reserved) || !in.empty() || reserved < options.first ||
        reserved > options.end) {
      return Status::Corruption("note of reserved numbers: malformed");
    }
  } else if (stored.status().code() != Code::kNotFound) {
    return stored.status();
  }
  return std::unique_ptr<NumberSource>(
      new NumberSource(std::move(options), store, scheduler, reserved));
}

bool NumberSource::TryTake(uint64_t count, uint64_t* first) {
  std::lock_guard lock(mutex_);
  if (reserved_ - next_ < count) {
    return false;
  }
  *first = next_;
  next_ += count;
  return true;
}

Result<Position> NumberSource::Record(uint64_t reserved) {
  StoreWrite write;
  write.key = options_.key;
  PutFixed64(&write.value, reserved);
  std::vector<StoreWrite> writes;
  writes.push_back(std::move(write));
  return store_->Apply(std::move(writes), {.will_sync = true, .may_use_reserve = true});
}

Task<Result<uint64_t>> NumberSource::Take(uint64_t count) {
  assert(count >= 1 && count <= options_.block);
  uint64_t first = 0;
  if (TryTake(count, &first)) {
    co_return first;
  }
  auto reserving = co_await reserving_.Lock();
  for (;;) {
    if (TryTake(count, &first)) {  // somebody else has reserved meanwhile
      co_return first;
    }
    // Only this coroutine moves `reserved_`.
    uint64_t from = 0;
    {
      std::lock_guard lock(mutex_);
      from = reserved_;
    }
    if (options_.end - from < count) {
      co_return Status::NoSpace("the numbers of this node are used up");
    }
    const uint64_t to = from + std::min(options_.block, options_.end - from);
    KVFS_CO_ASSIGN_OR_RETURN(const Position position, Record(to));
    Status synced = co_await store_->Sync(position);
    KVFS_CO_RETURN_IF_ERROR(synced);
    std::lock_guard lock(mutex_);
    reserved_ = to;
  }
}

Status NumberSource::Close() {
  uint64_t rest = 0;
  {
    std::lock_guard lock(mutex_);
    if (next_ == reserved_) {
      return Status::Ok();
    }
    rest = reserved_ = next_;
  }
  return Record(rest).status();
}

}  // namespace kvfs::replication
