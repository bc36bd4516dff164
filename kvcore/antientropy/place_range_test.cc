#include "kvcore/antientropy/place_range.h"

#include <gtest/gtest.h>

#include <map>

namespace kvfs::antientropy {
namespace {

// Sums of places; those not named are zero.
std::vector<Sum> SumsIn(const std::map<uint32_t, Sum>& places,
                        const std::vector<PlaceRange>& ranges) {
  std::vector<Sum> sums;
  for (const PlaceRange& range : ranges) {
    for (uint32_t i = 0; i < range.count; ++i) {
      if (i % range.group == 0) {
        sums.emplace_back();
      }
      const auto found = places.find(range.first + i);
      if (found != places.end()) {
        sums.back() += found->second;
      }
    }
  }
  return sums;
}

std::vector<uint16_t> Compare(const std::map<uint32_t, Sum>& own,
                              const std::map<uint32_t, Sum>& other,
                              const std::vector<uint32_t>& partitions, uint32_t bits) {
  Comparison comparison(partitions, bits);
  while (!comparison.ranges().empty()) {
    const auto ranges = comparison.ranges();
    EXPECT_TRUE(comparison.Take(SumsIn(own, ranges), SumsIn(other, ranges)).ok());
  }
  return comparison.differing();
}

TEST(Comparison, FindsExactlyThePlacesThatDiffer) {
  const std::map<uint32_t, Sum> own{{0, {1, 1}}, {255, {2, 2}}, {256, {3, 3}}, {65535, {4, 4}}};
  std::map<uint32_t, Sum> other = own;
  other[255] = {2, 3};
  other[300] = {9, 9};
  other.erase(65535);
  const std::vector<uint32_t> all{0, 1, 255};
  EXPECT_EQ(Compare(own, other, all, 8), (std::vector<uint16_t>{255, 300, 65535}));
  EXPECT_EQ(Compare(own, other, {1}, 8), (std::vector<uint16_t>{300}));
  EXPECT_EQ(Compare(own, own, all, 8), (std::vector<uint16_t>{}));
  EXPECT_EQ(Compare(own, other, {0}, 0), (std::vector<uint16_t>{255, 300, 65535}));
  EXPECT_EQ(Compare(own, other, {255, 300}, 16), (std::vector<uint16_t>{255, 300}));
}

TEST(Comparison, RefusesSumsOfSomethingElse) {
  Comparison comparison({0, 1}, 8);
  EXPECT_EQ(comparison.Take({Sum{}}, {Sum{}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(comparison.Take({Sum{}, Sum{}}, {Sum{}}).code(), Code::kInvalidArgument);
}

TEST(Sum, AddsAndTakesAwayWithCarry) {
  Sum sum{0, ~uint64_t{0}};
  sum += Sum{0, 1};
  EXPECT_EQ(sum, (Sum{1, 0}));
  sum -= Sum{0, 1};
  EXPECT_EQ(sum, (Sum{0, ~uint64_t{0}}));
  sum -= Sum{1, 0};
  sum += Sum{1, 1};
  EXPECT_EQ(sum, (Sum{1, 0}));
}

}  // namespace
}  // namespace kvfs::antientropy
