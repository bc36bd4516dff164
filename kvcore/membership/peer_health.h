// PeerHealth: how requests to each peer fare, apart from membership. A peer that membership
// calls alive may not answer this node (a one-way link, a stuck disk); whoever chooses whom to ask
// asks somebody else first. Pure; one user at a time.
#pragma once

#include <cstdint>
#include <map>

#include "kvcore/membership/view.h"

namespace kvfs::membership {

class PeerHealth {
 public:
  struct Options {
    // So many requests in a row without an answer make a peer unhealthy. 1 .. 100.
    int failures_to_avoid = 3;
    // Then one request is let through after this time; each that fails too doubles it, up to the
    // most. 1 ms .. 1 h.
    int64_t retry_micros = 200'000;
    int64_t most_retry_micros = 10'000'000;
    // Nothing heard of a peer's requests for this time: its past counts no more. 1 s .. 24 h.
    int64_t forget_micros = 600'000'000;
  };

  explicit PeerHealth(Options options) : options_(options) {}

  void Answered(NodeId peer, int64_t latency_micros, int64_t now_micros);
  // Its time ran out, or it could not be sent.
  void Failed(NodeId peer, int64_t now_micros);

  // Whether to ask this peer rather than another. For an unhealthy one now and then true, to try
  // it: whoever gets true then is the one who tries.
  bool MayAsk(NodeId peer, int64_t now_micros);
  // Healthy, without trying.
  bool IsHealthy(NodeId peer, int64_t now_micros) const;
  // How long its answers take, smoothed; 0: unknown. After twice that it is worth asking another.
  int64_t LatencyMicros(NodeId peer) const;

  // Of peers that are members no longer.
  void Forget(NodeId peer) { peers_.erase(peer); }

 private:
  struct Record {
    int failures = 0;  // in a row
    int64_t latency_micros = 0;
    int64_t retry_after_micros = 0;  // wait before the next try
    int64_t next_try = 0;
    bool is_trying = false;     // a try has been let through and not ended
    int64_t last_heard_of = 0;  // an answer or a failure
  };

  bool IsUnhealthy(const Record& record, int64_t now_micros) const;

  const Options options_;
  std::map<NodeId, Record> peers_;
};

}  // namespace kvfs::membership
