// WatchService: tells mounts what has changed: takes their requests, gathers what the primary of
// this node decides, and sends it, a few milliseconds later, as one message to each.
//
// Owned by the node; the Rpc is borrowed until Close. Thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "kvcore/base/task.h"
#include "kvcore/env/env.h"
#include "kvcore/node/rpc.h"
#include "kvcore/node/watch_table.h"

namespace kvfs::node {

class WatchService {
 public:
  WatchService(const WatchOptions& options, uint32_t partition_bits, Rpc* rpc, const env::Env& env);
  ~WatchService();

  Task<Result<Bytes>> Handle(env::NodeId from, Bytes body);
  // Does not wait. No cks: all of the pk.
  void Changed(const Bytes& pk, const std::vector<Bytes>& cks, uint64_t origin);
  // Nothing is sent any more.
  void Close();

  size_t watchers() const;

 private:
  struct Core;
  const std::shared_ptr<Core> core_;  // shared with the task that sends
};

}  // namespace kvfs::node
