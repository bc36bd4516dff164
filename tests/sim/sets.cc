#include "tests/sim/sets.h"

#include <utility>

namespace kvfs::sim {

using env::sim::Happens;
using env::sim::Uniform;
using replication::Assert;
using replication::Txn;
using replication::Write;

Task<void> Sets::Step(int client, int number) {
  const std::string pk = Pks()[Uniform(random(), 2)];
  Elements& set = sets_[pk];
  std::vector<Bytes> own, all;
  for (const auto& [ck, element] : set) {
    all.push_back(ck);
    if (element.owner == client && element.is == Is::kThere) {
      own.push_back(ck);
    }
  }
  if (!all.empty() && Happens(random(), 0.3)) {
    std::vector<Bytes> some;
    for (int i = 0; i < 5; ++i) {
      some.push_back(all[Uniform(random(), all.size())]);
    }
    (void)co_await Look(client, pk, std::move(some), 2 * kSecond);
  } else if (!own.empty() && Happens(random(), 0.3)) {
    const Bytes ck = own[Uniform(random(), own.size())];
    co_await Change(client, number, pk, ck, false);
  } else {
    const std::string ck = "e" + std::to_string(client) + "-" + std::to_string(number);
    co_await Change(client, number, pk, ck, true);
  }
}

Task<void> Sets::Change(int client, int number, std::string pk, std::string ck, bool add) {
  Element& element = sets_[pk][ck];
  element.owner = client;
  const Is before = add ? Is::kGone : Is::kThere;
  element.is = Is::kEither;
  ++element.changes;
  Txn txn;
  txn.pk = pk;
  Assert assertion;
  assertion.kind = add ? Assert::Kind::kAbsent : Assert::Kind::kPresent;
  assertion.ck = ck;
  txn.asserts.push_back(assertion);
  txn.writes.push_back({add ? Write::Kind::kPut : Write::Kind::kErase, ck, add ? "here" : ""});
  const Told told = co_await Submit(client, number, std::move(txn));
  ++element.changes;
  if (told == Told::kConflict) {
    wrong_ = pk + "/" + ck + (add ? " was there before it was added" : " was lost or taken twice");
  } else if (told != Told::kUnknown) {
    element.is = told == Told::kNever ? before : add ? Is::kThere : Is::kGone;
  }
  ++done_;
}

Task<bool> Sets::Look(int client, std::string pk, std::vector<Bytes> cks, int64_t patience) {
  const Elements before = sets_[pk];
  const auto items = co_await At(client).Read(pk, cks, patience);
  if (!items.ok()) {
    co_return false;
  }
  for (size_t i = 0; i < cks.size(); ++i) {
    const Element& element = before.at(cks[i]);
    const bool there = (*items)[i].has_value();
    if (element.is != Is::kEither && element.changes == sets_[pk][cks[i]].changes &&
        there != (element.is == Is::kThere)) {
      wrong_ = pk + "/" + cks[i] + (there ? " is there again" : " is gone") + " at " +
               std::to_string(Now());
    }
  }
  ++done_;
  co_return true;
}

Task<std::string> Sets::Check() {
  for (const std::string& pk : Pks()) {
    std::vector<Bytes> all;
    for (const auto& [ck, element] : sets_[pk]) {
      all.push_back(ck);
    }
    const bool answered = co_await Look(0, pk, std::move(all), 30 * kSecond);
    if (!answered) {
      co_return "nobody answers for " + pk;
    }
  }
  co_return wrong_;
}

}  // namespace kvfs::sim
