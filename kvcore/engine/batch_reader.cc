#include "kvcore/engine/batch_reader.h"

#include "kvcore/base/coding.h"
#include "kvcore/engine/batch_format.h"

namespace kvfs::engine {

bool BatchReader::Fail(const char* what) {
  status_ = Status::Corruption("batch at " + std::to_string(rest_.data() - start_) + ": " + what);
  return false;
}

bool BatchReader::Next() {
  if (!status_.ok() || rest_.empty()) {
    return false;
  }
  ByteView in = rest_;
  const auto tag = static_cast<uint8_t>(in.front());
  in.remove_prefix(1);
  Entry entry;
  if (!GetLengthPrefixed(&in, &entry.key) || entry.key.size() > kMaxUserKeyBytes) {
    return Fail("bad key");
  }
  switch (static_cast<BatchTag>(tag)) {
    case BatchTag::kDelete:
      entry.type = EntryType::kDelete;
      break;
    case BatchTag::kPut:
      entry.type = EntryType::kValue;
      if (!GetLengthPrefixed(&in, &entry.value) || entry.value.size() > kMaxValueBytes) {
        return Fail("bad value");
      }
      break;
    case BatchTag::kPutBlob:
    case BatchTag::kDeleteBlob: {
      entry.type = static_cast<BatchTag>(tag) == BatchTag::kPutBlob ? EntryType::kBlobPointer
                                                                    : EntryType::kDelete;
      const ByteView from = in;
      if (!DecodeBlobPointer(&in, &entry.pointer)) {
        return Fail("bad blob pointer");
      }
      entry.value = from.substr(0, from.size() - in.size());
      entry.has_pointer = true;
      break;
    }
    default:
      return Fail("unknown entry type");
  }
  entry_ = entry;
  rest_ = in;
  return true;
}

void EncodeLogPayloadHeader(uint64_t first_sequence, uint32_t count, Bytes* out) {
  PutVarint64(out, first_sequence);
  PutVarint32(out, count);
}

Status DecodeLogPayload(ByteView record, LogPayload* payload) {
  if (!GetVarint64(&record, &payload->first_sequence) || !GetVarint32(&record, &payload->count) ||
      payload->first_sequence > kMaxSequence ||
      payload->count > kMaxSequence - payload->first_sequence) {
    return Status::Corruption("bad batch header");
  }
  payload->batch = record;
  BatchReader reader(record);
  uint64_t count = 0;
  while (reader.Next()) {
    ++count;
  }
  KVFS_RETURN_IF_ERROR(reader.status());
  if (count != payload->count) {
    return Status::Corruption("batch of " + std::to_string(count) + " entries says " +
                              std::to_string(payload->count));
  }
  return {};
}

}  // namespace kvfs::engine
