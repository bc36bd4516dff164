#include "kvcore/replication/expiry.h"

#include <algorithm>

#include "kvcore/base/coding.h"
#include "kvcore/replication/keys.h"

namespace kvfs::replication {
namespace {

constexpr int kMostAtOnce = 64;

}  // namespace

Result<uint64_t> ExpiredBelow(LocalStore* store, ByteView pk, uint64_t session) {
  const auto stored = store->Get(PkPrefix(pk) + ExpiredCk(session));
  if (stored.status().code() == Code::kNotFound) {
    return uint64_t{0};
  }
  KVFS_RETURN_IF_ERROR(stored.status());
  ByteView in = *stored;
  uint64_t below = 0;
  if (!GetVarint64(&in, &below) || !in.empty()) {
    return Status::Corruption("mark of expired operations: malformed");
  }
  return below;
}

Status Expire(LocalStore* store, ByteView pk, uint64_t session, uint64_t settled,
              google::protobuf::RepeatedPtrField<pb::Entry>* entries) {
  const size_t prefix_bytes = PkPrefix(pk).size();
  const auto outcomes =
      store->Scan(OutcomeKey(pk, {session, 0}), OutcomeKey(pk, {session, settled}));
  int count = 0;
  uint64_t last = 0;
  for (; outcomes->Valid() && count < kMostAtOnce; outcomes->Next(), ++count) {
    pb::Entry* const entry = entries->Add();
    entry->set_ck(Bytes(outcomes->key().substr(prefix_bytes)));
    entry->set_erase(true);
    ByteView sequence = outcomes->key();
    sequence.remove_prefix(sequence.size() - sizeof(last));
    GetBigEndian64(&sequence, &last);
  }
  KVFS_RETURN_IF_ERROR(outcomes->status());
  if (count == 0) {
    return Status::Ok();
  }
  pb::Entry* const mark = entries->Add();
  mark->set_ck(ExpiredCk(session));
  // Never lower than before: what was settled then is so now.
  KVFS_ASSIGN_OR_RETURN(const uint64_t before, ExpiredBelow(store, pk, session));
  PutVarint64(mark->mutable_value(), std::max(before, last + 1));
  return Status::Ok();
}

}  // namespace kvfs::replication
