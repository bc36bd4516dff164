#include "kvcore/replication/messages.h"

#include <gtest/gtest.h>

#include <random>

#include "kvcore/replication/outcome.h"

namespace kvfs::replication {
namespace {

Txn OneTxn() {
  Txn txn;
  txn.pk = "dir";
  txn.asserts = {{Assert::Kind::kVersion, "a", {1, 2}}, {Assert::Kind::kAbsent, "b", {}}};
  txn.writes = {{Write::Kind::kPut, "a", "value"}, {Write::Kind::kErase, "b", ""}};
  return txn;
}

TEST(Messages, ATransactionComesBackAsItWas) {
  const Bytes sent = ToProto(OneTxn(), {3, 4}, 2, true).SerializeAsString();
  const auto request = Parse<pb::SubmitRequest>(sent);
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  EXPECT_EQ(request->attempt(), 2u);
  EXPECT_TRUE(request->sync());
  const Txn txn = TxnOf(*request);
  EXPECT_EQ(txn.pk, "dir");
  ASSERT_EQ(txn.asserts.size(), 2u);
  EXPECT_EQ(txn.asserts[0].version, (VersionId{1, 2}));
  ASSERT_EQ(txn.writes.size(), 2u);
  EXPECT_EQ(txn.writes[0].value, "value");
  EXPECT_EQ(txn.writes[1].kind, Write::Kind::kErase);
}

TEST(Messages, WhatNoNodeWouldSendIsRefused) {
  const auto refused = [](const auto& message) {
    using Message = std::decay_t<decltype(message)>;
    return Parse<Message>(message.SerializeAsString()).status().code() == Code::kInvalidArgument;
  };
  pb::SubmitRequest submit = ToProto(OneTxn(), {3, 4}, 1, false);
  EXPECT_FALSE(refused(submit));
  submit.mutable_asserts(0)->set_kind(4);
  EXPECT_TRUE(refused(submit));
  submit = ToProto(OneTxn(), {3, 4}, 1, false);
  submit.mutable_entries(0)->set_ck(Bytes(1, '\0'));  // the state
  EXPECT_TRUE(refused(submit));
  submit = ToProto(OneTxn(), {0, 4}, 1, false);
  EXPECT_TRUE(refused(submit));

  pb::ApplyRequest apply;
  apply.set_pk("dir");
  *apply.mutable_epoch() = ToProto(Epoch{2, 1});
  *apply.mutable_next() = ToProto(PkState{{2, 1}, 1});
  EXPECT_FALSE(refused(apply));
  *apply.mutable_previous() = ToProto(PkState{{3, 1}, 1});
  EXPECT_TRUE(refused(apply));
  apply.clear_previous();
  apply.set_pk("W");
  EXPECT_TRUE(refused(apply));
  apply.set_pk("dir");
  apply.clear_epoch();
  EXPECT_TRUE(refused(apply));

  EXPECT_EQ(Parse<pb::PageReply>("\xff\xff junk").status().code(), Code::kInvalidArgument);
}

TEST(Messages, AnyBytesAreReadOrRefused) {
  std::mt19937 random(6);
  const Bytes good = ToProto(OneTxn(), {3, 4}, 1, false).SerializeAsString();
  for (int i = 0; i < 50'000; ++i) {
    Bytes bytes = good;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    if (const auto request = Parse<pb::SubmitRequest>(bytes); request.ok()) {
      EXPECT_FALSE(TxnOf(*request).pk.empty());
    }
    (void)Parse<pb::ApplyRequest>(bytes).ok();
    (void)Parse<pb::PageReply>(bytes).ok();
  }
}

TEST(Outcome, ComesBackAsItWas) {
  for (const Outcome& outcome : {Outcome{false, 0, {5, 6}}, Outcome{true, 300, {}}}) {
    const Bytes encoded = EncodeOutcome(outcome);
    EXPECT_EQ(DecodeOutcome(encoded).value(), outcome);
    for (size_t size = 0; size < encoded.size(); ++size) {
      EXPECT_EQ(DecodeOutcome(encoded.substr(0, size)).status().code(), Code::kCorruption);
    }
    EXPECT_FALSE(DecodeOutcome(encoded + "x").ok());
  }
}

}  // namespace
}  // namespace kvfs::replication
