// How membership behaves in large clusters on a bad network; prints its figures.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "kvcore/membership/cluster_test_support.h"

namespace kvfs::membership {
namespace {

using test::Cluster;
using test::kSecond;

bool IsLong() { return std::getenv("KVFS_LONG") != nullptr; }

struct Figures {
  double messages_per_node_second = 0;
  uint64_t false_deaths = 0;
};

void Fill(Cluster* cluster, NodeId nodes) {
  for (NodeId node = 1; node <= nodes; ++node) {
    cluster->Add(node, "z" + std::to_string(node % 4));
  }
  cluster->StartAll();
}

Figures Live(NodeId nodes, double loss, int64_t seconds, uint64_t seed) {
  Cluster cluster(seed);
  Fill(&cluster, nodes);
  cluster.SetLoss(loss);
  cluster.Run(seconds * kSecond);
  const Figures figures{.messages_per_node_second = static_cast<double>(cluster.messages()) /
                                                    static_cast<double>(nodes) /
                                                    static_cast<double>(seconds),
                        .false_deaths = cluster.deaths()};
  std::printf(
      "%4llu nodes, %2.0f %% loss, %lld s: %.2f messages a node and second, %llu false deaths\n",
      static_cast<unsigned long long>(nodes), loss * 100, static_cast<long long>(seconds),
      figures.messages_per_node_second, static_cast<unsigned long long>(figures.false_deaths));
  return figures;
}

TEST(MembershipScale, NobodyIsTakenForDeadOnABadNetwork) {
  EXPECT_EQ(Live(IsLong() ? 1000 : 100, 0.05, IsLong() ? 3600 : 300, 1).false_deaths, 0u);
  EXPECT_EQ(Live(50, 0.15, IsLong() ? 3600 : 120, 2).false_deaths, 0u);
}

TEST(MembershipScale, MessagesPerNodeDoNotGrow) {
  const double few = Live(20, 0.01, 60, 3).messages_per_node_second;
  const double many = Live(IsLong() ? 1000 : 200, 0.01, 60, 4).messages_per_node_second;
  EXPECT_LT(many, few * 1.1);
  EXPECT_LT(many, 4);
}

TEST(MembershipScale, ACrashIsFoundSoonByAll) {
  const NodeId nodes = IsLong() ? 1000 : 100;
  Cluster cluster(5);
  Fill(&cluster, nodes);
  cluster.SetLoss(0.05);
  cluster.Run(10 * kSecond);
  std::vector<int64_t> first_suspect;
  std::vector<int64_t> dead;
  for (NodeId victim = 1; victim <= 5; ++victim) {
    const int64_t begin = cluster.now();
    cluster.Crash(victim);
    ASSERT_TRUE(
        cluster.RunUntil(60 * kSecond, [&] { return !cluster.At(nodes).view().IsAlive(victim); }));
    first_suspect.push_back(cluster.now() - begin);
    ASSERT_TRUE(
        cluster.RunUntil(200 * kSecond, [&] { return cluster.AllSee(victim, State::kDead); }));
    dead.push_back(cluster.now() - begin);
  }
  std::sort(first_suspect.begin(), first_suspect.end());
  std::sort(dead.begin(), dead.end());
  std::printf(
      "%llu nodes, 5 %% loss: one node suspects after %.1f s (median), all take it for dead after "
      "%.1f s (median), %.1f s (most)\n",
      static_cast<unsigned long long>(nodes), static_cast<double>(first_suspect[2]) / 1e6,
      static_cast<double>(dead[2]) / 1e6, static_cast<double>(dead[4]) / 1e6);
  EXPECT_LT(dead[2], 60 * kSecond);
}

}  // namespace
}  // namespace kvfs::membership
