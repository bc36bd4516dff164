// When what deletes hide is flushed and compacted away: deletes reach the blobs they hide only by
// compaction, which they would wait long for, a delete being small and a blob not. And many deletes
// are in the way of whoever walks over them.
#include <algorithm>

#include "kvcore/engine/db_impl.h"

namespace kvfs::engine {

namespace {
constexpr int64_t kTidyMicros = 2'000'000;
constexpr int64_t kAgedTidyMicros = 60'000'000;
// What deletes hide is seen to at once; or soon, where it is this much and this share of what is
// needed; or after a while, however little, where it is a larger share.
constexpr uint64_t kHiddenNow = 64u << 20;
constexpr uint64_t kHiddenSoon = 4u << 20;
constexpr uint64_t kHiddenShare = 32;
constexpr uint64_t kAgedShare = 8;
}  // namespace

uint64_t DbImpl::HiddenBytes() const {
  uint64_t hidden = active_->hidden_bytes.load(std::memory_order_relaxed);
  for (const auto& memlog : immutable_) {
    hidden += memlog->hidden_bytes.load(std::memory_order_relaxed);
  }
  return hidden + versions_.current()->HiddenBytes();
}

uint64_t DbImpl::NeededBlobBytes() const {
  uint64_t bytes = 0;
  for (const auto& [logical, state] : versions_.blobs()) {
    bytes += state.live_bytes + state.unflushed_bytes;
  }
  return bytes;
}

bool DbImpl::HidesMuch(uint64_t hidden) const {
  return hidden >= std::max(kHiddenSoon, NeededBlobBytes() / kHiddenShare);
}

// After a delete that hides a blob, or many deletes: look in a while whether it is time to see to
// that.
void DbImpl::ArmTidy() {
  if (!tidy_posted_ && active_->hidden_bytes.load(std::memory_order_relaxed) >= kHiddenNow) {
    tidy_posted_ = true;
    tasks_.Post(env::Priority::kBackground, [this] { Tidy(false); });
  }
  if (!tidy_armed_) {
    tidy_armed_ = true;
    tasks_.PostAfter(kTidyMicros, env::Priority::kBackground, [this] {
      {
        const std::lock_guard lock(mutex_);
        tidy_armed_ = false;
      }
      Tidy(false);
    });
  }
  if (!tidy_aging_) {
    tidy_aging_ = true;
    tasks_.PostAfter(kAgedTidyMicros, env::Priority::kBackground, [this] {
      {
        const std::lock_guard lock(mutex_);
        tidy_aging_ = false;
      }
      Tidy(true);
    });
  }
}

void DbImpl::Tidy(bool aged) {
  bool flush = false;
  {
    const std::lock_guard lock(mutex_);
    tidy_posted_ = false;
    const uint64_t hidden = HiddenBytes();
    const bool late = aged && hidden > 0 && hidden >= NeededBlobBytes() / kAgedShare;
    const bool much = HidesMuch(hidden) || late;
    const bool many =
        active_->deletes.load(std::memory_order_relaxed) >= (aged ? kSomeDeletes : kManyDeletes);
    if (!much && !many) {
      return;
    }
    shed_hidden_ = shed_hidden_ || late;
    flush = many || active_->hidden_bytes.load(std::memory_order_relaxed) > 0;
    work_wanted_ = true;
    Schedule();
  }
  if (flush) {
    const Status flushed = FlushMemtable();
    if (!flushed.ok() && flushed.code() != Code::kNoSpace) {
      (void)SetBackgroundError(flushed);
    }
  }
}

}  // namespace kvfs::engine
