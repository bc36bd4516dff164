#include "kvcore/base/coding.h"

namespace kvfs {
namespace {

template <typename T>
bool GetFixed(ByteView* in, T* value) {
  if (in->size() < sizeof(T)) {
    return false;
  }
  *value = DecodeFixed<T>(in->data());
  in->remove_prefix(sizeof(T));
  return true;
}

template <typename T>
void PutBigEndian(Bytes* out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

template <typename T>
bool GetBigEndian(ByteView* in, T* value) {
  if (in->size() < sizeof(T)) {
    return false;
  }
  T result = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    result = static_cast<T>((result << 8) | static_cast<unsigned char>((*in)[i]));
  }
  *value = result;
  in->remove_prefix(sizeof(T));
  return true;
}

}  // namespace

bool GetFixed32(ByteView* in, uint32_t* value) { return GetFixed(in, value); }
bool GetFixed64(ByteView* in, uint64_t* value) { return GetFixed(in, value); }
void PutBigEndian16(Bytes* out, uint16_t value) { PutBigEndian(out, value); }
void PutBigEndian32(Bytes* out, uint32_t value) { PutBigEndian(out, value); }
void PutBigEndian64(Bytes* out, uint64_t value) { PutBigEndian(out, value); }
bool GetBigEndian16(ByteView* in, uint16_t* value) { return GetBigEndian(in, value); }
bool GetBigEndian32(ByteView* in, uint32_t* value) { return GetBigEndian(in, value); }
bool GetBigEndian64(ByteView* in, uint64_t* value) { return GetBigEndian(in, value); }

void PutVarint64(Bytes* out, uint64_t value) {
  char buf[kMaxVarint64Bytes];
  int n = 0;
  while (value >= 0x80) {
    buf[n++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  buf[n++] = static_cast<char>(value);
  out->append(buf, static_cast<size_t>(n));
}

bool GetVarint64(ByteView* in, uint64_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < in->size() && i < kMaxVarint64Bytes; ++i) {
    const auto byte = static_cast<unsigned char>((*in)[i]);
    if (i == kMaxVarint64Bytes - 1 && byte > 1) {
      return false;  // would not fit 64 bits
    }
    result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      in->remove_prefix(i + 1);
      *value = result;
      return true;
    }
  }
  return false;
}

bool GetVarint32(ByteView* in, uint32_t* value) {
  uint64_t wide = 0;
  if (!GetVarint64(in, &wide) || wide > UINT32_MAX) {
    return false;
  }
  *value = static_cast<uint32_t>(wide);
  return true;
}

int VarintLength(uint64_t value) {
  int n = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++n;
  }
  return n;
}

void PutLengthPrefixed(Bytes* out, ByteView value) {
  PutVarint64(out, value.size());
  out->append(value);
}

bool GetLengthPrefixed(ByteView* in, ByteView* value) {
  uint64_t size = 0;
  if (!GetVarint64(in, &size) || size > in->size()) {
    return false;
  }
  *value = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

}  // namespace kvfs
