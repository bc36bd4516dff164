#include "kvcore/engine/table_properties.h"

#include <algorithm>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/engine/blob_pointer.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

bool PropertiesCollector::Add(ByteView internal_key, ByteView value) {
  TableProperties& p = properties_;
  const uint64_t sequence = Sequence(internal_key);
  if (p.entries == 0) {
    p.smallest.assign(internal_key);
    p.smallest_sequence = sequence;
  }
  const bool dead = TypeOf(internal_key) == EntryType::kDelete ||
                    (dead_run_ > 0 && UserKey(internal_key) == UserKey(p.largest));
  dead_run_ = dead ? dead_run_ + 1 : 0;
  p.longest_dead_run = std::max(p.longest_dead_run, dead_run_);
  p.largest.assign(internal_key);
  ++p.entries;
  p.smallest_sequence = std::min(p.smallest_sequence, sequence);
  p.largest_sequence = std::max(p.largest_sequence, sequence);
  p.key_bytes += UserKey(internal_key).size();
  p.value_bytes += value.size();
  if (TypeOf(internal_key) == EntryType::kDelete) {
    ++p.deletes;
  } else if (TypeOf(internal_key) == EntryType::kBlobPointer) {
    BlobPointer pointer;
    if (!DecodeBlobPointer(&value, &pointer)) {
      return false;
    }
    ++p.blob_pointers;
    BlobReference& reference = blobs_[pointer.file];
    reference.file = pointer.file;
    ++reference.count;
    reference.bytes += pointer.stored_size;
  }
  return true;
}

TableProperties PropertiesCollector::Finish(uint64_t data_bytes) {
  properties_.data_bytes = data_bytes;
  for (const auto& [file, reference] : blobs_) {
    properties_.blobs.push_back(reference);
  }
  blobs_.clear();
  return std::move(properties_);
}

void EncodeTableProperties(const TableProperties& p, Bytes* out) {
  for (const uint64_t number :
       {p.entries, p.deletes, p.longest_dead_run, p.blob_pointers, p.key_bytes, p.value_bytes,
        p.data_bytes, p.smallest_sequence, p.largest_sequence}) {
    PutVarint64(out, number);
  }
  PutLengthPrefixed(out, p.smallest);
  PutLengthPrefixed(out, p.largest);
  PutVarint64(out, p.blobs.size());
  for (const BlobReference& blob : p.blobs) {
    PutVarint64(out, blob.file);
    PutVarint64(out, blob.count);
    PutVarint64(out, blob.bytes);
  }
}

bool DecodeTableProperties(ByteView in, TableProperties* p) {
  for (uint64_t* number :
       {&p->entries, &p->deletes, &p->longest_dead_run, &p->blob_pointers, &p->key_bytes,
        &p->value_bytes, &p->data_bytes, &p->smallest_sequence, &p->largest_sequence}) {
    if (!GetVarint64(&in, number)) {
      return false;
    }
  }
  ByteView smallest;
  ByteView largest;
  uint64_t count = 0;
  if (!GetLengthPrefixed(&in, &smallest) || !GetLengthPrefixed(&in, &largest) ||
      !IsInternalKey(smallest) || !IsInternalKey(largest) || !GetVarint64(&in, &count) ||
      count > in.size()) {
    return false;
  }
  p->smallest = Bytes(smallest);
  p->largest = Bytes(largest);
  p->blobs.clear();
  for (uint64_t i = 0; i < count; ++i) {
    BlobReference blob;
    if (!GetVarint64(&in, &blob.file) || !GetVarint64(&in, &blob.count) ||
        !GetVarint64(&in, &blob.bytes)) {
      return false;
    }
    p->blobs.push_back(blob);
  }
  return in.empty();
}

}  // namespace kvfs::engine
