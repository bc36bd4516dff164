#include "kvcore/env/posix/thread_pool_scheduler.h"

#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>
#include <utility>

namespace kvfs::env::posix {
namespace {

// By how much threads that may be compacting give way to those that answer programs.
constexpr int kBackgroundNiceness = 5;

int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Priority LeastUrgent(int worker, int threads) {
  if (worker == 0) {
    return threads > 2 ? Priority::kForeground : Priority::kFlush;
  }
  return worker == 1 && threads > 2 ? Priority::kFlush : Priority::kBackground;
}

}  // namespace

ThreadPoolScheduler::ThreadPoolScheduler(int threads) {
  threads = std::max(threads, kMinThreads);
  for (int i = 0; i < threads; ++i) {
    workers_.push_back(std::make_unique<Worker>());
    workers_.back()->least_urgent = LeastUrgent(i, threads);
  }
  for (auto& worker : workers_) {
    worker->thread = std::thread([this, w = worker.get()] { RunWorker(w); });
  }
  timer_thread_ = std::thread([this] { RunTimers(); });
}

ThreadPoolScheduler::~ThreadPoolScheduler() {
  {
    std::unique_lock lock(mutex_);
    draining_ = true;
    timers_changed_.notify_all();
    drained_.wait(lock, [this] { return Drained(); });
    stopping_ = true;
    for (auto& worker : workers_) {
      worker->wake.notify_all();
    }
  }
  timer_thread_.join();
  for (auto& worker : workers_) {
    worker->thread.join();
  }
}

ThreadPoolScheduler::Worker* ThreadPoolScheduler::Self() const {
  const auto self = std::find_if(workers_.begin(), workers_.end(), [](const auto& worker) {
    return worker->id.load() == std::this_thread::get_id();
  });
  return self == workers_.end() ? nullptr : self->get();
}

void ThreadPoolScheduler::PostNext(Work work) {
  Worker* const worker = Self();
  if (worker == nullptr || worker->next) {
    Post(Priority::kForeground, std::move(work));
  } else {
    worker->next = std::move(work);
  }
}

void ThreadPoolScheduler::Post(Priority priority, Work work) {
  std::lock_guard lock(mutex_);
  assert(!stopping_);
  Enqueue(priority, Item{std::move(work)});
}

Scheduler::TimerId ThreadPoolScheduler::PostAfter(int64_t delay_micros, Priority priority,
                                                  Work work) {
  assert(delay_micros >= 0);
  const int64_t due = NowMicros() + delay_micros;
  std::lock_guard lock(mutex_);
  const TimerId id = ++last_timer_;
  if (draining_) {
    return id;
  }
  const auto it = timers_.emplace(TimerKey{due, id}, Timer{priority, std::move(work)}).first;
  timer_due_.emplace(id, due);
  // One that is cancelled before it is due does not bring the time of waking forward.
  if (it == timers_.begin() && due < timers_wake_micros_) {
    timers_changed_.notify_one();
  }
  return id;
}

bool ThreadPoolScheduler::Cancel(TimerId id) {
  Work dropped;  // destroyed outside the lock: its captures may call back in here
  std::lock_guard lock(mutex_);
  const auto it = timer_due_.find(id);
  if (it == timer_due_.end()) {
    return timers_queued_.erase(id) != 0;
  }
  const auto timer = timers_.find({it->second, id});
  dropped = std::move(timer->second.work);
  timers_.erase(timer);
  timer_due_.erase(it);
  return true;
}

void ThreadPoolScheduler::Enqueue(Priority priority, Item item) {
  queues_[static_cast<int>(priority)].push_back(std::move(item));
  for (auto& worker : workers_) {
    if (worker->idle && priority <= worker->least_urgent) {
      worker->idle = false;
      worker->wake.notify_one();
      return;
    }
  }
}

bool ThreadPoolScheduler::Dequeue(const Worker& worker, Item* item) {
  for (int p = 0; p <= static_cast<int>(worker.least_urgent); ++p) {
    if (!queues_[p].empty()) {
      *item = std::move(queues_[p].front());
      queues_[p].pop_front();
      return true;
    }
  }
  return false;
}

bool ThreadPoolScheduler::Drained() const {
  return running_ == 0 && std::all_of(std::begin(queues_), std::end(queues_),
                                      [](const auto& queue) { return queue.empty(); });
}

void ThreadPoolScheduler::RunWorker(Worker* worker) {
  worker->id = std::this_thread::get_id();
  if (worker->least_urgent == Priority::kBackground) {
    // For this thread alone, on Linux. A failure costs latency under load, nothing else.
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + kBackgroundNiceness);
  }
  std::unique_lock lock(mutex_);
  while (true) {
    Item item;
    if (Dequeue(*worker, &item)) {
      const bool cancelled = item.timer != 0 && timers_queued_.erase(item.timer) == 0;
      ++running_;
      lock.unlock();
      if (!cancelled) {
        item.work();
      }
      item.work = nullptr;  // destroyed outside the lock
      while (worker->next) {
        const Work next = std::exchange(worker->next, nullptr);
        next();
      }
      lock.lock();
      --running_;
      if (draining_ && Drained()) {
        drained_.notify_all();
      }
    } else if (stopping_) {
      return;
    } else {
      worker->idle = true;
      worker->wake.wait(lock, [&] { return !worker->idle || stopping_; });
      worker->idle = false;
    }
  }
}

void ThreadPoolScheduler::RunTimers() {
  std::unique_lock lock(mutex_);
  std::map<TimerKey, Timer> dropped;
  while (!draining_) {
    const int64_t now = NowMicros();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      auto node = timers_.extract(timers_.begin());
      const TimerId id = node.key().second;
      timer_due_.erase(id);
      timers_queued_.insert(id);
      Enqueue(node.mapped().priority, Item{std::move(node.mapped().work), id});
    }
    if (timers_.empty()) {
      timers_wake_micros_ = std::numeric_limits<int64_t>::max();
      timers_changed_.wait(lock);
    } else {
      timers_wake_micros_ = timers_.begin()->first.first;
      const std::chrono::steady_clock::time_point due{
          std::chrono::microseconds(timers_wake_micros_)};
      timers_changed_.wait_until(lock, due);
    }
  }
  dropped.swap(timers_);
  timer_due_.clear();
  lock.unlock();  // before `dropped` goes
}

}  // namespace kvfs::env::posix
