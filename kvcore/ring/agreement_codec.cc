// The canonical encodings of what LayoutAgreement sends and keeps (doc/formats/layout.md).
#include "kvcore/base/coding.h"
#include "kvcore/ring/layout_agreement.h"

namespace kvfs::ring {
namespace {

using Kind = AgreementMessage::Kind;

constexpr char kStateFormat = 1;

Status Bad(const char* what) {
  return Status::Corruption(std::string("agreement on a layout: ") + what);
}

bool GetCanonicalVarint(ByteView* in, uint64_t* value) {
  const size_t before = in->size();
  return GetVarint64(in, value) && before - in->size() == static_cast<size_t>(VarintLength(*value));
}

void PutBallot(const Ballot& ballot, Bytes* out) {
  PutVarint64(out, ballot.round);
  PutFixed64(out, ballot.node);
}

// A ballot has a round and a node, or neither.
bool GetBallot(ByteView* in, Ballot* ballot) {
  return GetCanonicalVarint(in, &ballot->round) && GetFixed64(in, &ballot->node) &&
         (ballot->round == 0) == (ballot->node == 0);
}

void PutLayout(const std::shared_ptr<const Layout>& layout, Bytes* out) {
  PutLengthPrefixed(out, layout == nullptr ? Bytes() : Encode(*layout));
}

// A layout, or none.
Status GetLayout(ByteView* in, std::shared_ptr<const Layout>* layout) {
  uint64_t size = 0;
  if (!GetCanonicalVarint(in, &size) || size > in->size()) {
    return Bad("cut off in a layout");
  }
  if (size > 0) {
    KVFS_ASSIGN_OR_RETURN(Layout decoded, DecodeLayout(in->substr(0, size)));
    *layout = std::make_shared<const Layout>(std::move(decoded));
  }
  in->remove_prefix(size);
  return Status::Ok();
}

// What each kind carries.
bool IsWellFormed(const AgreementMessage& message) {
  const bool has_ballot = message.ballot.round != 0;
  const bool has_accepted = message.accepted.round != 0;
  const bool has_layout = message.layout != nullptr;
  if (has_layout && message.layout->id().number != message.number) {
    return false;
  }
  switch (message.kind) {
    case Kind::kPrepare:
    case Kind::kAccepted:
      return has_ballot && !has_accepted && !has_layout;
    case Kind::kPromise:
      return has_ballot && has_accepted == has_layout;
    case Kind::kAccept:
      return has_ballot && !has_accepted && has_layout;
    case Kind::kRefused:
      return has_ballot && !has_layout;
    case Kind::kDecided:
      return !has_accepted && has_layout;
    case Kind::kAsk:
      return !has_ballot && !has_accepted && !has_layout;
  }
  return false;
}

}  // namespace

Bytes Encode(const AgreementMessage& message) {
  Bytes out;
  out.push_back(static_cast<char>(message.kind));
  PutVarint64(&out, message.number);
  PutBallot(message.ballot, &out);
  PutBallot(message.accepted, &out);
  PutLayout(message.layout, &out);
  return out;
}

Result<AgreementMessage> DecodeAgreementMessage(ByteView in) {
  AgreementMessage message;
  if (in.empty()) {
    return Bad("empty");
  }
  message.kind = static_cast<Kind>(in.front());
  in.remove_prefix(1);
  if (!GetCanonicalVarint(&in, &message.number) || !GetBallot(&in, &message.ballot) ||
      !GetBallot(&in, &message.accepted)) {
    return Bad("cut off");
  }
  KVFS_RETURN_IF_ERROR(GetLayout(&in, &message.layout));
  if (!in.empty() || !IsWellFormed(message)) {
    return Bad("malformed message");
  }
  return message;
}

Bytes Encode(const AgreementState& state) {
  Bytes out;
  out.push_back(kStateFormat);
  PutLayout(state.decided, &out);
  PutBallot(state.promised, &out);
  PutBallot(state.accepted, &out);
  PutLayout(state.accepted_layout, &out);
  return out;
}

Result<AgreementState> DecodeAgreementState(ByteView in) {
  AgreementState state;
  if (in.empty() || in.front() != kStateFormat) {
    return Bad("unknown format");
  }
  in.remove_prefix(1);
  KVFS_RETURN_IF_ERROR(GetLayout(&in, &state.decided));
  if (state.decided == nullptr || !GetBallot(&in, &state.promised) ||
      !GetBallot(&in, &state.accepted)) {
    return Bad("cut off");
  }
  KVFS_RETURN_IF_ERROR(GetLayout(&in, &state.accepted_layout));
  const bool has_layout = state.accepted_layout != nullptr;
  if (!in.empty() || has_layout != (state.accepted.round != 0) || state.accepted > state.promised ||
      (has_layout && state.accepted_layout->id().number != state.decided->id().number + 1)) {
    return Bad("malformed state");
  }
  return state;
}

}  // namespace kvfs::ring
