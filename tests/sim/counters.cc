#include "tests/sim/counters.h"

#include <algorithm>
#include <utility>

namespace kvfs::sim {

using env::sim::Happens;
using replication::Assert;
using replication::Txn;
using replication::Write;

Task<std::optional<Counters::Seen>> Counters::ReadBoth(int client, std::string pk,
                                                       int64_t patience) {
  Look look;
  look.begin = Now();
  std::vector<Bytes> cks = {"count", "mirror"};
  const auto items = co_await At(client).Read(pk, cks, patience);
  if (!items.ok()) {
    co_return std::nullopt;
  }
  look.end = Now();
  Seen seen;
  std::vector<std::string> values;
  for (const auto& item : *items) {
    values.push_back(item.has_value() ? item->value() : "0");
  }
  if (values[0] != values[1]) {
    apart_ = pk + " holds " + values[0] + " and " + values[1] + " at " + std::to_string(Now());
  }
  look.value = seen.value = std::stoull(values[0]);
  if ((*items)[0].has_value()) {
    seen.version = (*items)[0]->version;
  }
  if (look.begin > power_lost_) {
    counters_[pk].looks.push_back(look);
  }
  ++done_;
  co_return seen;
}

Task<void> Counters::Step(int client, int number) {
  const std::string pk = Happens(random(), 0.7) ? "up" : "down";
  const auto seen = co_await ReadBoth(client, pk, 2 * kSecond);
  if (!seen.has_value() || Happens(random(), 0.3)) {
    co_return;
  }
  Txn txn;
  txn.pk = pk;
  Assert same;
  same.kind = Assert::Kind::kVersion;
  same.ck = "count";
  same.version = seen->version;
  txn.asserts.push_back(same);
  const std::string next = std::to_string(seen->value + 1);
  txn.writes.push_back({Write::Kind::kPut, "count", next});
  txn.writes.push_back({Write::Kind::kPut, "mirror", next});
  Addition addition;
  addition.begin = Now();
  const Told told = co_await Submit(client, number, std::move(txn));
  if (told == Told::kOk) {
    addition.end = Now();
  }
  if (told == Told::kOk || told == Told::kUnknown) {
    counters_[pk].additions.push_back(addition);
  }
  ++done_;
}

void Counters::AllLostPower() {
  power_lost_ = Now();
  for (auto& [pk, counter] : counters_) {
    counter.looks.clear();
  }
}

Task<std::string> Counters::Check() {
  if (!apart_.empty()) {
    co_return "counter and mirror differ: " + apart_;
  }
  for (const std::string& pk : Pks()) {
    const auto seen = co_await ReadBoth(0, pk, 30 * kSecond);
    if (!seen.has_value()) {
      co_return "nobody answers for " + pk;
    }
    const Counter& counter = counters_[pk];
    for (const Look& look : counter.looks) {
      uint64_t least = 0, most = 0;
      for (const Addition& addition : counter.additions) {
        least += addition.end < look.begin ? 1 : 0;
        most += addition.begin <= look.end ? 1 : 0;
      }
      for (const Look& earlier : counter.looks) {
        least = earlier.end < look.begin ? std::max(least, earlier.value) : least;
      }
      if (look.value < least || look.value > most) {
        co_return "counter " + pk + " read as " + std::to_string(look.value) + " in [" +
            std::to_string(look.begin) + ", " + std::to_string(look.end) + "]; it was between " +
            std::to_string(least) + " and " + std::to_string(most);
      }
    }
  }
  co_return "";
}

}  // namespace kvfs::sim
