#include <gtest/gtest.h>

#include <random>

#include "kvcore/versioning/hybrid_clock.h"
#include "kvcore/versioning/merge.h"
#include "kvcore/versioning/version.h"

namespace kvfs::versioning {
namespace {

Sibling MakeSibling(uint64_t epoch, uint64_t counter, Bytes value, HybridTime time = 7) {
  return {.dot = {epoch, counter}, .time = time, .tombstone = false, .value = std::move(value)};
}

// Replicas that write, with everything or only a part of it seen, and that merge.
class Replicas {
 public:
  explicit Replicas(uint32_t seed) : random_(seed), states_(4) {
    for (int i = 0; i < 40; ++i) {
      Step();
    }
  }
  const std::vector<VersionedValue>& states() const { return states_; }

 private:
  size_t Below(size_t n) { return random_() % n; }
  void Step() {
    const size_t who = Below(states_.size());
    VersionedValue& state = states_[who];
    if (Below(3) == 0) {
      state = Merge(state, states_[Below(states_.size())]);
      return;
    }
    Sibling written{.dot = {100 + who, ++counters_[who]},
                    .time = Below(1000),
                    .tombstone = Below(4) == 0,
                    .value = {}};
    if (!written.tombstone) {
      written.value = std::to_string(Below(100));
    }
    if (Below(2) == 0) {
      state = Supersede(state, std::move(written));
    } else {
      state = Update(state, seen_[who], std::move(written));
    }
    if (Below(3) == 0) {
      seen_[who] = state.context;
    }
  }

  std::mt19937 random_;
  std::vector<VersionedValue> states_;
  uint64_t counters_[4] = {};
  Context seen_[4];
};

TEST(VersionCodec, ALoneSiblingCostsTwentyBytes) {
  const VersionedValue value = Supersede({}, MakeSibling(5, 300, "hello"));
  Bytes encoded;
  Encode(value, &encoded);
  EXPECT_EQ(encoded.size(), 1u + 8 + 2 + 8 + 5);
  const auto decoded = Decode(encoded);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, value);
}

TEST(VersionCodec, RoundTripOfReachableStates) {
  size_t with_siblings = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const Replicas replicas(seed);
    for (const VersionedValue& state : replicas.states()) {
      if (state.siblings.empty()) {
        continue;
      }
      with_siblings += state.siblings.size() > 1 ? 1 : 0;
      Bytes encoded;
      Encode(state, &encoded);
      const auto decoded = Decode(encoded);
      ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
      ASSERT_EQ(*decoded, state);
    }
  }
  EXPECT_GT(with_siblings, 50u);
}

TEST(VersionCodec, EveryCutIsRefusedOrCanonical) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    const Replicas replicas(seed);
    std::mt19937 random(seed);
    for (const VersionedValue& state : replicas.states()) {
      if (state.siblings.empty()) {
        continue;
      }
      Bytes encoded;
      Encode(state, &encoded);
      for (size_t size = 0; size <= encoded.size(); ++size) {
        Bytes damaged = encoded.substr(0, size);
        if (size > 0) {
          damaged[random() % size] = static_cast<char>(random());
        }
        const auto decoded = Decode(damaged);
        if (!decoded.ok()) {
          EXPECT_EQ(decoded.status().code(), Code::kCorruption);
          continue;
        }
        Bytes again;
        Encode(*decoded, &again);
        EXPECT_EQ(again, damaged);  // one state, one encoding
      }
    }
  }
}

TEST(VersionMerge, CommutativeAssociativeIdempotent) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const Replicas replicas(seed);
    const auto& s = replicas.states();
    for (size_t i = 0; i < s.size(); ++i) {
      ASSERT_EQ(Merge(s[i], s[i]), s[i]);
      for (size_t j = 0; j < s.size(); ++j) {
        const VersionedValue both = Merge(s[i], s[j]);
        ASSERT_EQ(both, Merge(s[j], s[i])) << seed;
        ASSERT_EQ(both, Merge(both, s[i])) << seed;
        for (size_t k = 0; k < s.size(); ++k) {
          ASSERT_EQ(Merge(both, s[k]), Merge(s[i], Merge(s[j], s[k]))) << seed;
        }
      }
    }
  }
}

TEST(VersionMerge, ConcurrentWritesBecomeSiblingsAndAWriteThatSawThemEndsThem) {
  const VersionedValue base = Supersede({}, MakeSibling(1, 1, "base"));
  const VersionedValue left = Supersede(base, MakeSibling(1, 2, "left", 10));
  const VersionedValue right = Supersede(base, MakeSibling(2, 1, "right", 20));
  const VersionedValue both = Merge(left, right);
  ASSERT_EQ(both.siblings.size(), 2u);
  EXPECT_EQ(Winner(both.siblings).value, "right");
  const VersionedValue resolved = Supersede(both, MakeSibling(1, 3, "resolved"));
  ASSERT_EQ(resolved.siblings.size(), 1u);
  EXPECT_EQ(Merge(resolved, left), resolved);
  EXPECT_EQ(Merge(right, resolved), resolved);
}

TEST(VersionMerge, AnEditBesideADeleteIsStillThere) {
  const VersionedValue base = Supersede({}, MakeSibling(1, 1, "base"));
  const VersionedValue erased =
      Supersede(base, {.dot = {1, 2}, .time = 99, .tombstone = true, .value = {}});
  EXPECT_TRUE(IsAbsent(erased));
  EXPECT_EQ(IdOf(erased), VersionId{});
  const VersionedValue both = Merge(erased, Supersede(base, MakeSibling(2, 1, "edit", 1)));
  EXPECT_FALSE(IsAbsent(both));
  EXPECT_EQ(Winner(both.siblings).value, "edit");
}

TEST(VersionId, TellsStatesApart) {
  EXPECT_EQ(IdOf({}), VersionId{});
  const VersionedValue one = Supersede({}, MakeSibling(3, 4, "x"));
  EXPECT_EQ(IdOf(one), (VersionId{3, 4}));
  const VersionedValue two = Merge(one, Supersede({}, MakeSibling(9, 1, "y")));
  const VersionedValue other = Merge(one, Supersede({}, MakeSibling(9, 2, "y")));
  EXPECT_NE(IdOf(two), IdOf(one));
  EXPECT_NE(IdOf(two), IdOf(other));
}

TEST(HybridClock, NeverGoesBackAndFollowsTheWallClock) {
  HybridClock clock(1000);
  const HybridTime first = clock.Now(50'000);
  EXPECT_EQ(MillisOf(first), 50'000);
  const HybridTime second = clock.Now(10);
  EXPECT_GT(second, first);
  EXPECT_EQ(MillisOf(clock.Now(60'000)), 60'000);
}

TEST(HybridClock, ATimeTooFarAheadIsRefused) {
  HybridClock clock(1000);
  EXPECT_TRUE(clock.Observe(HybridFromMillis(50'900), 50'000).ok());
  EXPECT_GT(clock.Now(50'000), HybridFromMillis(50'900));
  EXPECT_EQ(clock.Observe(HybridFromMillis(52'000), 50'000).code(), Code::kInvalidArgument);
  EXPECT_LT(clock.Now(50'000), HybridFromMillis(52'000));
}

}  // namespace
}  // namespace kvfs::versioning
