// BatchReader: the entries of an encoded WriteBatch (doc/formats/batch.md), which
// may come from a damaged disk. It borrows the bytes; one thread at a time.
//
//   BatchReader reader(encoded);
//   while (reader.Next()) { use reader.entry(); }
//   if (!reader.status().ok()) ...   // kCorruption, naming the offset within the batch
#pragma once

#include <cstdint>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/blob_pointer.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

class WriteBatch;

class BatchReader {
 public:
  struct Entry {
    EntryType type = EntryType::kDelete;
    ByteView key;         // user key
    ByteView value;       // as stored in the memtable: bytes, encoded pointer, or empty
    BlobPointer pointer;  // for kBlobPointer; for a kDelete that names one (has_pointer)
    bool has_pointer = false;
  };

  explicit BatchReader(ByteView encoded) : start_(encoded.data()), rest_(encoded) {}

  bool Next();  // false at the end and at damage
  const Entry& entry() const { return entry_; }
  const Status& status() const { return status_; }

 private:
  bool Fail(const char* what);

  const char* start_;
  ByteView rest_;
  Entry entry_;
  Status status_;
};

// The payload of a log record: the sequence of the batch's first entry (each further entry has the
// next one), the count of entries, and the encoded batch.
struct LogPayload {
  uint64_t first_sequence = 0;
  uint32_t count = 0;
  ByteView batch;  // for BatchReader; holds exactly `count` entries
};
// Appends what precedes the encoded batch; give LogWriter::AddRecord both parts.
void EncodeLogPayloadHeader(uint64_t first_sequence, uint32_t count, Bytes* out);
// Checks the whole batch too: after OK, BatchReader cannot fail on `payload->batch`.
Status DecodeLogPayload(ByteView record, LogPayload* payload);

}  // namespace kvfs::engine
