// A cluster of Memberships in virtual time: every message takes a few milliseconds, some are lost,
// and links may be cut in one direction or both.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "kvcore/membership/membership.h"

namespace kvfs::membership::test {

inline constexpr int64_t kSecond = 1'000'000;

inline Peer MakePeer(NodeId node, const std::string& zone = "") {
  return {.node = node,
          .incarnation = 1,
          .address = "n" + std::to_string(node) + ":1",
          .datacentre = "",
          .zone = zone};
}

class Cluster {
 public:
  using Cut = std::function<bool(NodeId from, NodeId to)>;

  explicit Cluster(uint64_t seed, Options options = {}) : random_(seed), options_(options) {}

  // With everybody there known to it, as after a restart, or with seeds alone.
  void Add(NodeId node, const std::string& zone = "") {
    members_[node] = {.peer = MakePeer(node, zone), .disk = 0, .core = nullptr};
  }
  void StartAll() {
    std::vector<Peer> known;
    for (const auto& [node, member] : members_) {
      known.push_back(member.peer);
    }
    for (auto& [node, member] : members_) {
      StartOne(node, known, {});
    }
  }
  void StartOne(NodeId node, const std::vector<Peer>& known, std::vector<std::string> seeds) {
    Member& member = members_.at(node);
    Peer self = member.peer;
    self.incarnation = member.disk;
    member.core = std::make_unique<Membership>(self, options_, random_());
    Carry(node, member.core->Start(known, std::move(seeds), now_));
  }
  void Crash(NodeId node) { members_.at(node).core = nullptr; }
  void Leave(NodeId node) { Carry(node, At(node).Leave(now_)); }

  void SetLoss(double loss) { loss_ = loss; }
  void SetCut(Cut cut) { cut_ = std::move(cut); }

  Membership& At(NodeId node) { return *members_.at(node).core; }
  uint64_t Disk(NodeId node) const { return members_.at(node).disk; }
  int64_t now() const { return now_; }
  uint64_t messages() const { return messages_; }
  size_t largest_message() const { return largest_message_; }
  uint64_t deaths() const { return deaths_; }  // somebody took somebody for dead

  void Run(int64_t micros) {
    const int64_t end = now_ + micros;
    while (!queue_.empty() && queue_.top().at <= end) {
      Event event = queue_.top();
      queue_.pop();
      now_ = event.at;
      Member& member = members_.at(event.node);
      if (member.core == nullptr) {
        continue;
      }
      if (event.message != nullptr) {
        Carry(event.node, member.core->Step(*event.message, now_));
      } else if (event.at == member.next_tick) {
        Carry(event.node, member.core->Tick(now_));
      }
    }
    now_ = end;
  }
  // Until it is so; false after `micros`.
  bool RunUntil(int64_t micros, const std::function<bool()>& done) {
    for (const int64_t end = now_ + micros; now_ < end; Run(kSecond / 10)) {
      if (done()) {
        return true;
      }
    }
    return done();
  }
  // Everybody who runs, of `who`, sees `subject` in this state.
  bool AllSee(NodeId subject, State state) const {
    for (const auto& [node, member] : members_) {
      if (member.core != nullptr && node != subject &&
          member.core->view().StateOf(subject) != state) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Member {
    Peer peer;
    uint64_t disk = 0;  // the incarnation made durable
    std::unique_ptr<Membership> core;
    int64_t next_tick = 0;
  };
  struct Event {
    int64_t at = 0;
    uint64_t order = 0;
    NodeId node = 0;
    std::shared_ptr<const Message> message;  // null: a tick
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  void Carry(NodeId node, Membership::Output out) {
    Member& member = members_.at(node);
    if (out.persist_incarnation) {
      member.disk = *out.persist_incarnation;
    }
    for (const auto& event : out.events) {
      deaths_ += event.kind == Membership::Event::Kind::kDead ? 1 : 0;
    }
    for (auto& envelope : out.messages) {
      ++messages_;
      const NodeId to = NodeAt(envelope.address);
      if (measure_ || messages_ % 64 == 0) {
        largest_message_ = std::max(largest_message_, Encode(envelope.message).size());
      }
      if (to == 0 || (cut_ && cut_(node, to)) ||
          std::uniform_real_distribution<>(0, 1)(random_) < loss_) {
        continue;
      }
      const auto delay = static_cast<int64_t>(500 + random_() % 5000);
      Post({now_ + delay, 0, to, std::make_shared<const Message>(std::move(envelope.message))});
    }
    const int64_t next = std::max(member.core->NextTick(), now_ + 1);
    if (next != member.next_tick) {
      member.next_tick = next;
      Post({next, 0, node, nullptr});
    }
  }
  void Post(Event event) {
    event.order = next_order_++;
    queue_.push(std::move(event));
  }
  NodeId NodeAt(const std::string& address) const {
    const NodeId node = std::stoull(address.substr(1));
    return members_.contains(node) ? node : 0;
  }

  std::mt19937_64 random_;
  const Options options_;
  std::map<NodeId, Member> members_;
  std::priority_queue<Event> queue_;
  uint64_t next_order_ = 0;
  int64_t now_ = 0;
  double loss_ = 0;
  Cut cut_;
  bool measure_ = false;
  uint64_t messages_ = 0;
  size_t largest_message_ = 0;
  uint64_t deaths_ = 0;
};

}  // namespace kvfs::membership::test
