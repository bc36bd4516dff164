#include "kvcore/antientropy/exchange.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "kvcore/antientropy/antientropy_test_support.h"

namespace kvfs::antientropy {
namespace {

using replication::ChunkId;
using replication::Method;

constexpr uint32_t kBits = 8;

std::vector<uint32_t> EveryPartition() {
  std::vector<uint32_t> all;
  for (uint32_t i = 0; i < 1u << kBits; ++i) {
    all.push_back(i);
  }
  return all;
}

struct Side {
  testing::MemoryLocalStore base;
  MerkleStore store{kBits, "cluster", &base};
  Service service{&store};
};

// Calls go to the other side; its answers may be tampered with.
class OtherSide final : public replication::Peers {
 public:
  explicit OtherSide(Side* side) : side_(side) {}
  Task<Result<Bytes>> Call(env::NodeId, Method method, Bytes body, int64_t) override {
    if (is_away) {
      co_return Status(Code::kOutcomeUnknown, "no answer");
    }
    ++calls;
    bytes += body.size();
    auto answer = side_->service.Handle(method, body);
    bytes += answer.ok() ? answer->size() : 0;
    if (answer.ok() && !garbage.empty()) {
      answer = garbage;
    }
    co_return answer;
  }
  bool is_away = false;
  Bytes garbage;
  int calls = 0;
  size_t bytes = 0;

 private:
  Side* const side_;
};

Result<Differences> Compare(Side* own, OtherSide* other, Tree tree) {
  Exchange exchange({}, &own->store, &own->service, other);
  auto task = exchange.Compare(2, tree, EveryPartition(), kBits);
  EXPECT_TRUE(task.await_ready());  // nothing here waits
  return task.await_resume();
}

TEST(Exchange, FindsWhatDiffers) {
  Side here, there;
  OtherSide other(&there);
  std::set<Bytes> differing;
  for (int i = 0; i < 2000; ++i) {
    const Bytes pk = "pk" + std::to_string(i);
    Put(&here.store, {StatePut(pk, StateOf(1, 5))});
    if (i % 500 == 0) {
      differing.insert(pk);  // only here
    } else {
      Put(&there.store, {StatePut(pk, StateOf(1, i % 500 == 1 ? 6 : 5))});
      if (i % 500 == 1) {
        differing.insert(pk);
      }
    }
  }
  Put(&there.store, {StatePut("only there", StateOf(1, 1))});
  differing.insert("only there");
  const auto found = Compare(&here, &other, Tree::kKeys);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->keys, differing);
  const auto none = Compare(&here, &other, Tree::kChunks);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->chunks.empty());
}

TEST(Exchange, FindsReferencesThatAreMissingOrOlderHere) {
  Side here, there;
  OtherSide other(&there);
  const auto chunk = [](int i) { return Sha256("chunk" + std::to_string(i)); };
  for (int i = 0; i < 10; ++i) {
    Put(&there.store, {ReferencePut(chunk(i), {1, 1, 0, 0}, StateOf(2, 1))});
    if (i != 3) {
      Put(&here.store, {ReferencePut(chunk(i), {1, 1, 0, 0}, StateOf(i == 4 ? 1 : 2, 1))});
    }
  }
  Put(&here.store, {ReferencePut(chunk(5), {1, 2, 0, 0}, StateOf(2, 1)),  // more here is no matter
                    ReferencePut(chunk(77), {1, 2, 0, 0}, StateOf(2, 1))});
  const auto found = Compare(&here, &other, Tree::kChunks);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->chunks, (std::set<ChunkId>{chunk(3), chunk(4)}));
}

TEST(Exchange, TenDifferencesInManyKeysTakeLittleOnTheWire) {
  const char* const is_long = std::getenv("KVFS_LONG");
  const int keys = is_long != nullptr && *is_long == '1' ? 1'000'000 : 100'000;
  Side here, there;
  OtherSide other(&there);
  std::set<Bytes> differing;
  for (int i = 0; i < keys;) {
    std::vector<replication::StoreWrite> ours, theirs;
    for (const int end = std::min(keys, i + 1000); i < end; ++i) {
      const Bytes pk = "i" + std::to_string(i);
      ours.push_back(StatePut(pk, StateOf(1, 5)));
      theirs.push_back(StatePut(pk, StateOf(1, i % (keys / 10) == 7 ? 4 : 5)));
      if (i % (keys / 10) == 7) {
        differing.insert(pk);
      }
    }
    Put(&here.store, std::move(ours));
    Put(&there.store, std::move(theirs));
  }
  const auto found = Compare(&here, &other, Tree::kKeys);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->keys, differing);
  EXPECT_EQ(differing.size(), 10u);
  EXPECT_LE(other.bytes, 64u << 10);
  EXPECT_LE(other.calls, 4);  // roots, sixteenths, places, what they hold
  std::printf("%d keys, 10 differences: %zu bytes in %d calls\n", keys, other.bytes, other.calls);
}

TEST(Exchange, APeerThatIsAwayOrAnswersNonsenseIsAnError) {
  Side here, there;
  OtherSide other(&there);
  Put(&there.store, {StatePut("pk", StateOf(1, 1))});
  other.is_away = true;
  EXPECT_EQ(Compare(&here, &other, Tree::kKeys).status().code(), Code::kUnavailable);
  other.is_away = false;
  for (const Bytes& garbage : {Bytes("x"), Bytes("\x0a\x01z"), Bytes(100, '\xff')}) {
    other.garbage = garbage;
    EXPECT_EQ(Compare(&here, &other, Tree::kKeys).status().code(), Code::kInvalidArgument);
  }
}

TEST(Service, RefusesWhatNoNodeWouldAsk) {
  Side side;
  const auto refuses = [&](Method method, const auto& request) {
    return side.service.Handle(method, request.SerializeAsString()).status().code() ==
           Code::kInvalidArgument;
  };
  pb::SumsRequest sums = SumsRequestOf(Tree::kKeys, {{0, 256, 16}});
  EXPECT_TRUE(side.service.Handle(Method::kSums, sums.SerializeAsString()).ok());
  sums.set_tree(2);
  EXPECT_TRUE(refuses(Method::kSums, sums));
  EXPECT_TRUE(refuses(Method::kSums, SumsRequestOf(Tree::kKeys, {{0, 256, 0}})));
  EXPECT_TRUE(refuses(Method::kSums, SumsRequestOf(Tree::kKeys, {{0, 255, 16}})));
  EXPECT_TRUE(refuses(Method::kSums, SumsRequestOf(Tree::kKeys, {{65'000, 1000, 1}})));
  EXPECT_TRUE(refuses(Method::kSums, SumsRequestOf(Tree::kKeys, {{0, 65'536, 1}, {0, 1, 1}})));
  EXPECT_EQ(side.service.Handle(Method::kSums, "\xff\xff").status().code(), Code::kInvalidArgument);
  pb::PlacesRequest places;
  places.add_places(65'536);
  EXPECT_TRUE(refuses(Method::kPlaces, places));
  EXPECT_EQ(side.service.Handle(Method::kPlaces, "\xff").status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace kvfs::antientropy
