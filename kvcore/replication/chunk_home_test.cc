// What a home keeps of chunks, on a store in memory.
#include "kvcore/replication/chunk_home.h"

#include <gtest/gtest.h>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/store_items.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {
namespace {

PkState Stamp(uint64_t seq) { return {{1, 1}, seq}; }

class ChunkHomeTest : public ::testing::Test {
 protected:
  ChunkHomeTest()
      : dots_(*NumberSource::Open({.key = NodeLocalKey("dots"), .block = 1000}, &store_, &env_)),
        home_(7, &store_, dots_.get(), &env_) {}

  pb::PutChunkRequest PutRequest(uint64_t ino, uint64_t seq) {
    pb::PutChunkRequest request;
    request.set_id(Bytes(AsBytes(kId)));
    request.set_data(kData);
    request.set_has_data(true);
    *request.add_refs() = ToProto(ChunkRef{1, ino, 0, 0});
    *request.mutable_stamp() = ToProto(Stamp(seq));
    return request;
  }
  Status Put(pb::PutChunkRequest request) {
    const auto reply = env_.Await(home_.Put(std::move(request)));
    return !reply.ok() ? reply.status() : reply->stored() ? Status::Ok() : Status::NotFound("");
  }
  Status Drop(uint64_t ino, uint64_t seq) {
    pb::DropChunkRequest request;
    request.set_id(Bytes(AsBytes(kId)));
    *request.add_refs() = ToProto(ChunkRef{1, ino, 0, 0});
    *request.mutable_stamp() = ToProto(Stamp(seq));
    return env_.Await(home_.Drop(std::move(request)));
  }
  bool IsThere() { return *store_.Contains(ChunkDataKey(kId)); }

  const Bytes kData = Bytes(3000, 'c');
  const ChunkId kId = Sha256(kData);
  testing::StepEnv env_;
  testing::MemoryLocalStore store_;
  std::unique_ptr<NumberSource> dots_;
  ChunkHome home_;
};

TEST_F(ChunkHomeTest, BytesStayAsLongAsAReference) {
  ASSERT_TRUE(Put(PutRequest(1, 1)).ok());
  ASSERT_TRUE(Put(PutRequest(2, 1)).ok());
  EXPECT_EQ(env_.Await(home_.Read(kId))->data(), kData);
  ASSERT_TRUE(Drop(1, 2).ok());
  EXPECT_TRUE(IsThere());
  ASSERT_TRUE(Drop(2, 2).ok());
  EXPECT_FALSE(IsThere());
  EXPECT_FALSE(env_.Await(home_.Read(kId))->present());
  ASSERT_TRUE(Drop(2, 2).ok());  // comes twice
  EXPECT_EQ(store_.staged(), 0);
}

TEST_F(ChunkHomeTest, WhatIsKeptNoMoreGoesUnlessItIsToBeHandedOn) {
  const std::function<bool()> yes = [] { return true; };
  const std::function<bool()> no = [] { return false; };
  pb::PutChunkRequest hinted = PutRequest(1, 1);
  hinted.set_hint(true);
  ASSERT_TRUE(Put(std::move(hinted)).ok());
  EXPECT_FALSE(*env_.Await(home_.Discard(kId, yes)));
  EXPECT_TRUE(IsThere());
  const auto hints = home_.Hints({}, 10);
  ASSERT_TRUE(hints.ok() && hints->size() == 1);
  ASSERT_TRUE(env_.Await(home_.ForgetHint((*hints)[0])).ok());
  EXPECT_FALSE(*env_.Await(home_.Discard(kId, no)));  // it is kept after all
  EXPECT_TRUE(IsThere());
  EXPECT_TRUE(*env_.Await(home_.Discard(kId, yes)));
  EXPECT_FALSE(IsThere());
  EXPECT_EQ(StoreItems(&store_).GetChunkInfo(kId)->references, 0u);
}

TEST_F(ChunkHomeTest, ALateDropTakesNothingAwayThatWasPutAgain) {
  ASSERT_TRUE(Put(PutRequest(1, 1)).ok());
  ASSERT_TRUE(Put(PutRequest(1, 5)).ok());
  ASSERT_TRUE(Drop(1, 4).ok());
  EXPECT_TRUE(IsThere());
  ASSERT_TRUE(Put(PutRequest(1, 2)).ok());  // neither does a late put make it older
  ASSERT_TRUE(Drop(1, 4).ok());
  EXPECT_TRUE(IsThere());
  ASSERT_TRUE(Drop(1, 5).ok());
  EXPECT_FALSE(IsThere());
}

TEST_F(ChunkHomeTest, WhatDoesNotHaveItsHashIsRefused) {
  pb::PutChunkRequest request = PutRequest(1, 1);
  request.set_data(kData + "x");
  EXPECT_EQ(Put(request).code(), Code::kInvalidArgument);
  request = PutRequest(1, 1);
  request.set_id("short");
  EXPECT_EQ(Put(request).code(), Code::kInvalidArgument);
  request = PutRequest(1, 1);
  request.clear_refs();
  EXPECT_EQ(Put(request).code(), Code::kInvalidArgument);
  request = PutRequest(1, 1);
  request.mutable_refs(0)->set_level(256);
  EXPECT_EQ(Put(request).code(), Code::kInvalidArgument);
  EXPECT_FALSE(IsThere());
}

TEST_F(ChunkHomeTest, AReferenceAloneNeedsTheBytes) {
  pb::PutChunkRequest request = PutRequest(1, 1);
  request.set_has_data(false);
  request.clear_data();
  EXPECT_EQ(Put(request).code(), Code::kNotFound);
  ASSERT_TRUE(Put(PutRequest(2, 1)).ok());
  ASSERT_TRUE(Put(request).ok());
  ASSERT_TRUE(Drop(2, 2).ok());
  EXPECT_TRUE(IsThere());
}

TEST_F(ChunkHomeTest, SyncedIsOnTheDiskBeforeItIsAnswered) {
  pb::PutChunkRequest request = PutRequest(1, 1);
  ASSERT_TRUE(Put(request).ok());
  const uint64_t before = store_.syncs();
  request.set_sync(true);  // also where it was there before, unsynced
  ASSERT_TRUE(Put(request).ok());
  EXPECT_GT(store_.syncs(), before);
  store_.FailSync(Status::IoError("no"));
  EXPECT_EQ(Put(request).code(), Code::kIoError);
}

TEST_F(ChunkHomeTest, AFullStoreRefusesAndKeepsNothingStaged) {
  store_.FailApply(Status::NoSpace("full"));
  EXPECT_EQ(Put(PutRequest(1, 1)).code(), Code::kNoSpace);
  EXPECT_EQ(store_.staged(), 0);
}

}  // namespace
}  // namespace kvfs::replication
