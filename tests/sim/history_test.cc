// The checker itself: what it must accept, what it must refuse, and that it agrees with
// trying every order.
#include "tests/sim/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace kvfs::sim {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Result;

Operation Write(std::string value, int64_t begin, int64_t end, Outcome result = Outcome::kOk) {
  return {"r", Kind::kWrite, std::move(value), "", result, begin, end, 0};
}
Operation Read(std::string value, int64_t begin, int64_t end) {
  return {"r", Kind::kRead, std::move(value), "", Outcome::kOk, begin, end, 0};
}
Operation Swap(std::string expected, std::string value, Outcome result, int64_t begin,
               int64_t end) {
  return {"r", Kind::kSwap, std::move(value), std::move(expected), result, begin, end, 0};
}
bool Explained(const std::vector<Operation>& operations) {
  History history;
  for (const Operation& operation : operations) {
    history.Add(operation);
  }
  return !history.FindViolation().has_value();
}

TEST(History, ReadsSeeTheLatestWriteThatEnded) {
  EXPECT_TRUE(Explained({Write("a", 0, 1), Read("a", 2, 3)}));
  EXPECT_TRUE(Explained({Write("a", 0, 5), Read("", 1, 2), Read("a", 3, 4)}));
  EXPECT_FALSE(Explained({Write("a", 0, 1), Read("", 2, 3)}));                     // lost
  EXPECT_FALSE(Explained({Write("a", 0, 9), Read("a", 1, 2), Read("", 3, 4)}));    // back in time
  EXPECT_FALSE(Explained({Write("a", 0, 1), Write("b", 2, 3), Read("a", 4, 5)}));  // stale
}

TEST(History, AnUnknownWriteMayHappenLateOrNeverButNotTwice) {
  const int64_t never = INT64_MAX;
  EXPECT_TRUE(Explained({Write("a", 0, never, Outcome::kUnknown), Read("", 5, 6)}));
  EXPECT_TRUE(
      Explained({Write("a", 0, never, Outcome::kUnknown), Read("", 5, 6), Read("a", 7, 8)}));
  EXPECT_FALSE(Explained({Write("a", 0, never, Outcome::kUnknown), Read("a", 1, 2),
                          Write("b", 3, 4), Read("b", 5, 6), Read("a", 7, 8)}));
}

TEST(History, WhatNobodySawMayBeWhyASwapWasRefused) {
  const int64_t never = INT64_MAX;
  const Operation unseen = Write("u", 0, never, Outcome::kUnknown);
  EXPECT_FALSE(Explained({Write("a", 0, 1), Swap("a", "b", Outcome::kConflict, 2, 3)}));
  EXPECT_TRUE(Explained({Write("a", 0, 1), unseen, Swap("a", "b", Outcome::kConflict, 2, 3)}));
  EXPECT_FALSE(Explained(
      {Write("a", 0, 1), unseen, Swap("a", "b", Outcome::kConflict, 2, 3), Read("a", 4, 5)}));
}

TEST(History, WhatASeenSwapExpectedWasThere) {
  const int64_t never = INT64_MAX;
  EXPECT_TRUE(Explained({Write("a", 0, never, Outcome::kUnknown),
                         Swap("a", "b", Outcome::kUnknown, 1, never), Read("b", 2, 3)}));
  EXPECT_FALSE(Explained({Swap("a", "b", Outcome::kUnknown, 1, never), Read("b", 2, 3)}));
}

TEST(History, ManyOfUnknownResultTakeNoLongTime) {
  const int64_t never = INT64_MAX;
  std::vector<Operation> operations;
  for (int i = 0; i < 300; ++i) {
    const std::string value = std::to_string(i);
    operations.push_back(Write(value, i, never, Outcome::kUnknown));
    if (i % 3 == 0) {
      operations.push_back(Read(value, i + 1, i + 3));
    }
  }
  EXPECT_TRUE(Explained(operations));
  operations.push_back(Read("0", 400, 401));
  EXPECT_FALSE(Explained(operations));
}

TEST(History, OneOfTwoSwapsWins) {
  EXPECT_TRUE(Explained({Swap("", "a", Outcome::kOk, 0, 9), Swap("", "b", Outcome::kConflict, 0, 9),
                         Read("a", 10, 11)}));
  EXPECT_FALSE(Explained({Swap("", "a", Outcome::kOk, 0, 9), Swap("", "b", Outcome::kOk, 0, 9)}));
  EXPECT_FALSE(Explained({Swap("", "a", Outcome::kConflict, 0, 9)}));
}

// Every order of at most seven operations, tried one by one.
bool ExplainedByTrying(const std::vector<Operation>& operations) {
  std::vector<size_t> order(operations.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    std::string state;
    bool holds = true;
    for (size_t i = 0; i < order.size() && holds; ++i) {
      const Operation& one = operations[order[i]];
      for (size_t j = i + 1; j < order.size() && holds; ++j) {
        holds = operations[order[j]].end >= one.begin;  // none that comes later ended before it
      }
      if (one.kind == Kind::kRead) {
        holds = holds && one.value == state;
      } else if (one.kind == Kind::kWrite) {
        state = one.value;
      } else if (one.result == Outcome::kUnknown) {
        state = state == one.expected ? one.value : state;
      } else {
        holds = holds && (one.result == Outcome::kOk) == (state == one.expected);
        state = one.result == Outcome::kOk ? one.value : state;
      }
    }
    if (holds) {
      return true;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

TEST(History, AgreesWithTryingEveryOrder) {
  std::mt19937 random(5);
  const std::vector<std::string> values = {"", "a", "b"};
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<Operation> operations;
    for (int i = 0; i < 6; ++i) {
      const auto begin = static_cast<int64_t>(random() % 20);
      const int64_t end = begin + static_cast<int64_t>(random() % 12);
      switch (random() % 4) {
        case 0:
          operations.push_back(Write(values[random() % 3], begin, end));
          break;
        case 1:
          operations.push_back(Swap(values[random() % 3], values[random() % 3],
                                    static_cast<Outcome>(random() % 3), begin, end));
          break;
        default:
          operations.push_back(Read(values[random() % 3], begin, end));
      }
    }
    const bool expected = ExplainedByTrying(operations);
    refused += expected ? 0 : 1;
    ASSERT_EQ(Explained(operations), expected) << "round " << round;
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace kvfs::sim
