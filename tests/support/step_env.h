// StepEnv: an Env for tests above the engine: one thread, time that moves only when
// told, tasks that run only when told. No files, no bus. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <tuple>
#include <utility>

#include "kvcore/base/task.h"
#include "kvcore/env/env.h"

namespace kvfs::testing {

class StepEnv final : public env::Clock, public env::Scheduler, public env::Random {
 public:
  explicit StepEnv(uint64_t seed = 1) : generator_(seed) {}

  env::Env env() {
    env::Env env;
    env.clock = this;
    env.scheduler = this;
    env.random = this;
    return env;
  }

  int64_t WallNanos() override { return (kStartMicros + now_) * 1000; }
  int64_t MonotonicMicros() override { return now_; }
  uint64_t Next() override { return generator_(); }
  void Post(env::Priority priority, Work work) override {
    tasks_.emplace(std::tuple(int64_t{0}, priority, ++posted_), std::move(work));
  }
  TimerId PostAfter(int64_t delay_micros, env::Priority priority, Work work) override {
    tasks_.emplace(std::tuple(now_ + delay_micros, priority, ++posted_), std::move(work));
    return posted_;
  }
  bool Cancel(TimerId id) override {
    for (auto at = tasks_.begin(); at != tasks_.end(); ++at) {
      if (std::get<2>(at->first) == id) {
        tasks_.erase(at);
        return true;
      }
    }
    return false;
  }

  // Runs the next task that is due. False if there is none.
  bool RunOne() {
    if (tasks_.empty() || std::get<0>(tasks_.begin()->first) > now_) {
      return false;
    }
    auto node = tasks_.extract(tasks_.begin());
    node.mapped()();
    return true;
  }
  void RunReady() {
    while (RunOne()) {
    }
  }
  // Lets time pass, running what falls due on the way.
  void Advance(int64_t micros) {
    const int64_t until = now_ + micros;
    RunReady();
    while (!tasks_.empty() && std::get<0>(tasks_.begin()->first) <= until) {
      now_ = std::get<0>(tasks_.begin()->first);
      RunReady();
    }
    now_ = until;
  }
  // Runs tasks, letting time pass where nothing is due, until the awaited one is done.
  template <typename T>
  T Await(Task<T> task) {
    while (!task.IsDone()) {
      if (!RunOne()) {
        assert(!tasks_.empty() && "waits for something that never comes");
        now_ = std::get<0>(tasks_.begin()->first);
      }
    }
    return task.TakeValue();
  }

 private:
  static constexpr int64_t kStartMicros = 1'700'000'000'000'000;
  int64_t now_ = 0;
  uint64_t posted_ = 0;
  std::mt19937_64 generator_;
  std::map<std::tuple<int64_t, env::Priority, uint64_t>, Work> tasks_;
};

}  // namespace kvfs::testing
