// SimProcess: what runs on a simulated machine between its start and its end, seen
// from below: a scheduler that can be paused and a port to the network that can be
// closed. Both are handed out in the Env of the process.
//
// A process that was disconnected is dead for everybody else, yet its tasks run on,
// against closed doors, until its owner can destroy what they belong to: a suspended
// coroutine cannot be taken away from its frames safely. So whatever waits in kvfs
// must come to an end without an answer from outside, which is worth a test anyway.
//
// Single-threaded; the world's scheduler and bus outlive it, and no task of it may
// run when it is gone.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>

#include "kvcore/env/sim/sim_message_bus.h"
#include "kvcore/env/sim/sim_scheduler.h"

namespace kvfs::env::sim {

// Passes tasks on to the world's scheduler; those that come due during a pause are held.
class PausableScheduler final : public Scheduler {
 public:
  explicit PausableScheduler(SimScheduler* scheduler) : scheduler_(scheduler) {}

  void Post(Priority priority, Work work) override;
  TimerId PostAfter(int64_t delay_micros, Priority priority, Work work) override;
  bool Cancel(TimerId id) override;

  void Pause() { paused_ = true; }
  void Resume();
  bool paused() const { return paused_; }
  // Runs it now, or when the pause is over. For what comes from outside as a task.
  void RunOrHold(Work work) { RunOrHold(0, Priority::kForeground, std::move(work)); }

 private:
  struct Held {
    TimerId id;  // 0: not a timer
    Priority priority;
    Work work;
  };
  void RunOrHold(TimerId id, Priority priority, Work work);
  void StartTimer(TimerId id, int64_t delay_micros, Priority priority, Work work);

  SimScheduler* const scheduler_;
  bool paused_ = false;
  TimerId last_id_ = 0;
  std::unordered_map<TimerId, TimerId> timers_;  // own id -> the world's
  std::deque<Held> held_;
};

// The way to the world's bus; closed for ever when the process ends.
class SimPort final : public MessageBus {
 public:
  SimPort(SimMessageBus* bus, PausableScheduler* scheduler) : bus_(bus), scheduler_(scheduler) {}
  ~SimPort() override { Close(); }
  SimPort(const SimPort&) = delete;
  SimPort& operator=(const SimPort&) = delete;

  void SetHandler(NodeId self, Handler handler) override;
  Status Send(Message message) override;

  void Close();

 private:
  void Receive(Message message);

  SimMessageBus* const bus_;
  PausableScheduler* const scheduler_;
  bool closed_ = false;
  std::map<NodeId, std::shared_ptr<const Handler>> handlers_;
};

class SimProcess {
 public:
  SimProcess(SimScheduler* scheduler, SimMessageBus* bus)
      : scheduler_(scheduler), port_(bus, &scheduler_) {}

  Scheduler* scheduler() { return &scheduler_; }
  MessageBus* bus() { return &port_; }

  void Pause() { scheduler_.Pause(); }
  void Resume() { scheduler_.Resume(); }
  bool paused() const { return scheduler_.paused(); }
  // Nothing it sends leaves it, nothing reaches it; a pause ends, so that its tasks can finish.
  void Disconnect() {
    port_.Close();
    scheduler_.Resume();
  }

 private:
  PausableScheduler scheduler_;
  SimPort port_;
};

}  // namespace kvfs::env::sim
