#include "kvcore/engine/write_batch.h"

#include <cassert>

#include "kvcore/base/coding.h"
#include "kvcore/engine/batch_format.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {
namespace {

void PutTagAndKey(BatchTag tag, ByteView key, Bytes* out) {
  assert(key.size() <= kMaxUserKeyBytes);
  out->push_back(static_cast<char>(tag));
  PutLengthPrefixed(out, key);
}

}  // namespace

void WriteBatch::Put(ByteView key, ByteView value) {
  assert(value.size() <= kMaxValueBytes);
  PutTagAndKey(BatchTag::kPut, key, &rep_);
  PutLengthPrefixed(&rep_, value);
  ++count_;
  only_deletes_ = false;
}

void WriteBatch::PutBlob(ByteView key, const BlobPointer& pointer) {
  PutTagAndKey(BatchTag::kPutBlob, key, &rep_);
  EncodeBlobPointer(pointer, &rep_);
  ++count_;
  only_deletes_ = false;
  puts_blobs_ = true;
}

void WriteBatch::Delete(ByteView key) {
  PutTagAndKey(BatchTag::kDelete, key, &rep_);
  ++count_;
}

void WriteBatch::DeleteBlob(ByteView key, const BlobPointer& pointer) {
  PutTagAndKey(BatchTag::kDeleteBlob, key, &rep_);
  EncodeBlobPointer(pointer, &rep_);
  ++count_;
}

void WriteBatch::Clear() { *this = WriteBatch(); }

}  // namespace kvfs::engine
