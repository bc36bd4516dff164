// The pure cores, held against a map: contexts where more than one actor wrote.
#include <gtest/gtest.h>

#include <map>

#include "kvcore/replication/chunk_plan.h"
#include "kvcore/replication/transaction.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {
namespace {

class MapItems final : public ItemSource {
 public:
  Result<std::optional<Bytes>> Read(ByteView key) override {
    ++reads;
    const auto at = items.find(Bytes(key));
    return at == items.end() ? std::optional<Bytes>() : std::optional<Bytes>(at->second);
  }
  Result<bool> Contains(ByteView key) override {
    ++reads;
    return items.contains(Bytes(key));
  }
  Result<bool> AnyKey(ByteView begin, ByteView end,
                      const std::function<bool(ByteView)>& accept) override {
    for (auto at = items.lower_bound(Bytes(begin)); at != items.end() && at->first < end; ++at) {
      if (accept(at->first)) {
        return true;
      }
    }
    return false;
  }
  void Apply(const std::vector<StoreWrite>& writes) {
    for (const StoreWrite& write : writes) {
      if (write.kind == StoreWrite::Kind::kPut) {
        items[write.key] = write.value;
      } else if (write.kind == StoreWrite::Kind::kPutLarge) {
        items[write.key] = Bytes(write.large);
      } else {
        items.erase(write.key);
      }
    }
  }

  std::map<Bytes, Bytes> items;
  int reads = 0;
};

Txn PutTxn(Bytes value) {
  return {"dir", {}, {{Write::Kind::kPut, "a", std::move(value)}}, {}, {}};
}
TxnContext ContextOf(uint64_t epoch, uint64_t counter, bool one_actor) {
  TxnContext context;
  context.place = PlaceOf("dir");
  context.dot = {epoch, counter};
  context.time = 5;
  context.epoch = {1, 1};
  context.one_actor = one_actor;
  return context;
}
versioning::VersionedValue Stored(const MapItems& items) {
  return versioning::Decode(items.items.at(PkPrefix("dir") + "a")).value();
}

TEST(PlanTxn, WithSeveralActorsAPutCoversWhatItOverwrites) {
  MapItems items;
  items.Apply(PlanTxn(PutTxn("old"), ContextOf(1, 7, true), &items)->writes);
  items.Apply(PlanTxn(PutTxn("new"), ContextOf(2, 1, false), &items)->writes);
  const auto value = Stored(items);
  ASSERT_EQ(value.siblings.size(), 1u);
  EXPECT_EQ(value.siblings[0].value, "new");
  EXPECT_TRUE(versioning::Covers(value.context, {1, 7}));
  EXPECT_TRUE(versioning::Covers(value.context, {2, 1}));
}

TEST(PlanTxn, OneActorLeavesTheSameStateWithoutReading) {
  MapItems blind, reading;
  for (uint64_t counter = 1; counter < 4; ++counter) {
    blind.Apply(PlanTxn(PutTxn("v"), ContextOf(1, counter, true), &blind)->writes);
    reading.Apply(PlanTxn(PutTxn("v"), ContextOf(1, counter, false), &reading)->writes);
  }
  EXPECT_EQ(blind.items, reading.items);
  EXPECT_EQ(blind.reads, 3);  // of the state item
  EXPECT_EQ(reading.reads, 6);
}

TEST(PlanTxn, ANewEpochBeginsItsSequenceAgain) {
  MapItems items;
  TxnContext context = ContextOf(1, 1, true);
  items.Apply(PlanTxn(PutTxn("v"), context, &items)->writes);
  items.Apply(PlanTxn(PutTxn("v"), context, &items)->writes);
  const Bytes key = PkPrefix("dir") + Bytes(1, kStateCk);
  EXPECT_EQ(DecodePkState(items.items.at(key)).value(), (PkState{{1, 1}, 2}));
  context.epoch.number = 2;
  items.Apply(PlanTxn(PutTxn("v"), context, &items)->writes);
  EXPECT_EQ(DecodePkState(items.items.at(key)).value(), (PkState{{2, 1}, 1}));
}

TEST(PlanTxn, DamagedItemsAreCorruptionNotAConflict) {
  MapItems items;
  items.items[PkPrefix("dir") + "a"] = "junk";
  Txn txn = PutTxn("v");
  txn.asserts = {{Assert::Kind::kPresent, "a", {}}};
  EXPECT_EQ(PlanTxn(txn, ContextOf(1, 1, true), &items).status().code(), Code::kCorruption);
}

TEST(PlanChunk, AtMostOneReadPerPut) {
  MapItems items;
  const Bytes data = "bytes";
  for (int i = 0; i < 3; ++i) {
    auto changes = GroupByChunk({{Sha256(data), {1, static_cast<uint64_t>(i), 0, 0}, data}}, {});
    ASSERT_EQ(changes.size(), 1u);
    std::vector<StoreWrite> writes;
    ASSERT_TRUE(PlanChunk({{1, 1}, 5, true}, &items, &changes[0], &writes).ok());
    EXPECT_EQ(writes.size(), i == 0 ? 2u : 1u);  // the bytes once
    items.Apply(writes);
  }
  EXPECT_EQ(items.reads, 3);
}

}  // namespace
}  // namespace kvfs::replication
