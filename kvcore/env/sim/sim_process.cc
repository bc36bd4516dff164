#include "kvcore/env/sim/sim_process.h"

#include <algorithm>
#include <utility>

namespace kvfs::env::sim {

void PausableScheduler::Post(Priority priority, Work work) {
  scheduler_->Post(priority, [this, priority, w = std::move(work)]() mutable {
    RunOrHold(0, priority, std::move(w));
  });
}

Scheduler::TimerId PausableScheduler::PostAfter(int64_t delay_micros, Priority priority,
                                                Work work) {
  const TimerId id = ++last_id_;
  StartTimer(id, delay_micros, priority, std::move(work));
  return id;
}

void PausableScheduler::StartTimer(TimerId id, int64_t delay_micros, Priority priority, Work work) {
  timers_[id] = scheduler_->PostAfter(delay_micros, priority,
                                      [this, id, priority, w = std::move(work)]() mutable {
                                        timers_.erase(id);
                                        RunOrHold(id, priority, std::move(w));
                                      });
}

bool PausableScheduler::Cancel(TimerId id) {
  if (const auto timer = timers_.find(id); timer != timers_.end()) {
    const TimerId inner = timer->second;
    timers_.erase(timer);
    return scheduler_->Cancel(inner);
  }
  const auto held = std::find_if(held_.begin(), held_.end(),
                                 [id](const Held& h) { return h.id != 0 && h.id == id; });
  if (held == held_.end()) {
    return false;
  }
  const Work dropped = std::move(held->work);  // goes last: what it holds may call back in here
  held_.erase(held);
  return true;
}

void PausableScheduler::RunOrHold(TimerId id, Priority priority, Work work) {
  if (paused_) {
    held_.push_back({id, priority, std::move(work)});
  } else {
    work();
  }
}

void PausableScheduler::Resume() {
  paused_ = false;
  // As timers that are due, so that those which were timers can still be cancelled.
  for (Held& held : std::exchange(held_, {})) {
    StartTimer(held.id != 0 ? held.id : ++last_id_, 0, held.priority, std::move(held.work));
  }
}

void SimPort::SetHandler(NodeId self, Handler handler) {
  if (closed_) {
    return;
  }
  if (!handler) {
    handlers_.erase(self);
    bus_->SetHandler(self, nullptr);
    return;
  }
  handlers_[self] = std::make_shared<const Handler>(std::move(handler));
  bus_->SetHandler(self, [this](Message message) {
    auto shared = std::make_shared<Message>(std::move(message));
    scheduler_->RunOrHold([this, shared] { Receive(std::move(*shared)); });
  });
}

Status SimPort::Send(Message message) {
  if (closed_) {
    return Status::Unavailable("the machine is dead");
  }
  return bus_->Send(std::move(message));
}

void SimPort::Receive(Message message) {
  const auto it = handlers_.find(message.to);
  if (it != handlers_.end()) {
    const std::shared_ptr<const Handler> handler = it->second;  // it may replace itself
    (*handler)(std::move(message));
  }
}

void SimPort::Close() {
  for (const auto& [self, handler] : std::exchange(handlers_, {})) {
    bus_->SetHandler(self, nullptr);
  }
  closed_ = true;
}

}  // namespace kvfs::env::sim
