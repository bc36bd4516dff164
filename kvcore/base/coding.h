// Integers to bytes and back. Fixed-width integers in values are little-endian;
// integers in keys are big-endian, so that they sort as numbers. Varints are the
// LEB128 of Protocol Buffers. Decoders take hostile input: a Get that fails
// returns false and leaves its input unspecified, never reads past the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kvcore/base/bytes.h"

namespace kvfs {

static_assert(std::endian::native == std::endian::little, "kvfs supports little-endian hosts");

template <typename T>
inline void PutFixed(Bytes* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}
inline void PutFixed32(Bytes* out, uint32_t v) { PutFixed<uint32_t>(out, v); }
inline void PutFixed64(Bytes* out, uint64_t v) { PutFixed<uint64_t>(out, v); }

template <typename T>
inline T DecodeFixed(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}
inline uint32_t DecodeFixed32(const char* p) { return DecodeFixed<uint32_t>(p); }
inline uint64_t DecodeFixed64(const char* p) { return DecodeFixed<uint64_t>(p); }
inline void EncodeFixed16(char* p, uint16_t v) { std::memcpy(p, &v, sizeof(v)); }
inline void EncodeFixed32(char* p, uint32_t v) { std::memcpy(p, &v, sizeof(v)); }
inline void EncodeFixed64(char* p, uint64_t v) { std::memcpy(p, &v, sizeof(v)); }

// Each Get consumes what it read from the front of `in`.
bool GetFixed32(ByteView* in, uint32_t* value);
bool GetFixed64(ByteView* in, uint64_t* value);

void PutBigEndian16(Bytes* out, uint16_t value);
void PutBigEndian32(Bytes* out, uint32_t value);
void PutBigEndian64(Bytes* out, uint64_t value);
bool GetBigEndian16(ByteView* in, uint16_t* value);
bool GetBigEndian32(ByteView* in, uint32_t* value);
bool GetBigEndian64(ByteView* in, uint64_t* value);

inline constexpr int kMaxVarint64Bytes = 10;
void PutVarint64(Bytes* out, uint64_t value);
inline void PutVarint32(Bytes* out, uint32_t value) { PutVarint64(out, value); }
bool GetVarint64(ByteView* in, uint64_t* value);
bool GetVarint32(ByteView* in, uint32_t* value);  // false if it does not fit
int VarintLength(uint64_t value);                 // bytes PutVarint64 would append

void PutLengthPrefixed(Bytes* out, ByteView value);
// `value` points into the input.
bool GetLengthPrefixed(ByteView* in, ByteView* value);

}  // namespace kvfs
