// View: who is in the cluster and in what state, as one node believes. What others see of
// membership. Values, no synchronisation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kvcore/env/message_bus.h"

namespace kvfs::membership {

using env::NodeId;

enum class State : uint8_t {
  kAlive = 0,
  kSuspect = 1,  // a probe of it failed: route around it, keep hints
  kDead = 2,     // confirmed by independent members; affects routing only
  kLeft = 3,     // it said that it goes
};

// What a node says of itself; nobody else does.
struct Peer {
  NodeId node = 0;
  uint64_t incarnation = 0;  // from 1; raised at every start and to refute a rumour
  std::string address;       // "host:port"
  std::string datacentre;
  std::string zone;

  bool operator==(const Peer&) const = default;
};

struct PeerStatus {
  Peer peer;
  State state = State::kAlive;
  std::vector<NodeId> confirmers;  // while suspect or dead: members whose own probe of it failed
};

class View {
 public:
  const PeerStatus* Find(NodeId node) const {
    const auto found = peers_.find(node);
    return found == peers_.end() ? nullptr : &found->second;
  }
  // An unknown node is taken for dead.
  State StateOf(NodeId node) const {
    const PeerStatus* status = Find(node);
    return status == nullptr ? State::kDead : status->state;
  }
  bool IsAlive(NodeId node) const { return StateOf(node) == State::kAlive; }
  const std::map<NodeId, PeerStatus>& peers() const { return peers_; }  // this node included
  // Changes whenever anything in it does.
  uint64_t version() const { return version_; }

  PeerStatus& Put(NodeId node) {
    ++version_;
    return peers_[node];
  }
  void Erase(NodeId node) {
    ++version_;
    peers_.erase(node);
  }

 private:
  std::map<NodeId, PeerStatus> peers_;
  uint64_t version_ = 0;
};

}  // namespace kvfs::membership
