// LayoutAgreement: one node's part in deciding which layout comes next. Pure.
//
// For each layout number the members of the layout before it decide one layout, by single-decree
// Paxos (Lamport, "Paxos Made Simple", 2001): so one number never means two layouts, and a minority
// decides nothing. Every member accepts; any member may propose.
//
// Each call answers with an Output: first make `persist` durable, then send the messages, in the
// order of the calls. Whoever is started again begins with the state last made durable. One
// user at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "kvcore/ring/layout.h"

namespace kvfs::ring {

struct Ballot {
  uint64_t round = 0;  // 0: none
  NodeId node = 0;     // who proposes

  auto operator<=>(const Ballot&) const = default;
};

struct AgreementMessage {
  enum class Kind : uint8_t {
    kPrepare = 1,  // promise to refuse lower ballots
    kPromise,      // done; `accepted` and `layout`: what I accepted last, if anything
    kAccept,       // accept `layout`
    kAccepted,     // done
    kRefused,      // no; `accepted` is the ballot I promised, zero: the last change is not complete
    kDecided,      // `layout` has been decided
    kAsk,          // what has been decided, from `number` on?
  };
  Kind kind = Kind::kPrepare;
  uint64_t number = 0;  // of the layout that is being decided
  Ballot ballot;
  Ballot accepted;
  std::shared_ptr<const Layout> layout;
};
Bytes Encode(const AgreementMessage& message);
Result<AgreementMessage> DecodeAgreementMessage(ByteView in);  // hostile input: kCorruption

// What must survive a crash.
struct AgreementState {
  std::shared_ptr<const Layout> decided;  // the newest known
  // About the number behind it:
  Ballot promised;
  Ballot accepted;
  std::shared_ptr<const Layout> accepted_layout;
};
Bytes Encode(const AgreementState& state);
Result<AgreementState> DecodeAgreementState(ByteView in);

class LayoutAgreement {
 public:
  struct Options {
    // A round without an answer from a majority is given up and another begun after this time, plus
    // up to as much again for each round that failed, at most 8 times. 1 ms .. 1 min.
    int64_t round_micros = 500'000;
    // A proposal is given up after this time. 1 ms .. 1 h.
    int64_t proposal_micros = 10'000'000;
  };

  struct Output {
    std::optional<Bytes> persist;
    struct Envelope {
      NodeId to = 0;
      AgreementMessage message;
    };
    std::vector<Envelope> messages;
    // A layout newer than the one before has been decided.
    std::shared_ptr<const Layout> decided;
    // How this node's own proposal ended: OK; kConflict: another layout was decided; kBusy: a
    // majority could not be had because the last change is not complete; kUnavailable: nor could it
    // be reached. After the last two it may still be decided later.
    std::optional<Status> proposal;
  };

  LayoutAgreement(NodeId self, AgreementState state, Options options);

  const Layout& decided() const { return *state_.decided; }

  // Whether the change to the decided layout is complete here; if not, this node helps nobody to
  // the next one, so that never more than two layouts are in force. Not kept over a restart: false.
  void SetComplete(bool complete) { complete_ = complete; }

  // kInvalidArgument: not the number behind the decided one, or this node is no member; kBusy: a
  // proposal is under way, or the last change is not complete.
  Result<Output> Propose(std::shared_ptr<const Layout> next, int64_t now_micros);
  Output Step(NodeId from, const AgreementMessage& message);
  // Some message said that its sender knows this layout number.
  Output LayoutSeen(NodeId from, uint64_t number);
  // At least every round_micros while a proposal is under way.
  Output Tick(int64_t now_micros);

 private:
  struct Proposal {
    std::shared_ptr<const Layout> mine;
    int64_t deadline_micros = 0;
    int64_t next_round_micros = 0;
    uint64_t rounds = 0;
    uint64_t highest_seen = 0;  // round
    bool refused_incomplete = false;
    // The present round:
    Ballot ballot;
    bool preparing = true;
    std::set<NodeId> voters;              // who promised or, later, accepted
    Ballot best;                          // what was accepted before, by the promises
    std::shared_ptr<const Layout> value;  // the layout accepted then, else mine
  };

  uint64_t number() const { return state_.decided->id().number + 1; }
  bool IsMember(NodeId node) const { return state_.decided->FindMember(node) != nullptr; }
  size_t Majority() const { return state_.decided->members().size() / 2 + 1; }
  AgreementMessage Make(AgreementMessage::Kind kind, Ballot ballot) const;
  void Persist(Output* out) const { out->persist = Encode(state_); }
  void SendToMembers(const AgreementMessage& message, Output* out) const;

  void BeginRound(int64_t now_micros, Output* out);
  void OnPrepare(NodeId from, const AgreementMessage& message, Output* out);
  void OnAccept(NodeId from, const AgreementMessage& message, Output* out);
  void OnPromise(NodeId from, const AgreementMessage& message, Output* out);
  void OnAccepted(NodeId from, const AgreementMessage& message, Output* out);
  void Decide(std::shared_ptr<const Layout> layout, Output* out);

  const NodeId self_;
  const Options options_;
  AgreementState state_;
  bool complete_ = false;
  std::optional<Proposal> proposal_;
};

}  // namespace kvfs::ring
