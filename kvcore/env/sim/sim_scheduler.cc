#include "kvcore/env/sim/sim_scheduler.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace kvfs::env::sim {

void SimScheduler::Post(Priority priority, Work work) {
  ready_[static_cast<int>(priority)].push_back({++last_id_, std::move(work)});
}

Scheduler::TimerId SimScheduler::PostAfter(int64_t delay_micros, Priority priority, Work work) {
  assert(delay_micros >= 0);
  const TimerId id = ++last_id_;
  const int64_t due = now_ + delay_micros;
  timers_.emplace(TimerKey{due, id}, Timer{priority, std::move(work)});
  timer_due_.emplace(id, due);
  return id;
}

bool SimScheduler::Cancel(TimerId id) {
  Work dropped;  // goes last: what it holds may call back in here
  if (const auto it = timer_due_.find(id); it != timer_due_.end()) {
    const auto timer = timers_.find({it->second, id});
    dropped = std::move(timer->second.work);
    timers_.erase(timer);
    timer_due_.erase(it);
    return true;
  }
  for (auto& queue : ready_) {
    const auto it =
        std::find_if(queue.begin(), queue.end(), [id](const Item& item) { return item.id == id; });
    if (it != queue.end()) {
      dropped = std::move(it->work);
      queue.erase(it);
      return true;
    }
  }
  return false;
}

void SimScheduler::ReleaseDueTimers() {
  while (!timers_.empty() && timers_.begin()->first.first <= now_) {
    auto node = timers_.extract(timers_.begin());
    const TimerId id = node.key().second;
    timer_due_.erase(id);
    ready_[static_cast<int>(node.mapped().priority)].push_back({id, std::move(node.mapped().work)});
  }
}

std::deque<SimScheduler::Item>* SimScheduler::PickQueue() {
  std::deque<Item>* picked = nullptr;
  for (auto& queue : ready_) {
    if (queue.empty()) {
      continue;
    }
    picked = &queue;
    if (!shuffle_ || Uniform(random_, 8) != 0) {
      break;
    }
  }
  return picked;
}

bool SimScheduler::RunOne() {
  assert(!running_);  // a task must not drive the scheduler that runs it
  ReleaseDueTimers();
  std::deque<Item>* queue = PickQueue();
  if (queue == nullptr) {
    return false;
  }
  auto it = queue->begin();
  if (shuffle_) {
    it += static_cast<std::ptrdiff_t>(Uniform(random_, queue->size()));
  }
  Note(static_cast<uint64_t>(now_));
  Note(it->id);
  Work work = std::move(it->work);
  queue->erase(it);
  running_ = true;
  work();
  work = nullptr;
  running_ = false;
  return true;
}

void SimScheduler::Note(uint64_t event) { trace_hash_ = SimRandom(trace_hash_ ^ event).Next(); }

void SimScheduler::RunUntilIdle() {
  while (RunOne()) {
  }
}

void SimScheduler::RunFor(int64_t micros) {
  const int64_t end = now_ + micros;
  RunUntil([] { return false; }, micros);
  now_ = end;
}

bool SimScheduler::RunUntil(const std::function<bool()>& predicate, int64_t micros) {
  const int64_t end = now_ + micros;
  while (!predicate()) {
    if (RunOne()) {
      continue;
    }
    if (timers_.empty() || timers_.begin()->first.first > end) {
      return false;
    }
    now_ = timers_.begin()->first.first;
  }
  return true;
}

void SimScheduler::AbortStuck() const {
  std::fprintf(stderr, "SimScheduler: the task is still waiting at %lld us; %zu timers left\n",
               static_cast<long long>(now_), timers_.size());
  std::abort();
}

}  // namespace kvfs::env::sim
