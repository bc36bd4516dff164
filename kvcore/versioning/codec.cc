// The canonical encoding of a VersionedValue (doc/formats/item.md). One state has
// exactly one encoding, so digests over it may be compared between replicas; the
// decoder refuses every other form.
#include <algorithm>
#include <cassert>

#include "kvcore/base/coding.h"
#include "kvcore/versioning/version.h"

namespace kvfs::versioning {
namespace {

// The first byte. The usual state, one sibling whose context is its own dot, has two short forms.
enum class Form : uint8_t { kValue = 1, kTombstone = 2, kGeneral = 3 };

constexpr uint8_t kTombstoneFlag = 1;

// Bounds on what a decoder is ready to build from hostile input.
constexpr uint64_t kMaxActors = 1u << 16;
constexpr uint64_t kMaxSiblings = 1u << 12;

bool IsSimple(const VersionedValue& value) {
  return value.siblings.size() == 1 && value.context.size() == 1 &&
         value.context[0] == value.siblings[0].dot;
}

void PutLone(Form form, const Dot& dot, HybridTime time, ByteView value, Bytes* out) {
  assert(dot.counter != 0);
  out->reserve(out->size() + 1 + 8 + static_cast<size_t>(kMaxVarint64Bytes) + 8 + value.size());
  out->push_back(static_cast<char>(form));
  PutFixed64(out, dot.epoch);
  PutVarint64(out, dot.counter);
  PutFixed64(out, time);
  out->append(value);
}

Status Bad(const char* what) { return Status::Corruption(std::string("version: ") + what); }

// A varint in its shortest form.
bool GetCanonicalVarint(ByteView* in, uint64_t* value) {
  const size_t before = in->size();
  return GetVarint64(in, value) && before - in->size() == static_cast<size_t>(VarintLength(*value));
}

Status DecodeContext(ByteView* in, Context* context) {
  uint64_t count = 0;
  if (!GetCanonicalVarint(in, &count) || count == 0 || count > kMaxActors) {
    return Bad("bad number of actors");
  }
  for (uint64_t i = 0; i < count; ++i) {
    Dot dot;
    if (!GetFixed64(in, &dot.epoch) || !GetCanonicalVarint(in, &dot.counter) || dot.counter == 0) {
      return Bad("bad context");
    }
    if (!context->empty() && context->back().epoch >= dot.epoch) {
      return Bad("context out of order");
    }
    context->push_back(dot);
  }
  return Status::Ok();
}

Status DecodeSibling(ByteView* in, const Context& context, Sibling* sibling) {
  uint64_t actor = 0;
  if (!GetCanonicalVarint(in, &actor) || actor >= context.size()) {
    return Bad("sibling of an unknown actor");
  }
  sibling->dot.epoch = context[actor].epoch;
  if (!GetCanonicalVarint(in, &sibling->dot.counter) || sibling->dot.counter == 0 ||
      sibling->dot.counter > context[actor].counter) {
    return Bad("sibling outside its context");
  }
  uint64_t length = 0;
  if (!GetFixed64(in, &sibling->time) || in->empty()) {
    return Bad("cut off in a sibling");
  }
  const uint8_t flags = static_cast<uint8_t>(in->front());
  in->remove_prefix(1);
  if (flags > kTombstoneFlag || !GetCanonicalVarint(in, &length) || length > in->size()) {
    return Bad("bad sibling");
  }
  sibling->tombstone = flags == kTombstoneFlag;
  if (sibling->tombstone && length != 0) {
    return Bad("tombstone with a value");
  }
  sibling->value = Bytes(in->substr(0, length));
  in->remove_prefix(length);
  return Status::Ok();
}

Result<VersionedValue> DecodeGeneral(ByteView in) {
  VersionedValue value;
  KVFS_RETURN_IF_ERROR(DecodeContext(&in, &value.context));
  uint64_t count = 0;
  if (!GetCanonicalVarint(&in, &count) || count == 0 || count > kMaxSiblings) {
    return Bad("bad number of siblings");
  }
  for (uint64_t i = 0; i < count; ++i) {
    Sibling sibling;
    KVFS_RETURN_IF_ERROR(DecodeSibling(&in, value.context, &sibling));
    if (!value.siblings.empty() && value.siblings.back().dot >= sibling.dot) {
      return Bad("siblings out of order");
    }
    value.siblings.push_back(std::move(sibling));
  }
  if (!in.empty()) {
    return Bad("bytes after the last sibling");
  }
  if (IsSimple(value)) {
    return Bad("not in its shortest form");
  }
  return value;
}

}  // namespace

void EncodeLone(const Dot& dot, HybridTime time, ByteView value, Bytes* out) {
  PutLone(Form::kValue, dot, time, value, out);
}

void Encode(const VersionedValue& value, Bytes* out) {
  assert(!value.siblings.empty());
  if (IsSimple(value)) {
    const Sibling& sibling = value.siblings[0];
    assert(!sibling.tombstone || sibling.value.empty());
    PutLone(sibling.tombstone ? Form::kTombstone : Form::kValue, sibling.dot, sibling.time,
            sibling.value, out);
    return;
  }
  out->push_back(static_cast<char>(Form::kGeneral));
  PutVarint64(out, value.context.size());
  for (const Dot& dot : value.context) {
    PutFixed64(out, dot.epoch);
    PutVarint64(out, dot.counter);
  }
  PutVarint64(out, value.siblings.size());
  for (const Sibling& sibling : value.siblings) {
    const auto actor =
        std::lower_bound(value.context.begin(), value.context.end(), sibling.dot.epoch,
                         [](const Dot& dot, uint64_t epoch) { return dot.epoch < epoch; });
    assert(actor != value.context.end() && actor->epoch == sibling.dot.epoch &&
           actor->counter >= sibling.dot.counter);
    PutVarint64(out, static_cast<uint64_t>(actor - value.context.begin()));
    PutVarint64(out, sibling.dot.counter);
    PutFixed64(out, sibling.time);
    out->push_back(static_cast<char>(sibling.tombstone ? kTombstoneFlag : 0));
    PutLengthPrefixed(out, sibling.value);
  }
}

Result<VersionedValue> Decode(ByteView in) {
  if (in.empty()) {
    return Bad("empty");
  }
  const auto form = static_cast<Form>(in.front());
  in.remove_prefix(1);
  if (form == Form::kGeneral) {
    return DecodeGeneral(in);
  }
  if (form != Form::kValue && form != Form::kTombstone) {
    return Bad("unknown form");
  }
  VersionedValue value;
  Sibling& sibling = value.siblings.emplace_back();
  if (!GetFixed64(&in, &sibling.dot.epoch) || !GetCanonicalVarint(&in, &sibling.dot.counter) ||
      sibling.dot.counter == 0 || !GetFixed64(&in, &sibling.time)) {
    return Bad("cut off");
  }
  sibling.tombstone = form == Form::kTombstone;
  if (sibling.tombstone && !in.empty()) {
    return Bad("tombstone with a value");
  }
  sibling.value = Bytes(in);
  value.context.push_back(sibling.dot);
  return value;
}

}  // namespace kvfs::versioning
