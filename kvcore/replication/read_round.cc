#include "kvcore/replication/read_round.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/messages.h"

namespace kvfs::replication {

ReadRound::ReadRound(std::vector<env::NodeId> homes, ReadLevel level)
    : order_(std::move(homes)), level_(level) {
  for (const env::NodeId home : order_) {
    homes_[home];
  }
}

size_t ReadRound::needed() const {
  switch (level_) {
    case ReadLevel::kOne:
      return 1;
    case ReadLevel::kQuorum:
      return order_.size() / 2 + 1;
    case ReadLevel::kAll:
      break;
  }
  return order_.size();
}

std::vector<ReadRound::Ask> ReadRound::AskForValues(env::NodeId number) {
  Home& home = homes_[number];
  ++home.asked;
  home.for_values = true;
  return {{number, false}};
}

std::vector<ReadRound::Ask> ReadRound::Begin() {
  std::vector<Ask> asks = AskForValues(order_[0]);
  for (size_t i = 1; i < order_.size() && level_ != ReadLevel::kOne; ++i) {
    ++homes_[order_[i]].asked;
    asks.push_back({order_[i], true});
  }
  return asks;
}

std::vector<ReadRound::Ask> ReadRound::AskNextForValues() {
  for (const env::NodeId number : order_) {
    const Home& home = homes_[number];
    if (!home.for_values && !home.failed) {
      return AskForValues(number);
    }
  }
  return {};
}

std::vector<ReadRound::Ask> ReadRound::Hedge() {
  if (verdict() != Verdict::kOpen || (!values_.empty() && !Agreed().has_value())) {
    return {};
  }
  return AskNextForValues();
}

std::optional<PkState> ReadRound::Agreed() const {
  std::map<PkState, size_t> counts;
  for (const auto& [number, home] : homes_) {
    if (home.state.has_value() && ++counts[*home.state] >= needed()) {
      return home.state;
    }
  }
  return std::nullopt;
}

std::vector<ReadRound::Ask> ReadRound::Answer(env::NodeId number,
                                              std::optional<pb::ReadReply> reply) {
  Home& home = homes_[number];
  --home.asked;
  if (!reply.has_value()) {
    home.failed = home.asked == 0 && !home.state.has_value();
    if (home.for_values && values_.empty()) {
      return AskNextForValues();
    }
  } else {
    const PkState state = FromProto(reply->state());
    // A state only goes forward; of two answers that overtook each other the later one counts.
    home.state = std::max(home.state.value_or(state), state);
    if (!reply->state_only()) {
      values_[state] = std::move(*reply);
    }
  }
  const std::optional<PkState> agreed = Agreed();
  if (reply_.has_value() || !agreed.has_value()) {
    return {};
  }
  if (const auto found = values_.find(*agreed); found != values_.end()) {
    reply_ = found->second;
    return {};
  }
  // Nobody has sent the values of the state they agree on yet.
  for (const auto& [other, asked] : homes_) {
    if (asked.state == agreed && asked.for_values && asked.asked > 0) {
      return {};
    }
  }
  for (const env::NodeId other : order_) {
    if (homes_[other].state == agreed && !homes_[other].for_values) {
      return AskForValues(other);
    }
  }
  return {};
}

ReadRound::Verdict ReadRound::verdict() const {
  if (reply_.has_value()) {
    return Verdict::kDecided;
  }
  size_t open = 0;  // may yet tell any state
  size_t requests = 0;
  std::map<PkState, size_t> counts;
  size_t most = 0;
  for (const auto& [number, home] : homes_) {
    requests += static_cast<size_t>(home.asked);
    if (home.state.has_value()) {
      most = std::max(most, ++counts[*home.state]);
    } else if (!home.failed) {
      ++open;
    }
  }
  return requests == 0 || most + open < needed() ? Verdict::kDiffer : Verdict::kOpen;
}

std::vector<env::NodeId> ReadRound::Others() const {
  std::vector<env::NodeId> others;
  for (const env::NodeId number : order_) {
    const auto& state = homes_.at(number).state;
    if (reply_.has_value() && state.has_value() && *state < FromProto(reply_->state())) {
      others.push_back(number);
    }
  }
  return others;
}

}  // namespace kvfs::replication
