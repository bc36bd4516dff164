#include "kvcore/engine/blob_pointer.h"

#include "kvcore/base/coding.h"

namespace kvfs::engine {

void EncodeBlobPointer(const BlobPointer& pointer, Bytes* out) {
  PutVarint64(out, pointer.file);
  PutVarint32(out, pointer.ordinal);
  PutVarint32(out, pointer.raw_size);
  PutVarint32(out, pointer.stored_size);
}

bool DecodeBlobPointer(ByteView* in, BlobPointer* pointer) {
  return GetVarint64(in, &pointer->file) && GetVarint32(in, &pointer->ordinal) &&
         GetVarint32(in, &pointer->raw_size) && GetVarint32(in, &pointer->stored_size);
}

}  // namespace kvfs::engine
