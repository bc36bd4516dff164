// Batches and log payloads. A batch that decodes, encoded again from its entries, decodes the same.
#include "kvcore/engine/batch_reader.h"
#include "kvcore/engine/write_batch.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"

namespace kvfs::fuzz {

void FuzzBatch(const uint8_t* data, size_t size) {
  const Bytes input(reinterpret_cast<const char*>(data), size);
  engine::LogPayload payload;
  if (!engine::DecodeLogPayload(input, &payload).ok()) {
    return;
  }
  engine::WriteBatch again;
  engine::BatchReader reader(payload.batch);
  while (reader.Next()) {
    const auto& entry = reader.entry();
    if (entry.type == engine::EntryType::kValue) {
      again.Put(entry.key, entry.value);
    } else if (entry.type == engine::EntryType::kBlobPointer) {
      again.PutBlob(entry.key, entry.pointer);
    } else if (entry.has_pointer) {
      again.DeleteBlob(entry.key, entry.pointer);
    } else {
      again.Delete(entry.key);
    }
  }
  FUZZ_CHECK(reader.status().ok());
  FUZZ_CHECK(again.Count() == payload.count);
  Bytes encoded;
  engine::EncodeLogPayloadHeader(payload.first_sequence, again.Count(), &encoded);
  encoded += again.Encoded();
  FUZZ_CHECK(engine::DecodeLogPayload(encoded, &payload).ok());
}

}  // namespace kvfs::fuzz
