#include "tests/sim/registers.h"

#include <utility>

namespace kvfs::sim {
namespace {

using env::sim::Happens;
using env::sim::Uniform;
using replication::Assert;
using replication::Item;
using replication::Txn;
using replication::Write;

constexpr int kStepsPerName = 100;  // then other registers: a history must stay searchable

}  // namespace

Registers::Registers(const WorkloadParts& parts) : Workload(parts) {
  const std::vector<std::string> names = {"one", "two", "three", "four"};
  pks_.assign(names.begin(), names.begin() + 1 + static_cast<int64_t>(Uniform(random(), 4)));
}

Task<void> Registers::Step(int client, int number) {
  const std::string pk = pks_[Uniform(random(), pks_.size())];
  const std::string ck =
      (Happens(random(), 0.8) ? "a" : "b") + std::to_string(number / kStepsPerName);
  if (Happens(random(), 0.4)) {
    (void)co_await Read(client, pk, ck);
  } else {
    const bool is_swap = Happens(random(), 0.5);
    co_await Change(client, number, pk, ck, is_swap);
  }
}

Task<Registers::ReadResult> Registers::Read(int client, std::string pk, std::string ck) {
  Operation operation{
      pk + "/" + ck, Operation::Kind::kRead, "", "", Operation::Result::kOk, Now(), INT64_MAX,
      client};
  std::vector<Bytes> cks(1, ck);
  auto items = co_await At(client).Read(pk, cks, 2 * kSecond);
  if (!items.ok()) {
    co_return std::nullopt;
  }
  std::optional<Item> item = std::move((*items)[0]);
  operation.end = Now();
  operation.value = item.has_value() ? item->value() : "";
  if (operation.begin > power_lost_) {
    told_.push_back(operation);
  }
  ++done_;
  co_return item;
}

Task<void> Registers::Change(int client, int number, std::string pk, std::string ck, bool is_swap) {
  Operation operation;
  operation.key = pk + "/" + ck;
  operation.client = client;
  operation.value = std::to_string(client) + "-" + std::to_string(number);
  operation.kind = is_swap ? Operation::Kind::kSwap : Operation::Kind::kWrite;
  Txn txn;
  txn.pk = pk;
  txn.writes.push_back({Write::Kind::kPut, ck, operation.value});
  if (is_swap) {
    auto item = co_await Read(client, pk, ck);
    if (!item.has_value()) {
      co_return;
    }
    Assert assertion;
    assertion.kind = item->has_value() ? Assert::Kind::kVersion : Assert::Kind::kAbsent;
    assertion.ck = ck;
    if (item->has_value()) {
      assertion.version = (*item)->version;
      operation.expected = (*item)->value();
    }
    txn.asserts.push_back(assertion);
  }
  operation.begin = Now();
  const Told told = co_await Submit(client, number, std::move(txn));
  if (told == Told::kNever) {
    co_return;
  }
  if (told != Told::kUnknown) {
    operation.end = Now();
    operation.result = told == Told::kOk ? Operation::Result::kOk : Operation::Result::kConflict;
  }
  if (told != Told::kConflict || operation.begin > power_lost_) {
    told_.push_back(operation);
  }
  ++done_;
}

void Registers::AllLostPower() {
  power_lost_ = Now();
  std::erase_if(told_, [](const Operation& operation) {
    return operation.kind == Operation::Kind::kRead ||
           operation.result == Operation::Result::kConflict;
  });
}

Task<std::string> Registers::Check() {
  History history;
  for (const Operation& operation : told_) {
    history.Add(operation);
  }
  co_return history.FindViolation().value_or("");
}

}  // namespace kvfs::sim
