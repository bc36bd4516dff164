#include "kvcore/ring/layout_agreement.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "kvcore/ring/mix.h"

namespace kvfs::ring {
namespace {

using Kind = AgreementMessage::Kind;

constexpr uint64_t kMaxBackoff = 8;

}  // namespace

LayoutAgreement::LayoutAgreement(NodeId self, AgreementState state, Options options)
    : self_(self), options_(options), state_(std::move(state)) {
  assert(state_.decided != nullptr);
}

AgreementMessage LayoutAgreement::Make(Kind kind, Ballot ballot) const {
  return {.kind = kind, .number = number(), .ballot = ballot, .accepted = {}, .layout = nullptr};
}

void LayoutAgreement::SendToMembers(const AgreementMessage& message, Output* out) const {
  for (const Member& member : state_.decided->members()) {
    if (member.node != self_) {
      out->messages.push_back({member.node, message});
    }
  }
}

Result<LayoutAgreement::Output> LayoutAgreement::Propose(std::shared_ptr<const Layout> next,
                                                         int64_t now_micros) {
  if (next->id().number != number() || !IsMember(self_)) {
    return Status::InvalidArgument("layout " + std::to_string(next->id().number) +
                                   " cannot be proposed here: the newest is " +
                                   std::to_string(state_.decided->id().number));
  }
  if (proposal_ || !complete_) {
    return Status::Busy(proposal_ ? "a layout is being proposed"
                                  : "the change to the present layout is not complete");
  }
  proposal_ = Proposal{};
  proposal_->mine = std::move(next);
  proposal_->deadline_micros = now_micros + options_.proposal_micros;
  Output out;
  BeginRound(now_micros, &out);
  return out;
}

// The own promise is made durable with the rest of the output before any prepare leaves, so no
// ballot is ever used twice, also not after a crash.
void LayoutAgreement::BeginRound(int64_t now_micros, Output* out) {
  Proposal& p = *proposal_;
  const uint64_t round = std::max(p.highest_seen, state_.promised.round) + 1;
  p.ballot = {.round = round, .node = self_};
  p.preparing = true;
  p.voters.clear();
  p.best = {};
  p.value = p.mine;
  const uint64_t backoff = std::min(++p.rounds, kMaxBackoff);
  const uint64_t random =
      Mix(self_, round) % (backoff * static_cast<uint64_t>(options_.round_micros));
  p.next_round_micros = now_micros + options_.round_micros + static_cast<int64_t>(random);
  const AgreementMessage prepare = Make(Kind::kPrepare, p.ballot);
  SendToMembers(prepare, out);
  OnPrepare(self_, prepare, out);
}

LayoutAgreement::Output LayoutAgreement::Step(NodeId from, const AgreementMessage& message) {
  Output out;
  if (message.layout != nullptr &&
      message.layout->partition_count() != state_.decided->partition_count()) {
    return out;  // of another cluster, or nonsense
  }
  if (message.kind == Kind::kDecided) {
    if (message.layout->id().number >= number()) {
      Decide(message.layout, &out);
    }
    return out;
  }
  if (message.number < number()) {
    // The sender has missed what was decided.
    AgreementMessage decided = Make(Kind::kDecided, {});
    decided.number = state_.decided->id().number;
    decided.layout = state_.decided;
    out.messages.push_back({from, std::move(decided)});
    return out;
  }
  if (message.number > number()) {
    if (message.kind != Kind::kAsk) {
      out.messages.push_back({from, Make(Kind::kAsk, {})});
    }
    return out;
  }
  if (!IsMember(from) || !IsMember(self_)) {
    return out;
  }
  switch (message.kind) {
    case Kind::kPrepare:
      OnPrepare(from, message, &out);
      break;
    case Kind::kPromise:
      OnPromise(from, message, &out);
      break;
    case Kind::kAccept:
      OnAccept(from, message, &out);
      break;
    case Kind::kAccepted:
      OnAccepted(from, message, &out);
      break;
    case Kind::kRefused:
      if (proposal_ && message.ballot == proposal_->ballot) {
        proposal_->highest_seen = std::max(proposal_->highest_seen, message.accepted.round);
        proposal_->refused_incomplete |= message.accepted.round == 0;
      }
      break;
    case Kind::kDecided:
    case Kind::kAsk:
      break;
  }
  return out;
}

LayoutAgreement::Output LayoutAgreement::LayoutSeen(NodeId from, uint64_t seen) {
  Output out;
  if (seen >= number()) {
    out.messages.push_back({from, Make(Kind::kAsk, {})});
  }
  return out;
}

LayoutAgreement::Output LayoutAgreement::Tick(int64_t now_micros) {
  Output out;
  if (!proposal_) {
    return out;
  }
  if (now_micros >= proposal_->deadline_micros) {
    out.proposal = proposal_->refused_incomplete
                       ? Status::Busy("the change to the present layout is not complete everywhere")
                       : Status::Unavailable("no majority of the present layout's members answers");
    proposal_.reset();
  } else if (now_micros >= proposal_->next_round_micros) {
    BeginRound(now_micros, &out);
  }
  return out;
}

void LayoutAgreement::OnPrepare(NodeId from, const AgreementMessage& message, Output* out) {
  AgreementMessage reply = Make(Kind::kPromise, message.ballot);
  if (!complete_) {
    reply.kind = Kind::kRefused;
  } else if (message.ballot < state_.promised) {
    reply.kind = Kind::kRefused;
    reply.accepted = state_.promised;
  } else {
    if (message.ballot != state_.promised) {
      state_.promised = message.ballot;
      Persist(out);
    }
    reply.accepted = state_.accepted;
    reply.layout = state_.accepted_layout;
  }
  if (from == self_) {
    OnPromise(self_, reply, out);
  } else {
    out->messages.push_back({from, std::move(reply)});
  }
}

void LayoutAgreement::OnPromise(NodeId from, const AgreementMessage& message, Output* out) {
  if (!proposal_ || message.kind != Kind::kPromise || message.ballot != proposal_->ballot ||
      !proposal_->preparing) {
    return;
  }
  Proposal& p = *proposal_;
  p.voters.insert(from);
  if (message.accepted > p.best) {
    p.best = message.accepted;
    p.value = message.layout;
  }
  if (p.voters.size() < Majority()) {
    return;
  }
  p.preparing = false;
  p.voters.clear();
  AgreementMessage accept = Make(Kind::kAccept, p.ballot);
  accept.layout = p.value;
  SendToMembers(accept, out);
  OnAccept(self_, accept, out);
}

void LayoutAgreement::OnAccept(NodeId from, const AgreementMessage& message, Output* out) {
  AgreementMessage reply = Make(Kind::kAccepted, message.ballot);
  if (message.ballot < state_.promised) {
    reply.kind = Kind::kRefused;
    reply.accepted = state_.promised;
  } else if (message.ballot != state_.accepted) {
    state_.promised = message.ballot;
    state_.accepted = message.ballot;
    state_.accepted_layout = message.layout;
    Persist(out);
  }
  if (from == self_) {
    OnAccepted(self_, reply, out);
  } else {
    out->messages.push_back({from, std::move(reply)});
  }
}

void LayoutAgreement::OnAccepted(NodeId from, const AgreementMessage& message, Output* out) {
  if (!proposal_ || message.kind != Kind::kAccepted || message.ballot != proposal_->ballot ||
      proposal_->preparing) {
    return;
  }
  proposal_->voters.insert(from);
  if (proposal_->voters.size() >= Majority()) {
    AgreementMessage decided = Make(Kind::kDecided, message.ballot);
    decided.layout = proposal_->value;
    SendToMembers(decided, out);
    for (const Member& member : decided.layout->members()) {
      if (!IsMember(member.node)) {
        out->messages.push_back({member.node, decided});  // it joins by this layout
      }
    }
    Decide(decided.layout, out);
  }
}

void LayoutAgreement::Decide(std::shared_ptr<const Layout> layout, Output* out) {
  state_ = {
      .decided = std::move(layout), .promised = {}, .accepted = {}, .accepted_layout = nullptr};
  complete_ = false;
  Persist(out);
  out->decided = state_.decided;
  if (proposal_) {
    // A layout with a higher number may hide that ours was decided on the way.
    out->proposal = proposal_->mine->id() == state_.decided->id()
                        ? Status::Ok()
                        : Status::Conflict("another layout was decided: " +
                                           std::to_string(state_.decided->id().number));
    proposal_.reset();
  }
}

}  // namespace kvfs::ring
