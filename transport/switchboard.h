// Switchboard: who can be reached how, and what waits to be sent. Where callers and the thread
// that owns the sockets meet. Thread-safe.
#pragma once

#include <array>
#include <compare>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "transport/outbox.h"
#include "transport/zmq_message_bus.h"

namespace kvfs::transport {

// A node, or an address whose node is not known yet (node = 0).
struct LinkKey {
  env::NodeId node = 0;
  std::string address;

  auto operator<=>(const LinkKey&) const = default;
};

class Switchboard {
 public:
  explicit Switchboard(const BusOptions& options) : options_(options), allowed_(options.allowed) {}

  // ---- callers; after each of these the socket thread has to be woken ------
  void SetPeer(env::NodeId node, PeerAddress address);
  void RemovePeer(env::NodeId node);
  // kUnavailable: unknown, or its outbox is full.
  Status Push(env::NodeId node, env::Lane lane, Outgoing message, int64_t now_micros);
  Status PushTo(const PeerAddress& address, env::Lane lane, Outgoing message, int64_t now_micros);
  void SetAllowed(std::map<PublicKey, env::NodeId> allowed);

  // ---- the socket thread ---------------------------------------------------
  // What has changed since the last call: links that came, went or have something to send.
  std::set<LinkKey> TakeChanged();
  // How a link is connected now; nullopt: it is gone, or a visitor.
  struct Connection {
    PeerAddress address;
    uint64_t generation = 0;  // another one: connect anew
  };
  std::optional<Connection> ConnectionOf(const LinkKey& key) const;
  // The next message of a lane that is still of use.
  std::optional<Outgoing> Pop(const LinkKey& key, env::Lane lane, int64_t now_micros);
  void PutBack(const LinkKey& key, env::Lane lane, Outgoing message);
  // A node that came to us: where to answer it, unless its own address is known.
  void Visited(env::NodeId node, env::Lane lane, const Bytes& routing_id);
  std::optional<Bytes> RoutingId(env::NodeId node, env::Lane lane) const;  // of a visitor
  // As which node a key may speak, or kClientKey; nullopt: not at all.
  std::optional<env::NodeId> NodeOfKey(const PublicKey& key) const;

  void Count(uint64_t BusStats::*counter, uint64_t by = 1);
  BusStats GetStats() const;

 private:
  struct Link {
    std::optional<PeerAddress> address;
    uint64_t generation = 0;
    uint64_t last_visit = 0;
    std::array<Bytes, env::kLaneCount> routing_ids;
    std::vector<Outbox> outboxes;  // by lane
  };

  Link MakeLink() const;
  Status PushLocked(const LinkKey& key, Link* link, env::Lane lane, Outgoing message,
                    int64_t now_micros);

  const BusOptions options_;
  mutable std::mutex mutex_;  // guards all below; held for a few instructions
  std::map<LinkKey, Link> links_;
  std::set<LinkKey> changed_;
  std::map<PublicKey, env::NodeId> allowed_;
  uint64_t next_generation_ = 1;
  uint64_t visits_ = 0;
  size_t visitors_ = 0;
  BusStats stats_;
};

}  // namespace kvfs::transport
