#include "kvcore/ops/store_admin.h"

#include <gtest/gtest.h>

#include "kvcore/env/sim/sim_world.h"

namespace kvfs::ops {
namespace {

class StoreAdminTest : public ::testing::Test {
 protected:
  StoreAdminTest() : node_(MustOpen()), admin_(node_.get()) {
    admin_.RegisterWith(&service_);
    client::Commit commit;
    commit.chunks = {{Sha256(data_), {1, 2, 0, 0}, data_}};
    commit.txns.push_back(
        {"dir", {}, {{client::Write::Kind::kPut, "a", "1"}}, {{{-1, 1, "job"}, ""}}, {}});
    EXPECT_TRUE(world_.Run(node_->client()->Submit(std::move(commit))).status.ok());
  }
  std::unique_ptr<node::Node> MustOpen() {
    auto node = world_.Run(node::Node::Open(node::NodeOptions{}, world_.env(), "/data"));
    EXPECT_TRUE(node.ok()) << node.status().ToString();
    return std::move(*node);
  }
  AdminResponse Ask(const AdminRequest& request) {
    AdminResponse response;
    EXPECT_TRUE(response.ParseFromString(world_.Run(service_.Serve(request.SerializeAsString()))));
    return response;
  }

  const Bytes data_ = Bytes(100'000, 'z');
  env::sim::SimWorld world_;
  std::unique_ptr<node::Node> node_;
  AdminService service_;
  StoreAdmin admin_;
};

TEST_F(StoreAdminTest, Status) {
  AdminRequest request;
  request.mutable_status();
  const AdminResponse response = Ask(request);
  ASSERT_TRUE(StatusOf(response).ok()) << response.message();
  const admin::StoreStatus& store = response.status().store();
  EXPECT_EQ(store.cluster_id(), node_->client()->info().cluster_id);
  EXPECT_EQ(store.partitions(), 256u);
  EXPECT_EQ(store.commits(), 1u);
  EXPECT_EQ(store.due_work(), 1u);
  EXPECT_GT(store.capacity_bytes(), store.available_bytes());
  EXPECT_GT(store.used_bytes(), 0u);
  EXPECT_FALSE(store.read_only());
  EXPECT_GT(response.status().engine().disk_bytes(), 0u);
  ASSERT_EQ(response.status().nodes_size(), 1);
  EXPECT_EQ(response.status().nodes(0).state(), "up");
}

TEST_F(StoreAdminTest, SaysWhereThingsLie) {
  admin::ExplainResponse explain;
  explain.set_partition_key("dir");
  explain.add_chunks()->set_present(true);
  explain.add_chunks()->set_present(false);
  ASSERT_TRUE(FillPlaces(node_.get(), &explain).ok());
  const uint64_t here = node_->identity().node_id;
  ASSERT_EQ(explain.nodes_size(), 1);
  EXPECT_EQ(explain.nodes(0), here);
  ASSERT_EQ(explain.chunks(0).nodes_size(), 1);
  EXPECT_EQ(explain.chunks(0).nodes(0), here);
  EXPECT_EQ(explain.chunks(1).nodes_size(), 0);
  EXPECT_EQ(explain.epoch_number(), 1u);
  EXPECT_EQ(explain.epoch_node(), here);
  EXPECT_EQ(explain.seq(), 1u);

  admin::ExplainResponse unknown;
  unknown.set_partition_key("nothing here");
  EXPECT_TRUE(FillPlaces(node_.get(), &unknown).ok());
  EXPECT_EQ(unknown.seq(), 0u);
}

TEST_F(StoreAdminTest, EngineStatsAndCompaction) {
  AdminRequest request;
  request.mutable_compact();
  const AdminResponse compacted = Ask(request);
  ASSERT_TRUE(StatusOf(compacted).ok()) << compacted.message();
  EXPECT_GT(compacted.compact().disk_bytes_after(), 0u);
  request.mutable_engine_stats();
  const AdminResponse stats = Ask(request);
  uint64_t tables = 0;
  for (const auto& level : stats.engine_stats().stats().levels()) {
    tables += level.tables();
  }
  EXPECT_GT(tables, 0u);
  EXPECT_GT(stats.engine_stats().stats().flushes(), 0u);
  EXPECT_GT(stats.engine_stats().stats().write_amplification(), 0);
  EXPECT_GE(stats.engine_stats().stats().space_amplification(), 1);
  request.mutable_verify();
  EXPECT_TRUE(StatusOf(Ask(request)).ok());
}

TEST_F(StoreAdminTest, Chunks) {
  AdminRequest request;
  request.mutable_chunk_info()->set_hash(Bytes(AsBytes(Sha256(data_))));
  AdminResponse response = Ask(request);
  EXPECT_TRUE(response.chunk_info().present());
  EXPECT_EQ(response.chunk_info().raw_bytes(), data_.size());
  EXPECT_LT(response.chunk_info().stored_bytes(), data_.size() / 2);
  EXPECT_EQ(response.chunk_info().references(), 1u);
  request.mutable_chunk_info()->set_hash("short");
  EXPECT_EQ(StatusOf(Ask(request)).code(), Code::kInvalidArgument);
}

TEST_F(StoreAdminTest, CheckFindsNothingInAGoodStore) {
  AdminRequest request;
  request.mutable_check();
  const AdminResponse response = Ask(request);
  ASSERT_TRUE(StatusOf(response).ok());
  EXPECT_EQ(response.check().problem_count(), 0u);
  EXPECT_EQ(response.check().items(), 1u);
  EXPECT_EQ(response.check().chunks(), 1u);
  EXPECT_EQ(response.check().chunk_bytes(), data_.size());
}

TEST_F(StoreAdminTest, ACheckpointNeedsAnAbsolutePath) {
  AdminRequest request;
  request.mutable_checkpoint()->set_directory("relative");
  EXPECT_EQ(StatusOf(Ask(request)).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace kvfs::ops
