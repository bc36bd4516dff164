// Inbox: hands received messages to the handler as tasks of the scheduler, bounded in bytes for
// each sender. Thread-safe; shared, as tasks may outlive the bus.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "kvcore/env/message_bus.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::transport {

class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  Inbox(env::Scheduler* scheduler, size_t max_bytes_per_sender)
      : scheduler_(scheduler), max_bytes_(max_bytes_per_sender) {}

  // An empty handler: waits until none runs.
  void SetHandler(env::MessageBus::Handler handler);
  // False: the sender has too much here already.
  bool Deliver(env::Message message);

 private:
  void Run(env::Message message, size_t bytes);

  env::Scheduler* const scheduler_;
  const size_t max_bytes_;
  std::mutex mutex_;  // guards all below; not held while a handler runs
  std::condition_variable idle_;
  std::shared_ptr<const env::MessageBus::Handler> handler_;
  int running_ = 0;
  std::map<env::NodeId, size_t> waiting_bytes_;
};

}  // namespace kvfs::transport
