#include "kvcore/engine/obsolete_deleter.h"

#include <utility>

namespace kvfs::engine {

ObsoleteDeleter::ObsoleteDeleter(const env::Env& env, std::string directory,
                                 uint64_t bytes_per_second, std::shared_ptr<ObsoleteFiles> files,
                                 TaskGroup* tasks, std::function<void(const FileName&)> forget)
    : env_(env),
      directory_(std::move(directory)),
      files_(std::move(files)),
      tasks_(tasks),
      forget_(std::move(forget)),
      pacer_(bytes_per_second) {}

void ObsoleteDeleter::Start() {
  files_->SetListener([this] { Post(0); });
}

void ObsoleteDeleter::Hurry() {
  if (WaitingBytes() > 0 && !hurry_.exchange(true)) {
    Post(0);
  }
}

void ObsoleteDeleter::Finish() {
  files_->SetListener({});
  hurry_.store(true);
  Run();
}

void ObsoleteDeleter::Post(int64_t delay_micros) {
  if (delay_micros == 0) {
    tasks_->Post(env::Priority::kBackground, [this] { Run(); });
    return;
  }
  tasks_->PostAfter(delay_micros, env::Priority::kBackground, [this] {
    {
      const std::lock_guard lock(mutex_);
      timer_armed_ = false;
    }
    Run();
  });
}

void ObsoleteDeleter::Run() {
  Doomed doomed;
  while (Next(&doomed)) {
    Delete(doomed);
    const std::lock_guard lock(mutex_);
    const int64_t now = env_.clock->MonotonicMicros();
    resume_at_ = now + pacer_.PauseMicros(doomed.bytes, now);
  }
}

bool ObsoleteDeleter::Next(Doomed* next) {
  const std::lock_guard lock(mutex_);
  for (const FileName& file : files_->Take()) {
    const auto size = env_.files->FileSize(FilePath(directory_, file.kind, file.number));
    waiting_.push_back({file, size.ok() ? *size : 0});
    waiting_bytes_.fetch_add(waiting_.back().bytes, std::memory_order_relaxed);
  }
  if (waiting_.empty()) {
    hurry_.store(false);
    return false;
  }
  const int64_t pause = resume_at_ - env_.clock->MonotonicMicros();
  if (pause > 0 && !hurry_.load()) {
    if (!timer_armed_) {
      timer_armed_ = true;
      Post(pause);
    }
    return false;
  }
  *next = waiting_.front();
  waiting_.pop_front();
  return true;
}

// One that cannot be deleted now is a leftover, and goes when the store is next opened.
void ObsoleteDeleter::Delete(const Doomed& doomed) {
  forget_(doomed.file);
  (void)env_.files->Unlink(FilePath(directory_, doomed.file.kind, doomed.file.number));
  waiting_bytes_.fetch_sub(doomed.bytes, std::memory_order_relaxed);
}

}  // namespace kvfs::engine
