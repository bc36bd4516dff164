// Notifier: tells the kernel what it remembers wrongly, by one thread of its own. The kernel may
// let it wait for an inode's lock that a request holds while it is served, so nobody who serves
// one may wait for it on a thread; and nothing is told in the course of a request.
//
// Owned by the FuseMount; the session is borrowed. Thread-safe. Start and Stop once, from one
// thread, Stop while requests are still served.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "fs/vfs/kernel_cache.h"

struct fuse_session;

namespace kvfs::fs {

class Notifier final : public KernelCache {
 public:
  // What is the same is told once. More than `max_queued` names and inodes are not told at all. 1
  // .. 1,000,000.
  Notifier(fuse_session* session, size_t max_queued) : session_(session), max_queued_(max_queued) {}
  ~Notifier() override;

  void Start();
  // What is queued is told to nobody; who waits is let go.
  void Stop();

  void ForgetName(Ino directory, Bytes name) override;
  void ForgetAttributes(Ino ino) override;
  void ForgetPages(Ino ino, std::function<void()> done) override;

 private:
  struct Inode {
    bool pages = false;
    std::vector<std::function<void()>> done;
  };
  struct Queue {
    std::set<std::pair<Ino, Bytes>> names;
    std::map<Ino, Inode> inodes;
    bool empty() const { return names.empty() && inodes.empty(); }
    size_t size() const { return names.size() + inodes.size(); }
  };

  void Run();
  void Tell(Queue* queue);
  bool IsStopping();

  fuse_session* const session_;
  const size_t max_queued_;
  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  Queue queue_;
  bool started_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kvfs::fs
