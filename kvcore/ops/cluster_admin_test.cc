// Whole nodes on simulated machines answer what kvfs-admin asks.
#include "kvcore/ops/cluster_admin.h"

#include <gtest/gtest.h>

#include "kvcore/node/sim_nodes_test_support.h"
#include "kvcore/ring/layout.h"

namespace kvfs::ops {
namespace {

constexpr int64_t kSecond = 1'000'000;

class ClusterAdminTest : public ::testing::Test {
 protected:
  ClusterAdminTest() {
    for (size_t number = 0; number < cluster_.nodes(); ++number) {
      services_.push_back(std::make_unique<AdminService>());
      admins_.push_back(std::make_unique<ClusterAdmin>(cluster_.node(number), "1.0"));
      admins_.back()->RegisterWith(services_.back().get());
      cluster_.node(number)->SetAdmin(
          [service = services_.back().get()](Bytes request) { return service->Serve(request); });
    }
    cluster_.world().RunFor(3 * kSecond);
  }
  ~ClusterAdminTest() override {
    for (const auto& admin : admins_) {
      cluster_.Run(admin->Close());
    }
  }

  AdminResponse Ask(const AdminRequest& request) {
    AdminResponse response;
    const Bytes answer = cluster_.Run(services_[0]->Serve(request.SerializeAsString()));
    EXPECT_TRUE(response.ParseFromString(answer));
    return response;
  }
  AdminResponse Put(const Bytes& pk, bool force = false) {
    AdminRequest request;
    request.mutable_kv_put()->set_pk(pk);
    request.mutable_kv_put()->set_ck("ck");
    request.mutable_kv_put()->set_value("value");
    request.mutable_kv_put()->set_force(force);
    return Ask(request);
  }

  node::test::SimNodes cluster_{11, 3, true, true};
  std::vector<std::unique_ptr<AdminService>> services_;
  std::vector<std::unique_ptr<ClusterAdmin>> admins_;
};

TEST_F(ClusterAdminTest, StatusTellsWhatEveryNodeReports) {
  AdminRequest request;
  request.mutable_status();
  const AdminResponse response = Ask(request);
  ASSERT_TRUE(StatusOf(response).ok()) << response.message();
  EXPECT_EQ(response.status().cluster().partitions(), 8u);
  EXPECT_EQ(response.status().cluster().not_whole(), 0u);
  ASSERT_EQ(response.status().nodes_size(), 3);
  for (const auto& node : response.status().nodes()) {
    EXPECT_EQ(node.code(), "UN");
    EXPECT_TRUE(node.answers());
    EXPECT_EQ(node.version(), "1.0");
    EXPECT_GT(node.capacity_bytes(), 0u);
  }
}

TEST_F(ClusterAdminTest, ANodeThatIsAwayIsTold) {
  cluster_.Kill(2);
  cluster_.world().RunFor(20 * kSecond);
  AdminRequest request;
  request.mutable_status();
  const AdminResponse response = Ask(request);
  EXPECT_EQ(response.status().cluster().not_whole(), 8u);
  EXPECT_EQ(response.status().cluster().without_majority(), 0u);
  EXPECT_FALSE(response.status().nodes(2).answers());
  EXPECT_NE(response.status().nodes(2).state(), "up");
}

TEST_F(ClusterAdminTest, RingAndMembers) {
  AdminRequest request;
  request.mutable_ring();
  const auto layout = ring::DecodeLayout(Ask(request).ring().layout());
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->id(), cluster_.node(0)->layouts()->newest().id());
  request.mutable_members();
  const AdminResponse members = Ask(request);
  ASSERT_EQ(members.members().nodes_size(), 3);
  EXPECT_EQ(members.members().nodes(1).address(), "n2:1");
}

TEST_F(ClusterAdminTest, ItemsGoInAndOut) {
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  AdminRequest request;
  request.mutable_kv_get()->set_pk("pk");
  request.mutable_kv_get()->set_ck("ck");
  AdminResponse got = Ask(request);
  ASSERT_TRUE(StatusOf(got).ok()) << got.message();
  ASSERT_EQ(got.kv_get().item().siblings_size(), 1);
  EXPECT_EQ(got.kv_get().item().siblings(0).value(), "value");
  request.mutable_kv_delete()->set_pk("pk");
  request.mutable_kv_delete()->set_ck("ck");
  EXPECT_TRUE(StatusOf(Ask(request)).ok());
  request.mutable_kv_scan()->set_pk("pk");
  request.mutable_kv_scan()->set_limit(10);
  got = Ask(request);
  EXPECT_TRUE(StatusOf(got).ok());
  EXPECT_EQ(got.kv_scan().items_size(), 0);
}

TEST_F(ClusterAdminTest, WhatTheFilesystemKeepsIsChangedByForceOnly) {
  const Bytes directory = "D" + Bytes(8, 'x');
  EXPECT_EQ(StatusOf(Put(directory)).code(), Code::kInvalidArgument);
  EXPECT_EQ(StatusOf(Put("cluster")).code(), Code::kInvalidArgument);
  EXPECT_TRUE(StatusOf(Put(directory, true)).ok());
  // What the store keeps for itself is no partition key of anybody's.
  EXPECT_EQ(StatusOf(Put("W", true)).code(), Code::kInvalidArgument);
}

TEST_F(ClusterAdminTest, HomesAreCompared) {
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  cluster_.world().RunFor(5 * kSecond);
  AdminRequest request;
  request.mutable_compare_homes();
  AdminResponse response = Ask(request);
  ASSERT_TRUE(StatusOf(response).ok()) << response.message();
  EXPECT_EQ(response.compare_homes().compared(), 8u);
  EXPECT_EQ(response.compare_homes().partitions_size(), 0);
  cluster_.Kill(2);
  response = Ask(request);
  ASSERT_EQ(response.compare_homes().silent_size(), 1);
  EXPECT_EQ(response.compare_homes().silent(0), 3u);
  EXPECT_EQ(response.compare_homes().partitions_size(), 8);
}

TEST_F(ClusterAdminTest, AnotherNodeIsAskedThroughThisOne) {
  AdminRequest inner;
  inner.mutable_report();
  AdminRequest request;
  request.mutable_relay()->set_node_id(2);
  request.mutable_relay()->set_request(inner.SerializeAsString());
  AdminResponse relayed;
  ASSERT_TRUE(relayed.ParseFromString(Ask(request).relay().response()));
  EXPECT_EQ(relayed.report().node().node_id(), 2u);
  // Not in circles, not to nobody.
  AdminRequest again;
  *again.mutable_relay() = request.relay();
  again.mutable_relay()->set_request(request.SerializeAsString());
  EXPECT_EQ(StatusOf(Ask(again)).code(), Code::kInvalidArgument);
  request.mutable_relay()->set_node_id(9);
  EXPECT_EQ(StatusOf(Ask(request)).code(), Code::kInvalidArgument);
  request.mutable_relay()->set_request("\xff\xff");
  EXPECT_EQ(StatusOf(Ask(request)).code(), Code::kInvalidArgument);
}

TEST_F(ClusterAdminTest, MetricsAndHints) {
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  AdminRequest request;
  request.mutable_metrics();
  const AdminResponse metrics = Ask(request);
  uint64_t applied = 0;
  for (const auto& metric : metrics.metrics().metrics()) {
    for (const auto& sample : metric.samples()) {
      if (metric.name() == "kvfs_request_seconds" && sample.labels(0).value() == "apply") {
        for (const uint64_t count : sample.counts()) {
          applied += count;
        }
      }
    }
  }
  EXPECT_GT(applied, 0u);
  request.mutable_hints();
  const AdminResponse hints = Ask(request);
  ASSERT_TRUE(StatusOf(hints).ok()) << hints.message();
  EXPECT_EQ(hints.hints().chunks(), 0u);
  EXPECT_GT(hints.hints().chunks_bound(), 0u);
  EXPECT_EQ(hints.hints().unmerged_keys(), 0u);
}

TEST_F(ClusterAdminTest, ScrubReadsEverything) {
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  AdminRequest request;
  request.mutable_verify();
  EXPECT_TRUE(StatusOf(Ask(request)).ok());
  request.mutable_check();
  const AdminResponse check = Ask(request);
  ASSERT_TRUE(StatusOf(check).ok()) << check.message();
  for (const auto& problem : check.check().problems()) {
    ADD_FAILURE() << problem.kind() << ": " << problem.message();
  }
  EXPECT_EQ(check.check().problem_count(), 0u);
  EXPECT_GT(check.check().items(), 0u);
}

TEST_F(ClusterAdminTest, BadRequestsAreRefused) {
  AdminRequest request;
  request.mutable_explain_key();
  EXPECT_EQ(StatusOf(Ask(request)).code(), Code::kInvalidArgument);
  request.mutable_kv_scan()->set_pk("pk");
  EXPECT_EQ(StatusOf(Ask(request)).code(), Code::kInvalidArgument);  // no limit
  request.mutable_kv_get()->set_pk("pk");
  EXPECT_FALSE(StatusOf(Ask(request)).ok());
}

TEST_F(ClusterAdminTest, ExplainShowsWhoIsBehind) {
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  cluster_.world().RunFor(kSecond);
  AdminRequest request;
  request.mutable_explain_key()->set_pk("pk");
  AdminResponse response = Ask(request);
  ASSERT_TRUE(StatusOf(response).ok()) << response.message();
  ASSERT_EQ(response.explain_key().homes_size(), 3);
  for (const auto& home : response.explain_key().homes()) {
    EXPECT_TRUE(home.answers());
    EXPECT_FALSE(home.behind());
    EXPECT_GT(home.seq(), 0u);
  }
  // One of them misses a write.
  cluster_.world().bus().Partition({3});
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  response = Ask(request);
  int silent = 0;
  for (const auto& home : response.explain_key().homes()) {
    silent += home.answers() ? 0 : 1;
    EXPECT_EQ(home.answers(), home.node_id() != 3);
  }
  EXPECT_EQ(silent, 1);
}

TEST_F(ClusterAdminTest, WhatIsWrittenWithoutAMajorityIsTold) {
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  AdminRequest request;
  request.mutable_status();
  cluster_.world().bus().Partition({1});
  ASSERT_TRUE(StatusOf(Put("pk")).ok());
  cluster_.world().RunFor(20 * kSecond);
  AdminResponse response = Ask(request);
  EXPECT_EQ(response.status().nodes(0).unmerged_keys(), 1u);
  EXPECT_EQ(response.status().cluster().without_majority(), 8u);
  cluster_.world().bus().MendAll();
  cluster_.world().RunFor(60 * kSecond);
  response = Ask(request);
  EXPECT_EQ(response.status().nodes(0).unmerged_keys(), 0u);
  EXPECT_EQ(response.status().cluster().not_whole(), 0u);
}

}  // namespace
}  // namespace kvfs::ops
