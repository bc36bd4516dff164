// Watcher: has the nodes tell a client what others change in the partitions that it uses. An
// accelerator: what is told may be late, twice, or not at all, and then there are the time-outs
// of whoever keeps what he has read.
//
// Owned by the client; what it is built from is borrowed. Thread-safe. Until there is a listener
// nothing is asked for.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/client/client.h"
#include "kvcore/env/clock.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/peers.h"

namespace kvfs::client {

struct WatcherOptions {
  int64_t renew_micros = 10'000'000;   // the nodes forget after 30 s. 100 ms .. 10 s
  int64_t forget_micros = 60'000'000;  // partitions not used for so long are left out. 1 s .. 1 h
  int64_t batch_micros = 20'000;       // between requests because of newly used ones. 0 .. 1 s
  int64_t ask_micros = 2'000'000;      // time-out of one request. 10 ms .. 10 s
};

class Watcher {
 public:
  struct Parts {
    std::function<std::vector<env::NodeId>()> nodes;  // of this moment
    replication::Peers* peers = nullptr;
    env::Clock* clock = nullptr;
    env::Scheduler* scheduler = nullptr;
  };
  Watcher(const WatcherOptions& options, uint32_t partition_bits, uint64_t session, Parts parts);
  ~Watcher();

  // Called from then on, in the course of other calls or as a foreground task; must not wait. An
  // empty one ends it: no call runs after that returns.
  void SetListener(ChangeListener listener);
  // Something of the pk is about to be read or written.
  void Used(ByteView pk);
  // What a node says, one way; not trusted.
  void Take(env::NodeId from, ByteView body);
  // This client itself has done what another one began: its listener is told too.
  void Tell(const std::vector<Change>& changes);

  // Nothing is asked for, and no listener is called, any more.
  Task<void> Close();

 private:
  // Asks all nodes when there is something new to ask for, and again and again.
  Task<void> Loop();
  void Ask(int64_t now_micros);
  Task<void> AskNode(env::NodeId node, Bytes body);

  const WatcherOptions options_;
  const uint32_t partition_bits_;
  const uint64_t session_;
  const Parts parts_;
  // When each partition was last used; 0: never.
  const std::unique_ptr<std::atomic<int64_t>[]> used_;
  std::atomic<bool> is_watching_{false};
  std::mutex telling_;  // held while the listener is called; guards it; before mutex_
  ChangeListener listener_;
  std::mutex mutex_;  // guards the rest
  bool closing_ = false;
  bool has_news_ = false;                      // partitions that the nodes were not asked for yet
  env::Completion<bool> wake_;                 // what the loop waits for
  std::map<env::NodeId, uint64_t> sequences_;  // of the last notice
  env::TaskSet tasks_;
};

}  // namespace kvfs::client
