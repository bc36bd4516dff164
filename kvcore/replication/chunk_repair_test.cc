#include "kvcore/replication/chunk_repair.h"

#include <gtest/gtest.h>

#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

ChunkId Id(unsigned char first) {
  ChunkId id{};
  id[0] = first;
  return id;
}

void Add(unsigned char chunk, uint64_t ino, uint64_t seq, pb::ListChunksReply* list) {
  pb::ListedChunk* const listed = list->add_chunks();
  listed->set_id(Bytes(AsBytes(Id(chunk))));
  auto* const ref = listed->add_refs();
  *ref->mutable_ref() = ToProto(ChunkRef{1, ino, 0, 0});
  *ref->mutable_stamp() = ToProto(PkState{{1, 1}, seq});
}

TEST(FindMissed, IsWhatAMajorityHoldsWithoutThisHome) {
  std::vector<pb::ListChunksReply> others(2);
  pb::ListChunksReply own;
  Add(1, 1, 1, &others[0]);  // forgotten by one home
  Add(2, 1, 1, &others[0]);
  Add(2, 1, 3, &others[1]);  // put again with a later stamp
  Add(3, 1, 1, &others[0]);
  Add(3, 1, 1, &others[1]);
  Add(3, 1, 1, &own);
  Add(4, 1, 1, &others[0]);
  Add(4, 1, 1, &others[1]);
  Add(4, 2, 1, &own);  // for another reference
  Add(9, 1, 1, &others[0]);
  Add(9, 1, 1, &others[1]);  // behind what all have listed
  const MissedChunks missed = FindMissed(others, own, 2, Id(8));
  ASSERT_EQ(missed.size(), 2u);
  const PkState latest{{1, 1}, 3};
  ASSERT_TRUE(missed.at(Id(2)).contains(latest));
  EXPECT_EQ(missed.at(Id(2)).size(), 1u);
  EXPECT_EQ(missed.at(Id(4)).begin()->second, (std::vector<ChunkRef>{{1, 1, 0, 0}}));
}

TEST(FindMissed, WhatMakesNoSenseIsNotThere) {
  std::vector<pb::ListChunksReply> others(2);
  for (pb::ListChunksReply& other : others) {
    Add(2, 1, 1, &other);
    other.mutable_chunks(0)->set_id("short");
    Add(3, 1, 1, &other);
    other.mutable_chunks(1)->mutable_refs(0)->mutable_ref()->set_level(1000);
  }
  EXPECT_TRUE(FindMissed(others, {}, 2, Id(200)).empty());
}

}  // namespace
}  // namespace kvfs::replication
