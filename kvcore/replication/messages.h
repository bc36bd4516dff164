// Messages: between the vocabulary of replication and its Protocol Buffers. Everything
// that comes from a peer goes through here and is checked: sizes, reserved keys, kinds.
// Pure functions.
#pragma once

#include <optional>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/branch_note.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

pb::Epoch ToProto(const Epoch& epoch);
Epoch FromProto(const pb::Epoch& epoch);
pb::PkState ToProto(const PkState& state);
PkState FromProto(const pb::PkState& state);

// kInvalidArgument: not a message of this kind, or one that no node of ours would send.
template <typename Message>
Result<Message> Parse(ByteView body);

// The writes of a plan, all within the pk's range, as entries, and back.
void ToEntries(const std::vector<StoreWrite>& writes, size_t prefix_bytes,
               google::protobuf::RepeatedPtrField<pb::Entry>* entries);
std::vector<StoreWrite> ToWrites(const google::protobuf::RepeatedPtrField<pb::Entry>& entries,
                                 ByteView prefix);

pb::SubmitRequest ToProto(const Txn& txn, const OpId& op, uint32_t attempt, bool sync);
void ToProto(const BranchCounts& counts, google::protobuf::RepeatedPtrField<pb::BranchCount>* out);
BranchCounts FromProto(const google::protobuf::RepeatedPtrField<pb::BranchCount>& counts);
Txn TxnOf(const pb::SubmitRequest& request);  // REQUIRES: from Parse

// What a home that reaches no majority says of a pk that is strong: kUnavailable.
Status StrongRefusal();
bool IsStrongRefusal(const Status& status);

}  // namespace kvfs::replication
