// TableProperties: what a table says about its entries, kept in a block of its own.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

struct BlobReference {
  uint64_t file = 0;   // logical
  uint64_t count = 0;  // pointers to it
  uint64_t bytes = 0;  // sum of their stored sizes

  bool operator==(const BlobReference&) const = default;
};

struct TableProperties {
  uint64_t entries = 0;
  uint64_t deletes = 0;  // of the entries
  // Entries in a row that show a reader nothing: deletes, and what they hide of their own keys.
  uint64_t longest_dead_run = 0;
  uint64_t blob_pointers = 0;  // of the entries
  uint64_t key_bytes = 0;      // of user keys, uncompressed
  uint64_t value_bytes = 0;    // uncompressed
  uint64_t data_bytes = 0;     // of the data blocks, as stored
  uint64_t smallest_sequence = 0;
  uint64_t largest_sequence = 0;
  Bytes smallest;  // internal keys
  Bytes largest;
  std::vector<BlobReference> blobs;  // what the entries refer to, ascending by file

  bool operator==(const TableProperties&) const = default;
};
void EncodeTableProperties(const TableProperties& properties, Bytes* out);
bool DecodeTableProperties(ByteView in, TableProperties* properties);

// Gathers the properties of entries shown to it in order; all but data_bytes. One thread.
class PropertiesCollector {
 public:
  // False if the value of a kBlobPointer is not one.
  bool Add(ByteView internal_key, ByteView value);
  uint64_t Entries() const { return properties_.entries; }
  const Bytes& LastKey() const { return properties_.largest; }
  TableProperties Finish(uint64_t data_bytes);

 private:
  TableProperties properties_;
  std::map<uint64_t, BlobReference> blobs_;
  uint64_t dead_run_ = 0;  // up to the last entry
};

}  // namespace kvfs::engine
