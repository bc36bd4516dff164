#include "tests/sim/available_sets.h"

#include <utility>

namespace kvfs::sim {

using env::sim::Happens;
using env::sim::Uniform;
using replication::Assert;
using replication::ReadLevel;
using replication::Txn;
using replication::Write;

namespace {
constexpr size_t kLookedAtAtOnce = 500;  // elements
}  // namespace

Task<void> AvailableSets::Step(int client, int number) {
  const std::string pk = Pks()[Uniform(random(), 2)];
  const std::vector<Bytes>& all = names_[pk];
  if (all.empty() || Happens(random(), 0.5)) {
    co_await Change(client, number, pk, "e" + std::to_string(client) + "-" + std::to_string(number),
                    true);
    co_return;
  }
  const Bytes ck = all[Uniform(random(), all.size())];
  if (Happens(random(), 0.6)) {
    co_await Change(client, number, pk, ck, false);
  } else {
    std::vector<Bytes> some(1, ck);
    (void)co_await Look(client, pk, std::move(some), 4 * kSecond, true);
  }
}

Task<void> AvailableSets::Change(int client, int number, std::string pk, std::string ck, bool add) {
  // While it is under way it may have happened.
  Element& element = sets_[pk][ck];
  if (add) {
    names_[pk].push_back(ck);
  }
  element.perhaps_added |= add;
  element.perhaps_removed += add ? 0 : 1;
  Txn txn;
  txn.pk = pk;
  if (!add) {
    Assert there;
    there.kind = Assert::Kind::kPresent;
    there.ck = ck;
    txn.asserts.push_back(there);
  }
  txn.writes.push_back({add ? Write::Kind::kPut : Write::Kind::kErase, ck, add ? ck : ""});
  const Told told = co_await Submit(client, number, std::move(txn), true);
  if (told == Told::kOk) {
    (add ? element.added : element.removed) = true;
  } else if (!add && told != Told::kUnknown) {
    --element.perhaps_removed;  // it was refused
  }
  ++done_;
}

Task<std::optional<std::vector<bool>>> AvailableSets::Look(int client, std::string pk,
                                                           std::vector<Bytes> cks, int64_t patience,
                                                           bool available) {
  replication::Without without;
  without.available = available;
  const auto items = co_await At(client).Read(pk, cks, patience, ReadLevel::kQuorum, without);
  if (!items.ok()) {
    co_return std::nullopt;
  }
  std::vector<bool> there;
  for (size_t i = 0; i < cks.size(); ++i) {
    const auto& item = (*items)[i];
    there.push_back(item.has_value());
    if (item.has_value() && !sets_[pk][cks[i]].perhaps_added) {
      wrong_ = pk + "/" + cks[i] + " is there and nobody has added it";
    }
    // Of one that was added again on the way to a majority a branch may show two copies.
    if (item.has_value() && !available && item->siblings.size() != 1) {
      wrong_ = pk + "/" + cks[i] + " was added once and is there " +
               std::to_string(item->siblings.size()) + " times";
    }
  }
  ++done_;
  co_return there;
}

Task<std::string> AvailableSets::Check() {
  for (const std::string& pk : Pks()) {
    const std::vector<Bytes>& all = names_[pk];
    for (size_t next = 0; next < all.size();) {
      std::vector<Bytes> some;
      for (; next < all.size() && some.size() < kLookedAtAtOnce; ++next) {
        some.push_back(all[next]);
      }
      const auto there = co_await Look(0, pk, some, 30 * kSecond, false);
      if (!there.has_value()) {
        co_return "nobody answers for " + pk;
      }
      for (size_t i = 0; i < some.size(); ++i) {
        const Element& element = sets_[pk][some[i]];
        if (element.added && !element.removed && element.perhaps_removed == 0 && !(*there)[i]) {
          co_return pk + "/" + some[i] + " was added, and is gone";
        }
        if (element.removed && (*there)[i]) {
          co_return pk + "/" + some[i] + " was taken away by who saw it, and is there";
        }
      }
    }
  }
  co_return wrong_;
}

}  // namespace kvfs::sim
