#include "kvcore/replication/messages.h"

#include <limits>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/outcome.h"
#include "kvcore/replication/transaction.h"

namespace kvfs::replication {
namespace {

constexpr size_t kMaxBodyBytes = 64u << 20;
constexpr int kMaxReadKeys = 10'000;
constexpr int kMaxRanges = 16;
constexpr uint32_t kMakeStrong = 1;
constexpr uint32_t kMakeAvailable = 2;

Status Bad(const char* what) {
  return Status::InvalidArgument(std::string("message of a peer: ") + what);
}

Status CheckEpoch(const pb::Epoch& epoch) {
  return epoch.number() == 0 || epoch.node() == 0 ? Bad("no epoch") : Status::Ok();
}

// Of a pk's range: what its users write, its state and outcomes.
Status CheckCk(ByteView ck) {
  const Bytes key = PkPrefix(0, "x") + Bytes(ck);
  return ck.empty() ? Bad("no clustering key") : ParseKey(key, false).status();
}

Status CheckEntries(const google::protobuf::RepeatedPtrField<pb::Entry>& entries) {
  for (const pb::Entry& entry : entries) {
    if (!CheckCk(entry.ck()).ok()) {
      return Bad("a clustering key that cannot be");
    }
  }
  return Status::Ok();
}

Status Check(const pb::PromiseRequest& request) {
  return request.partition() > 0xffff ? Bad("no such partition") : CheckEpoch(request.epoch());
}
Status Check(const pb::HomeReply& /*reply*/) { return Status::Ok(); }
Status Check(const pb::StateRequest& request) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(request.pk()));
  return CheckEpoch(request.epoch());
}
Status Check(const pb::ApplyRequest& request) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(request.pk()));
  KVFS_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  if (FromProto(request.next()) <= FromProto(request.previous())) {
    return Bad("a transaction that leads backwards");
  }
  return CheckEntries(request.entries());
}
Status Check(const pb::InstallRequest& request) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(request.pk()));
  return CheckEpoch(request.epoch());
}
Status Check(const pb::PageRequest& request) { return CheckUserPk(request.pk()); }
Status Check(const pb::PageReply& reply) { return CheckEntries(reply.entries()); }
Status Check(const pb::ListRequest& request) {
  for (const Bytes& pk : {request.after(), request.only()}) {
    if (!pk.empty()) {
      KVFS_RETURN_IF_ERROR(CheckUserPk(pk));
    }
  }
  if (request.partition() > 0xffff) {
    return Bad("no such partition");
  }
  return request.promised_only() || !request.has_epoch() ? Status::Ok()
                                                         : CheckEpoch(request.epoch());
}
Status Check(const pb::ListReply& reply) {
  for (const pb::PkOf& one : reply.pks()) {
    KVFS_RETURN_IF_ERROR(CheckUserPk(one.pk()));
  }
  return Status::Ok();
}
Status Check(const pb::RepairRequest& request) { return CheckUserPk(request.pk()); }
Status CheckHeld(const google::protobuf::RepeatedPtrField<pb::BranchCount>& held) {
  uint64_t last = 0;
  for (int i = 0; i < held.size(); ++i) {
    if (held[i].count() == 0 || (i > 0 && held[i].actor() <= last)) {
      return Bad("a note of a branch that cannot be");
    }
    last = held[i].actor();
  }
  return Status::Ok();
}
Status CheckBranchEntries(const google::protobuf::RepeatedPtrField<pb::Entry>& entries) {
  for (const pb::Entry& entry : entries) {
    if (entry.erase() || !CheckBranchCk(entry.ck()).ok()) {
      return Bad("an entry of a branch that cannot be");
    }
    if (!(IsBranchOutcomeCk(entry.ck()) ? DecodeOutcome(entry.value()).status()
                                        : versioning::Decode(entry.value()).status())
             .ok()) {
      return Bad("a value of a branch that cannot be");
    }
  }
  return Status::Ok();
}
Status Check(const pb::BranchPushRequest& request) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(request.pk()));
  return request.count() == 0 ? Bad("a transaction of a branch without a number")
                              : CheckBranchEntries(request.entries());
}
Status Check(const pb::BranchInstallRequest& request) { return CheckUserPk(request.pk()); }
Status Check(const pb::BranchReply& /*reply*/) { return Status::Ok(); }
Status Check(const pb::BranchPageRequest& request) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(request.pk()));
  return CheckHeld(request.held());
}
Status Check(const pb::BranchPageReply& reply) {
  KVFS_RETURN_IF_ERROR(CheckHeld(reply.held()));
  return CheckBranchEntries(reply.entries());
}
Status Check(const pb::MergeRequest& request) { return CheckUserPk(request.pk()); }
Status Check(const pb::MergeReply& reply) {
  return reply.code() > static_cast<uint32_t>(Code::kOutcomeUnknown) ? Bad("an unknown code")
                                                                     : Status::Ok();
}
Status Check(const pb::MergeNowRequest& request) { return CheckUserPk(request.pk()); }
Status Check(const pb::SubmitRequest& request) {
  if (request.op().session() == 0 || request.attempt() == 0) {
    return Bad("an operation without a name");
  }
  for (const pb::Assert& assertion : request.asserts()) {
    if (assertion.kind() > static_cast<uint32_t>(Assert::Kind::kPrefixEmpty)) {
      return Bad("an assert of an unknown kind");
    }
  }
  for (const pb::Entry& entry : request.work()) {
    if (!DecodeWorkCk(entry.ck()).ok()) {
      return Bad("a line of the work index that cannot be");
    }
  }
  if (request.set_strong() > kMakeAvailable) {
    return Bad("neither strong nor available");
  }
  return CheckTxn(TxnOf(request));
}
Status Check(const pb::SubmitReply& reply) {
  return reply.code() > static_cast<uint32_t>(Code::kOutcomeUnknown) ? Bad("an unknown code")
                                                                     : Status::Ok();
}
Status Check(const pb::ReadRequest& request) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(request.pk()));
  if (request.cks_size() > kMaxReadKeys) {
    return Bad("too many keys to read");
  }
  for (const Bytes& ck : request.cks()) {
    KVFS_RETURN_IF_ERROR(IsOutcomeCk(ck) ? Status::Ok() : CheckUserCk(ck));
  }
  if (request.ranges_size() > kMaxRanges) {
    return Bad("too many ranges to read");
  }
  for (const pb::Range& range : request.ranges()) {
    if (range.limit() == 0) {
      return Bad("a range without a limit");
    }
  }
  return Status::Ok();
}
Status Check(const pb::ReadReply& reply) {
  if (reply.code() > static_cast<uint32_t>(Code::kOutcomeUnknown) ||
      (!reply.ok() && reply.code() == 0)) {
    return Bad("an unknown code");
  }
  for (const pb::Page& page : reply.pages()) {
    KVFS_RETURN_IF_ERROR(CheckEntries(page.entries()));
  }
  return CheckEntries(reply.entries());
}

}  // namespace

pb::Epoch ToProto(const Epoch& epoch) {
  pb::Epoch proto;
  proto.set_number(epoch.number);
  proto.set_node(epoch.node);
  return proto;
}

Epoch FromProto(const pb::Epoch& epoch) { return {epoch.number(), epoch.node()}; }

pb::PkState ToProto(const PkState& state) {
  pb::PkState proto;
  *proto.mutable_epoch() = ToProto(state.epoch);
  proto.set_seq(state.seq);
  return proto;
}

PkState FromProto(const pb::PkState& state) { return {FromProto(state.epoch()), state.seq()}; }

template <typename Message>
Result<Message> Parse(ByteView body) {
  Message message;
  if (body.size() > kMaxBodyBytes ||
      !message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Bad("cannot be read");
  }
  KVFS_RETURN_IF_ERROR(Check(message));
  return message;
}

template Result<pb::PromiseRequest> Parse(ByteView);
template Result<pb::HomeReply> Parse(ByteView);
template Result<pb::StateRequest> Parse(ByteView);
template Result<pb::ApplyRequest> Parse(ByteView);
template Result<pb::InstallRequest> Parse(ByteView);
template Result<pb::PageRequest> Parse(ByteView);
template Result<pb::PageReply> Parse(ByteView);
template Result<pb::ListRequest> Parse(ByteView);
template Result<pb::ListReply> Parse(ByteView);
template Result<pb::RepairRequest> Parse(ByteView);
template Result<pb::SubmitRequest> Parse(ByteView);
template Result<pb::SubmitReply> Parse(ByteView);
template Result<pb::ReadRequest> Parse(ByteView);
template Result<pb::ReadReply> Parse(ByteView);
template Result<pb::BranchPushRequest> Parse(ByteView);
template Result<pb::BranchInstallRequest> Parse(ByteView);
template Result<pb::BranchReply> Parse(ByteView);
template Result<pb::BranchPageRequest> Parse(ByteView);
template Result<pb::BranchPageReply> Parse(ByteView);
template Result<pb::MergeRequest> Parse(ByteView);
template Result<pb::MergeReply> Parse(ByteView);
template Result<pb::MergeNowRequest> Parse(ByteView);

void ToEntries(const std::vector<StoreWrite>& writes, size_t prefix_bytes,
               google::protobuf::RepeatedPtrField<pb::Entry>* entries) {
  for (const StoreWrite& write : writes) {
    pb::Entry* const entry = entries->Add();
    entry->set_ck(write.key.substr(prefix_bytes));
    if (write.kind == StoreWrite::Kind::kDelete) {
      entry->set_erase(true);
    } else {
      entry->set_value(write.value);
    }
  }
}

std::vector<StoreWrite> ToWrites(const google::protobuf::RepeatedPtrField<pb::Entry>& entries,
                                 ByteView prefix) {
  std::vector<StoreWrite> writes;
  writes.reserve(static_cast<size_t>(entries.size()));
  for (const pb::Entry& entry : entries) {
    StoreWrite& write = writes.emplace_back();
    write.kind = entry.erase() ? StoreWrite::Kind::kDelete : StoreWrite::Kind::kPut;
    write.key = Bytes(prefix) + entry.ck();
    write.value = entry.value();
  }
  return writes;
}

pb::SubmitRequest ToProto(const Txn& txn, const OpId& op, uint32_t attempt, bool sync) {
  pb::SubmitRequest request;
  request.mutable_op()->set_session(op.session);
  request.mutable_op()->set_sequence(op.sequence);
  request.set_attempt(attempt);
  request.set_pk(txn.pk);
  for (const Assert& assertion : txn.asserts) {
    pb::Assert* const proto = request.add_asserts();
    proto->set_kind(static_cast<uint32_t>(assertion.kind));
    proto->set_ck(assertion.ck);
    proto->set_version_high(assertion.version.high);
    proto->set_version_low(assertion.version.low);
  }
  for (const Write& write : txn.writes) {
    pb::Entry* const entry = request.add_entries();
    entry->set_ck(write.ck);
    entry->set_value(write.value);
    entry->set_erase(write.kind == Write::Kind::kErase);
  }
  for (const auto& [work, value] : txn.work_puts) {
    pb::Entry* const entry = request.add_work();
    entry->set_ck(WorkCk(work));
    entry->set_value(value);
  }
  for (const WorkKey& work : txn.work_erases) {
    pb::Entry* const entry = request.add_work();
    entry->set_ck(WorkCk(work));
    entry->set_erase(true);
  }
  request.set_sync(sync);
  if (txn.set_strong.has_value()) {
    request.set_set_strong(*txn.set_strong ? kMakeStrong : kMakeAvailable);
  }
  return request;
}

void ToProto(const BranchCounts& counts, google::protobuf::RepeatedPtrField<pb::BranchCount>* out) {
  for (const auto& [actor, count] : counts) {
    pb::BranchCount* const one = out->Add();
    one->set_actor(actor);
    one->set_count(count);
  }
}

BranchCounts FromProto(const google::protobuf::RepeatedPtrField<pb::BranchCount>& counts) {
  BranchCounts held;
  for (const pb::BranchCount& one : counts) {
    held[one.actor()] = one.count();
  }
  return held;
}

Txn TxnOf(const pb::SubmitRequest& request) {
  Txn txn;
  txn.pk = request.pk();
  for (const pb::Assert& proto : request.asserts()) {
    txn.asserts.push_back({static_cast<Assert::Kind>(proto.kind()),
                           proto.ck(),
                           {proto.version_high(), proto.version_low()}});
  }
  for (const pb::Entry& entry : request.entries()) {
    txn.writes.push_back(
        {entry.erase() ? Write::Kind::kErase : Write::Kind::kPut, entry.ck(), entry.value()});
  }
  for (const pb::Entry& entry : request.work()) {
    auto work = DecodeWorkCk(entry.ck());
    if (!work.ok()) {
      continue;  // Parse has refused it
    }
    if (entry.erase()) {
      txn.work_erases.push_back(std::move(*work));
    } else {
      txn.work_puts.emplace_back(std::move(*work), entry.value());
    }
  }
  if (request.set_strong() != 0) {
    txn.set_strong = request.set_strong() == kMakeStrong;
  }
  return txn;
}

Status StrongRefusal() {
  return Status::Unavailable("strong: nothing is done here without a majority");
}
bool IsStrongRefusal(const Status& status) { return status.message() == StrongRefusal().message(); }

}  // namespace kvfs::replication
