// What holds writers back: a delay for each write that grows with the load (write_delay.h), and a
// stop as the last bound.
#include <algorithm>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/write_delay.h"

namespace kvfs::engine {

namespace {
constexpr uint64_t kLevel0Stop = 4;      // times the trigger
constexpr uint64_t kDebtFull = 64;       // times the size of level 1
constexpr uint64_t kPointerBytes = 256;  // what a value in a blob file is to the tree
// A write of more brings its large values as blobs.
constexpr uint64_t kLargestInLog = 64u << 10;
// Time owed is waited for once it is worth a timer, and never much at once.
constexpr int64_t kLeastDelayMicros = 500;
constexpr int64_t kMaxDelayMicros = 50'000;
}  // namespace

bool DbImpl::MustWait() const {
  return immutable_.size() >= kMaxImmutable ||
         versions_.current()->levels[0].size() >= kLevel0Stop * options_.level0_tables;
}

WriteLoad DbImpl::Load() const {
  return {.level0_tables = versions_.current()->levels[0].size(),
          .level0_trigger = options_.level0_tables,
          .level0_stop = kLevel0Stop * options_.level0_tables,
          .memtables = static_cast<double>(immutable_.size()) +
                       static_cast<double>(active_->memtable->ApproximateBytes()) /
                           static_cast<double>(options_.memtable_bytes),
          .memtables_stop = kMaxImmutable,
          .debt_bytes = debt_bytes_,
          .debt_full_bytes = kDebtFull * options_.level1_bytes,
          .drain_rate = std::min(flush_rate_.BytesPerSecond(), level0_rate_.BytesPerSecond())};
}

// Writers share the time: what one is charged the next waits for too.
int64_t DbImpl::WriteDelayMicros(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const int64_t cost = WriteCostMicros(Load(), bytes <= kLargestInLog ? bytes : kPointerBytes);
  if (cost == 0) {
    return 0;
  }
  const int64_t now = env_.clock->MonotonicMicros();
  paced_until_ = std::min(std::max(paced_until_, now) + cost, now + kMaxDelayMicros);
  const int64_t delay = paced_until_ - now;
  return delay < kLeastDelayMicros ? 0 : delay;
}

namespace {

Task<Status> Admitted() { co_return Status::Ok(); }

}  // namespace

// Nearly always nobody has to wait, and that is told without a lock.
Task<Status> DbImpl::Admit(uint64_t bytes) {
  if (at_ease_.load(std::memory_order_acquire) && !options_.read_only &&
      !failed_.load(std::memory_order_acquire) && space_.TakeCredit(bytes)) {
    return Admitted();
  }
  return AdmitUnderLoad(bytes);
}

Task<Status> DbImpl::AdmitUnderLoad(uint64_t bytes) {
  KVFS_CO_RETURN_IF_ERROR(CheckWritable(bytes, false));
  bool waited = false;
  if (const int64_t delay = WriteDelayMicros(bytes); delay > 0) {
    delays_.Note(static_cast<uint64_t>(delay));
    waited = true;
    co_await Delay(env_.scheduler, delay);
  }
  int64_t stalled_at = -1;
  while (true) {
    bool wait = false;
    {
      const std::lock_guard lock(mutex_);
      if (!background_error_.ok()) {
        break;
      }
      wait = MustWait();
      if (wait && retry_armed_) {
        co_return Status::NoSpace("the disk is full: memory cannot be flushed");
      }
      if (wait) {
        Schedule();
      }
    }
    if (!wait) {
      break;
    }
    if (stalled_at < 0) {
      stalled_at = env_.clock->MonotonicMicros();
    }
    waited = true;
    co_await waiters_.Wait(&mutex_, [this] { return !MustWait() || !background_error_.ok(); });
  }
  if (stalled_at >= 0) {
    stalls_.Note(static_cast<uint64_t>(env_.clock->MonotonicMicros() - stalled_at));
  }
  co_return waited ? CheckWritable(bytes, false) : Status::Ok();
}

}  // namespace kvfs::engine
