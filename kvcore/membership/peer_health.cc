#include "kvcore/membership/peer_health.h"

#include <algorithm>

namespace kvfs::membership {

bool PeerHealth::IsUnhealthy(const Record& record, int64_t now_micros) const {
  return record.failures >= options_.failures_to_avoid &&
         now_micros - record.last_heard_of < options_.forget_micros;
}

void PeerHealth::Answered(NodeId peer, int64_t latency_micros, int64_t now_micros) {
  Record& record = peers_[peer];
  record.failures = 0;
  record.retry_after_micros = 0;
  record.is_trying = false;
  record.last_heard_of = now_micros;
  // Jacobson's gain of 1/8.
  record.latency_micros =
      record.latency_micros == 0
          ? latency_micros
          : record.latency_micros + (latency_micros - record.latency_micros) / 8;
}

void PeerHealth::Failed(NodeId peer, int64_t now_micros) {
  Record& record = peers_[peer];
  const bool was_unhealthy = IsUnhealthy(record, now_micros);
  if (now_micros - record.last_heard_of >= options_.forget_micros) {
    record.failures = 0;
  }
  record.last_heard_of = now_micros;
  record.failures = std::min(record.failures + 1, options_.failures_to_avoid);
  if (!IsUnhealthy(record, now_micros)) {
    return;
  }
  if (!was_unhealthy) {
    record.retry_after_micros = options_.retry_micros;
  } else if (record.is_trying) {
    record.retry_after_micros = std::min(record.retry_after_micros * 2, options_.most_retry_micros);
  } else {
    return;  // it was on its way when the peer became unhealthy, and says nothing new
  }
  record.is_trying = false;
  record.next_try = now_micros + record.retry_after_micros;
}

bool PeerHealth::MayAsk(NodeId peer, int64_t now_micros) {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || !IsUnhealthy(found->second, now_micros)) {
    return true;
  }
  Record& record = found->second;
  if (now_micros < record.next_try) {
    return false;
  }
  // Nobody else meanwhile, unless this one is never heard of again.
  record.next_try = now_micros + options_.most_retry_micros;
  record.is_trying = true;
  return true;
}

bool PeerHealth::IsHealthy(NodeId peer, int64_t now_micros) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() || !IsUnhealthy(found->second, now_micros);
}

int64_t PeerHealth::LatencyMicros(NodeId peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? 0 : found->second.latency_micros;
}

}  // namespace kvfs::membership
