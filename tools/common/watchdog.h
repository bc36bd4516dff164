// Watchdog: tells the supervisor that this process is alive for as long as its scheduler carries
// out what it is given: a process whose threads all hang falls silent, and is started again.
//
// Owned by the main loop of a daemon, used by its thread; borrows the notifier and the Env's parts.
#pragma once

#include <atomic>
#include <memory>

#include "kvcore/env/clock.h"
#include "kvcore/env/scheduler.h"
#include "tools/common/service_notifier.h"

namespace kvfs::tools {

class Watchdog {
 public:
  Watchdog(const ServiceNotifier* notifier, env::Clock* clock, env::Scheduler* scheduler)
      : notifier_(notifier), clock_(clock), scheduler_(scheduler) {}

  // To be called several times within the supervisor's patience.
  void Look() {
    const int64_t patience = notifier_->watchdog_micros();
    const int64_t now = clock_->MonotonicMicros();
    if (patience == 0 || now < next_micros_ || !carried_out_->load()) {
      return;
    }
    notifier_->Alive();
    next_micros_ = now + patience / 4;
    carried_out_->store(false);
    scheduler_->Post(env::Priority::kForeground, [done = carried_out_] { done->store(true); });
  }

 private:
  const ServiceNotifier* const notifier_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  int64_t next_micros_ = 0;
  // Shared: what was posted may still run when the loop has ended.
  const std::shared_ptr<std::atomic<bool>> carried_out_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace kvfs::tools
