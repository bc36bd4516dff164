#include "kvcore/replication/read_round.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/messages.h"

namespace kvfs::replication {

ReadRound::ReadRound(Electorate electorate, ReadLevel level)
    : electorate_(std::move(electorate)), level_(level) {
  for (const env::NodeId home : electorate_.homes) {
    homes_[home];
  }
}

template <typename Holds>
bool ReadRound::IsEnough(const Holds& holds) const {
  const auto& all = electorate_.homes;
  switch (level_) {
    case ReadLevel::kOne:
      return std::any_of(all.begin(), all.end(), holds);
    case ReadLevel::kQuorum:
      return electorate_.HasMajority(holds);
    case ReadLevel::kAll:
      break;
  }
  return std::all_of(all.begin(), all.end(), holds);
}

std::vector<ReadRound::Ask> ReadRound::AskForValues(env::NodeId number) {
  Home& home = homes_[number];
  ++home.asked;
  home.for_values = true;
  return {{number, false}};
}

std::vector<ReadRound::Ask> ReadRound::Begin() {
  const std::vector<env::NodeId>& order = electorate_.homes;
  std::vector<Ask> asks = AskForValues(order[0]);
  for (size_t i = 1; i < order.size() && level_ != ReadLevel::kOne; ++i) {
    ++homes_[order[i]].asked;
    asks.push_back({order[i], true});
  }
  return asks;
}

std::vector<ReadRound::Ask> ReadRound::AskNextForValues() {
  for (const env::NodeId number : electorate_.homes) {
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
  for (const auto& [number, home] : homes_) {
    const std::optional<PkState>& state = home.state;
    if (state.has_value() &&
        IsEnough([&](env::NodeId other) { return homes_.at(other).state == state; })) {
      return state;
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
  for (const env::NodeId other : electorate_.homes) {
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
  bool is_asking = false;
  // Of the states told so far, and of one that nobody has told yet, whether enough may come to tell
  // it.
  const auto may_agree_on = [&](const std::optional<PkState>& state) {
    return IsEnough([&](env::NodeId number) {
      const Home& home = homes_.at(number);
      return home.state.has_value() ? home.state == state : !home.failed;
    });
  };
  bool may_agree = may_agree_on(std::nullopt);
  for (const auto& [number, home] : homes_) {
    is_asking = is_asking || home.asked > 0;
    may_agree = may_agree || (home.state.has_value() && may_agree_on(home.state));
  }
  return is_asking && may_agree ? Verdict::kOpen : Verdict::kDiffer;
}

std::vector<env::NodeId> ReadRound::Others() const {
  std::vector<env::NodeId> others;
  for (const env::NodeId number : electorate_.homes) {
    const auto& state = homes_.at(number).state;
    if (reply_.has_value() && state.has_value() && *state < FromProto(reply_->state())) {
      others.push_back(number);
    }
  }
  return others;
}

}  // namespace kvfs::replication
