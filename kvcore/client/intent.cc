#include "kvcore/client/intent.h"

#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::client {

using replication::Assert;
using replication::OpId;
using replication::Txn;
using replication::Write;

Bytes IntentCk(const OpId& op) {
  Bytes ck(1, kIntentTag);
  PutBigEndian64(&ck, op.session);
  PutBigEndian64(&ck, op.sequence);
  return ck;
}

Bytes EncodeIntent(const Intent& intent) {
  replication::pb::Intent proto;
  proto.set_deciding_pk(intent.deciding_pk);
  *proto.mutable_txn() = replication::ToProto(intent.txn, intent.op, 1, false);
  return proto.SerializeAsString();
}

Result<Intent> DecodeIntent(ByteView value) {
  replication::pb::Intent proto;
  if (!proto.ParseFromArray(value.data(), static_cast<int>(value.size())) ||
      !replication::CheckUserPk(proto.deciding_pk()).ok() || proto.txn().op().session() == 0) {
    return Status::Corruption("intent of a commit over several partition keys: malformed");
  }
  Intent intent;
  intent.deciding_pk = proto.deciding_pk();
  intent.op = {proto.txn().op().session(), proto.txn().op().sequence()};
  intent.txn = replication::TxnOf(proto.txn());
  return intent;
}

Assert AssertNoIntent() {
  Assert assertion;
  assertion.kind = Assert::Kind::kPrefixEmpty;
  assertion.ck = Bytes(1, kIntentTag);
  return assertion;
}

Txn Prepare(const Txn& txn, const Bytes& deciding_pk, const OpId& op) {
  Intent intent;
  intent.deciding_pk = deciding_pk;
  intent.op = op;
  intent.txn.writes = txn.writes;
  intent.txn.work_puts = txn.work_puts;
  intent.txn.work_erases = txn.work_erases;
  intent.txn.set_strong = txn.set_strong;
  Txn prepare;
  prepare.pk = txn.pk;
  prepare.asserts.push_back(AssertNoIntent());
  prepare.asserts.insert(prepare.asserts.end(), txn.asserts.begin(), txn.asserts.end());
  prepare.writes.push_back({Write::Kind::kPut, IntentCk(op), EncodeIntent(intent)});
  return prepare;
}

namespace {

Assert AssertThere(const OpId& op) {
  Assert assertion;
  assertion.kind = Assert::Kind::kPresent;
  assertion.ck = IntentCk(op);
  return assertion;
}

}  // namespace

Txn Carry(const Bytes& pk, const Intent& intent) {
  Txn txn = intent.txn;
  txn.pk = pk;
  txn.asserts.assign(1, AssertThere(intent.op));
  txn.writes.push_back({Write::Kind::kErase, IntentCk(intent.op), {}});
  return txn;
}

Txn Withdraw(const Bytes& pk, const OpId& op) {
  Txn txn;
  txn.pk = pk;
  txn.asserts.push_back(AssertThere(op));
  txn.writes.push_back({Write::Kind::kErase, IntentCk(op), {}});
  return txn;
}

Txn Abort(const Bytes& deciding_pk) {
  Txn txn;
  txn.pk = deciding_pk;
  Assert& never = txn.asserts.emplace_back();
  never.kind = Assert::Kind::kPresent;
  never.ck = Bytes(1, kIntentTag) + "never";
  return txn;
}

}  // namespace kvfs::client
