#include "fs/fuse/notifier.h"

#include <pthread.h>
#include <signal.h>

#include <cassert>

#include "fs/fuse/libfuse.h"

namespace kvfs::fs {

Notifier::~Notifier() { assert(!thread_.joinable()); }

void Notifier::Start() {
  started_ = true;
  thread_ = std::thread([this] { Run(); });
}

void Notifier::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
  Queue left;
  {
    std::lock_guard lock(mutex_);
    left = std::exchange(queue_, {});
  }
  for (auto& [ino, inode] : left.inodes) {
    for (const auto& done : inode.done) {
      done();
    }
  }
}

void Notifier::ForgetName(Ino directory, Bytes name) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= max_queued_) {
      return;
    }
    queue_.names.emplace(directory, std::move(name));
  }
  changed_.notify_one();
}

void Notifier::ForgetAttributes(Ino ino) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= max_queued_) {
      return;
    }
    queue_.inodes.try_emplace(ino);
  }
  changed_.notify_one();
}

void Notifier::ForgetPages(Ino ino, std::function<void()> done) {
  {
    std::lock_guard lock(mutex_);
    if (!done && (stopping_ || queue_.size() >= max_queued_)) {
      return;
    }
    if (!stopping_) {
      Inode& inode = queue_.inodes[ino];
      inode.pages = true;
      if (done) {
        inode.done.push_back(std::move(done));
        done = nullptr;
      }
    }
  }
  if (done) {
    done();  // the mount ends, and who waits only sees to that
  }
  changed_.notify_one();
}

bool Notifier::IsStopping() {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void Notifier::Run() {
  pthread_setname_np(pthread_self(), "fuse notify");
  sigset_t signals;
  sigfillset(&signals);  // signals are the main thread's
  pthread_sigmask(SIG_SETMASK, &signals, nullptr);
  while (true) {
    Queue queue;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) {
        return;
      }
      queue = std::exchange(queue_, {});
    }
    Tell(&queue);
  }
}

void Notifier::Tell(Queue* queue) {
  // What the kernel does not know it need not forget; an error says no more than that.
  for (const auto& [directory, name] : queue->names) {
    if (IsStopping()) {
      break;
    }
    (void)fuse_lowlevel_notify_inval_entry(session_, directory, name.data(), name.size());
  }
  for (auto& [ino, inode] : queue->inodes) {
    if (!IsStopping()) {
      (void)fuse_lowlevel_notify_inval_inode(session_, ino, inode.pages ? 0 : -1, 0);
    }
    for (const auto& done : inode.done) {
      done();
    }
  }
}

}  // namespace kvfs::fs
