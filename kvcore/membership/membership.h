// Membership: one node's part in finding out who is there. Pure: SWIM (Das, Gupta, Motivala,
// 2002) with the local health, the nacks and the buddy rule of Lifeguard.
//
// Each call answers with an Output: first make `persist_incarnation` durable, then send the
// messages. Time is any monotonic clock of microseconds. One user at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kvcore/membership/message.h"
#include "kvcore/membership/options.h"
#include "kvcore/membership/rumor_queue.h"
#include "kvcore/membership/view.h"

namespace kvfs::membership {

class Membership {
 public:
  struct Envelope {
    NodeId to = 0;  // 0: only the address is known
    std::string address;
    Message message;
  };
  struct Event {
    enum class Kind : uint8_t {
      kJoined,  // not known before
      kAlive,   // was suspect, dead or left
      kSuspect,
      kDead,
      kLeft,
      kImpostor,  // somebody else runs under this node's id, at `address`
    };
    Kind kind = Kind::kJoined;
    NodeId node = 0;
    std::string address;
  };
  struct Output {
    std::optional<uint64_t> persist_incarnation;
    std::vector<Envelope> messages;
    std::vector<Event> events;
  };

  // `self.incarnation`: the one last made durable, 0 if none was. `seed`: random.
  Membership(Peer self, Options options, uint64_t seed);

  // Begins, under a new incarnation. `known`: members remembered from before; `seeds`: addresses to
  // ask for the rest.
  Output Start(const std::vector<Peer>& known, std::vector<std::string> seeds, int64_t now_micros);
  Output Step(const Message& message, int64_t now_micros);
  // At NextTick() or later.
  Output Tick(int64_t now_micros);
  int64_t NextTick() const;
  // Tells some members that this one goes. Afterwards only Step may be called.
  Output Leave(int64_t now_micros);
  // It was taken out of the layout and will not come back under this id.
  void Forget(NodeId node);

  const View& view() const { return view_; }
  const Peer& self() const { return self_; }
  int local_health() const { return local_health_; }  // 0: good

 private:
  struct Probe {
    NodeId target = 0;
    int64_t ask_helpers_at = 0;
    int64_t ends_at = 0;
    bool asked = false;
    bool of_dead = false;  // nothing follows from its failure
    int nacks_missing = 0;
  };
  // A ping on behalf of somebody.
  struct Relay {
    Peer asker;
    uint64_t asker_sequence = 0;
    NodeId target = 0;
    int64_t nack_at = 0;
    int64_t ends_at = 0;
    bool nacked = false;
  };

  int64_t Scaled(int64_t micros) const { return micros * (1 + local_health_); }
  size_t Members() const;  // those that have not left, this one included
  void Health(int change);
  std::vector<NodeId> Draw(size_t count, NodeId except);

  Message Make(Message::Kind kind, uint64_t sequence, NodeId subject) const;
  // Adds rumours; what the addressee should know about itself first.
  void Send(const Peer& to, Message message, Output* out);
  void SendSync(Message::Kind kind, NodeId to, const std::string& address, uint64_t sequence,
                Output* out);

  void BeginProbe(NodeId target, int64_t now_micros, Output* out);
  void AskHelpers(uint64_t sequence, Probe* probe, Output* out);
  void Fail(const Probe& probe, int64_t now_micros, Output* out);
  NodeId NextTarget();
  void ProbeOneOfTheDead(int64_t now_micros, Output* out);
  void TickProbes(int64_t now_micros, Output* out);
  void TickRelays(int64_t now_micros, Output* out);
  void TickSuspects(int64_t now_micros, Output* out);

  void OnPingRequest(const Message& message, int64_t now_micros, Output* out);
  void OnAck(const Message& message, Output* out);

  void Hear(const Rumor& rumor, int64_t now_micros, Output* out);
  void HearOfSelf(const Rumor& rumor, Output* out);
  void HearOfNew(const Rumor& rumor, int64_t now_micros, Output* out);
  void Suspect(const Rumor& rumor, int64_t now_micros, Output* out);
  void RaiseIncarnation(uint64_t above, Output* out);
  void Tell(const PeerStatus& status);

  Peer self_;
  const Options options_;
  std::mt19937_64 random_;
  View view_;
  RumorQueue rumors_;
  std::vector<std::string> seeds_;
  int local_health_ = 0;
  bool leaving_ = false;
  uint64_t next_sequence_ = 1;

  std::map<uint64_t, Probe> probes_;           // by sequence
  std::map<uint64_t, Relay> relays_;           // by sequence
  std::map<NodeId, int64_t> suspected_since_;  // of each suspect
  std::deque<NodeId> turns_;                   // whom to probe next
  std::set<NodeId> verify_;                    // to be probed besides
  int64_t next_probe_ = 0;
  int64_t next_dead_probe_ = 0;
  int64_t next_sync_ = 0;

  mutable size_t members_ = 0;  // counted when the view was in this version
  mutable uint64_t members_version_ = UINT64_MAX;
};

}  // namespace kvfs::membership
