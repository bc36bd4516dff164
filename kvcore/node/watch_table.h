// WatchTable: which mounts are to be told of changes in which partitions, and what they have not
// been told yet. An accelerator: nothing relies on it, so what does not fit is left out, and the
// watcher is told that there was more.
//
// Pure: no I/O, no time of its own. One user at a time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/env/message_bus.h"
#include "kvcore/proto/watch.pb.h"

namespace kvfs::node {

struct WatchOptions {
  size_t max_watchers = 1024;  // more are told kBusy. 1 .. 65,536
  int64_t lease_micros =
      30'000'000;         // who has not asked again for so long is forgotten. 1 s .. 1 h
  size_t max_keys = 128;  // changed keys of one pk, named; of more, "all". 1 .. 1024
  size_t max_queued_bytes = 128u << 10;  // for one watcher; more: "everything". 4 KiB .. 1 MiB
  int64_t flush_micros = 2'000;          // changes are gathered for so long. 0 .. 1 s
};

class WatchTable {
 public:
  struct Notice {
    env::NodeId to = 0;
    replication::pb::ChangedNotice body;
  };

  WatchTable(const WatchOptions& options, uint32_t partition_bits)
      : options_(options), partition_bits_(partition_bits) {}

  // A request of `from`, checked. kBusy: there are too many watchers.
  Status Watch(env::NodeId from, const replication::pb::WatchRequest& request, int64_t now_micros);

  // `origin` has changed these items. True: there is something to tell that was not before.
  bool Changed(const Bytes& pk, const std::vector<Bytes>& cks, uint64_t origin, int64_t now_micros);

  // What is to be told, once.
  std::vector<Notice> Take();

  size_t size() const { return watchers_.size(); }

 private:
  struct Watcher {
    Bytes partitions;  // bitmap
    int64_t until_micros = 0;
    uint64_t sequence = 0;  // of the last notice
    // Keys by pk; none: all of them.
    std::map<Bytes, std::set<Bytes>> changed;
    size_t queued_bytes = 0;
    bool everything = false;
  };
  // Which node, and which session there: two mounts of one process are two.
  using Id = std::pair<env::NodeId, uint64_t>;

  void Queue(Watcher* watcher, const Bytes& pk, const std::vector<Bytes>& cks) const;
  void ForgetExpired(int64_t now_micros);

  const WatchOptions options_;
  const uint32_t partition_bits_;
  std::map<Id, Watcher> watchers_;
  std::set<Id> waiting_;  // have something queued
};

}  // namespace kvfs::node
