// ZmqMessageBus: the MessageBus of a real process, over ZeroMQ (doc/formats/wire.md).
//
// One thread owns all sockets: a ROUTER that receives and, for each peer and lane, a DEALER that
// sends. Send() puts the message into the peer's outbox and returns; a peer that is slow, stopped
// or away fills its own outbox and nobody else's. Everything received is checked here, counted and
// dropped if it is not ours; what is ours runs as a foreground task of the scheduler.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "kvcore/base/status.h"
#include "kvcore/env/env.h"
#include "transport/frame.h"

namespace kvfs::transport {

using PublicKey = std::array<uint8_t, 32>;  // of CURVE

struct KeyPair {
  PublicKey public_key{};
  std::array<uint8_t, 32> secret_key{};
};
KeyPair NewKeyPair();

// Numbers of clients, which have no place of their own, have the highest bit. With keys the upper
// half tells the client's key from others; the lower one is drawn anew each time it starts.
env::NodeId ClientNumber(const PublicKey& key, uint64_t random);
inline env::NodeId ClientNumber(uint64_t random) { return random | uint64_t{1} << 63; }
// In BusOptions::allowed: a key that speaks for the client numbers of its own and for no node. That
// of a node speaks for both.
inline constexpr env::NodeId kClientKey = 0;

struct PeerAddress {
  std::string address;     // "host:port", an IPv6 host in brackets
  PublicKey public_key{};  // of its key pair; unused without keys
};

struct BusOptions {
  env::NodeId self = 0;
  ClusterId cluster{};
  uint64_t storage_epoch = 0;
  // "host:port", port 0 = any free one; empty: a client, which is answered on the connections it
  // made.
  std::string listen;
  // Every connection is then authenticated and encrypted, and only `allowed` may come.
  std::shared_ptr<const KeyPair> keys;
  // Whose keys may connect, and as which node, or kClientKey.
  std::map<PublicKey, env::NodeId> allowed;
  // Listen without keys on an address that others than this machine can reach.
  bool insecure = false;

  // Of one frame, and of a whole message. 64 KiB .. 1 GiB.
  size_t max_message_bytes = 16u << 20;
  // Waiting to be sent to one peer, by lane. 64 KiB .. 1 GiB each.
  std::array<size_t, env::kLaneCount> outbox_bytes = {1u << 20, 16u << 20, 32u << 20};
  // Received from one peer and not handled yet. 64 KiB .. 1 GiB.
  size_t inbox_bytes = 64u << 20;
  // Messages in ZeroMQ's own queues, each way and connection. 1 .. 1000.
  int high_water_mark = 16;
  // How long a message without a deadline waits for its peer. 10 ms .. 10 min.
  int64_t send_micros = 5'000'000;
  // Between attempts to reach a peer: at first, and at most. 1 ms .. 1 min.
  int reconnect_millis = 50;
  int most_reconnect_millis = 2'000;
  // Nodes without an address of their own that can be answered. 1 .. 100,000.
  size_t max_visitors = 4096;
};

struct BusStats {
  uint64_t sent = 0;
  uint64_t received = 0;
  // Not sent: the outbox was full, the time was over, or the peer's connection went away.
  uint64_t refused_full = 0;
  uint64_t expired = 0;
  uint64_t undeliverable = 0;
  // Received and dropped.
  uint64_t malformed = 0;
  uint64_t bad_checksum = 0;
  uint64_t other_version = 0;
  uint64_t other_cluster = 0;
  uint64_t oversized = 0;
  uint64_t impostors = 0;     // a key that speaks for another node than its own
  uint64_t overload = 0;      // the sender's inbox was full
  uint64_t unauthorized = 0;  // connections refused: unknown keys
};

class ZmqMessageBus final : public env::MessageBus {
 public:
  // kInvalidArgument: an option out of its bounds, or an address that others can reach without
  // keys; kBusy: the address is in use; kIoError. `env.bus` is not used.
  static Result<std::unique_ptr<ZmqMessageBus>> Open(BusOptions options, const env::Env& env);
  ZmqMessageBus(const ZmqMessageBus&) = delete;
  ZmqMessageBus& operator=(const ZmqMessageBus&) = delete;
  // What is in an outbox is dropped. Waits for handlers that run.
  ~ZmqMessageBus() override;

  // Only for options.self. An empty handler waits for those that run, so not from within one.
  void SetHandler(env::NodeId self, Handler handler) override;
  Status Send(env::Message message) override;
  // To whoever answers there; message.to is 0.
  Status SendTo(const PeerAddress& peer, env::Message message);

  // Where a node is reached; replaces what was known.
  void SetPeer(env::NodeId node, PeerAddress address);
  void RemovePeer(env::NodeId node);
  // For connections made from now on.
  void SetAllowed(std::map<PublicKey, env::NodeId> allowed);

  // Where this one listens, with the port it got; empty for a client.
  const std::string& listen_address() const;
  BusStats GetStats() const;

 private:
  class Core;
  explicit ZmqMessageBus(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace kvfs::transport
