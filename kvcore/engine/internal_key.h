// Internal keys: what the memtable and the tables are ordered by. An internal key
// is the user key followed by eight bytes (little-endian) of `sequence << 8 | type`.
// Order: user key ascending, bytewise; then sequence descending, so that the newest
// entry of a key comes first. Values here, no state, no synchronisation.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "kvcore/base/bytes.h"
#include "kvcore/base/coding.h"

namespace kvfs::engine {

// The type of an entry; the values are on disk.
enum class EntryType : uint8_t {
  kDelete = 0,       // value: empty, or the encoded BlobPointer of what is deleted (so that the
                     // garbage is known before compaction meets the old entry)
  kValue = 1,        // value: the bytes themselves
  kBlobPointer = 2,  // value: an encoded BlobPointer
};
inline constexpr uint8_t kMaxEntryType = 2;

inline constexpr uint64_t kMaxSequence = (uint64_t{1} << 56) - 1;
inline constexpr size_t kInternalKeyTrailer = 8;
inline constexpr size_t kMaxUserKeyBytes = 64u << 10;
// The bound on one value in a batch, a memtable or a blob.
inline constexpr uint64_t kMaxValueBytes = 1u << 30;

inline uint64_t PackTrailer(uint64_t sequence, EntryType type) {
  assert(sequence <= kMaxSequence);
  return (sequence << 8) | static_cast<uint8_t>(type);
}

inline void AppendInternalKey(ByteView user_key, uint64_t sequence, EntryType type, Bytes* out) {
  out->append(user_key);
  PutFixed64(out, PackTrailer(sequence, type));
}
// The key to seek to for the newest entry of `user_key` at or below `sequence` (trailers sort
// descending, so the greatest type comes first).
inline Bytes SeekKey(ByteView user_key, uint64_t sequence) {
  Bytes key;
  key.reserve(user_key.size() + kInternalKeyTrailer);
  AppendInternalKey(user_key, sequence, static_cast<EntryType>(kMaxEntryType), &key);
  return key;
}

// These four REQUIRE a well-formed internal key (at least 8 bytes).
inline ByteView UserKey(ByteView internal_key) {
  assert(internal_key.size() >= kInternalKeyTrailer);
  return internal_key.substr(0, internal_key.size() - kInternalKeyTrailer);
}
inline uint64_t Trailer(ByteView internal_key) {
  assert(internal_key.size() >= kInternalKeyTrailer);
  return DecodeFixed64(internal_key.data() + internal_key.size() - kInternalKeyTrailer);
}
inline uint64_t Sequence(ByteView internal_key) { return Trailer(internal_key) >> 8; }
inline EntryType TypeOf(ByteView internal_key) {
  return static_cast<EntryType>(Trailer(internal_key) & 0xff);
}

// Whether bytes from disk are a well-formed internal key of a known type. The block iterator
// checks every key it hands out, so what comes out of an InternalIterator always is.
inline bool IsInternalKey(ByteView bytes) {
  return bytes.size() >= kInternalKeyTrailer &&
         static_cast<uint8_t>(bytes[bytes.size() - kInternalKeyTrailer]) <= kMaxEntryType;
}

// < 0, 0, > 0 as `a` sorts before, with or after `b`, bytewise. Eight bytes at a time: keys are
// short, and every lookup compares many, so calls of memcmp would cost more than what they do.
inline int CompareBytes(ByteView a, ByteView b) {
  const size_t size = std::min(a.size(), b.size());
  const auto compare_words = [&](size_t at) {
    const uint64_t x = __builtin_bswap64(DecodeFixed64(a.data() + at));
    const uint64_t y = __builtin_bswap64(DecodeFixed64(b.data() + at));
    return x < y ? -1 : (x > y ? 1 : 0);
  };
  if (size >= 8) {
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
      if (const int order = compare_words(at); order != 0) {
        return order;
      }
    }
    // The last word reaches back into what is known to be equal.
    if (const int order = at < size ? compare_words(size - 8) : 0; order != 0) {
      return order;
    }
  } else if (size > 0) {
    if (const int order = std::memcmp(a.data(), b.data(), size); order != 0) {
      return order;
    }
  }
  return a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0);
}

inline bool SameBytes(ByteView a, ByteView b) {
  return a.size() == b.size() && CompareBytes(a, b) == 0;
}

// < 0, 0, > 0 as `a` sorts before, with or after `b`.
inline int CompareInternalKeys(ByteView a, ByteView b) {
  if (const int order = CompareBytes(UserKey(a), UserKey(b)); order != 0) {
    return order;
  }
  const uint64_t ta = Trailer(a);
  const uint64_t tb = Trailer(b);
  return ta > tb ? -1 : (ta < tb ? 1 : 0);
}

// The same key as SeekKey's, built where the lookup is: short keys need no memory of their own.
class LookupKey {
 public:
  LookupKey(ByteView user_key, uint64_t sequence) : size_(user_key.size() + kInternalKeyTrailer) {
    char* out = inline_;
    if (size_ > sizeof(inline_)) {
      long_.resize(size_);
      out = long_.data();
    }
    if (!user_key.empty()) {
      std::memcpy(out, user_key.data(), user_key.size());
    }
    EncodeFixed64(out + user_key.size(),
                  PackTrailer(sequence, static_cast<EntryType>(kMaxEntryType)));
  }
  LookupKey(const LookupKey&) = delete;
  LookupKey& operator=(const LookupKey&) = delete;

  ByteView internal_key() const {
    return {size_ > sizeof(inline_) ? long_.data() : inline_, size_};
  }
  ByteView user_key() const { return UserKey(internal_key()); }
  uint64_t sequence() const { return Sequence(internal_key()); }

 private:
  const size_t size_;
  char inline_[120];
  Bytes long_;
};

struct InternalKeyLess {
  using is_transparent = void;
  bool operator()(ByteView a, ByteView b) const { return CompareInternalKeys(a, b) < 0; }
};

// What a point lookup in a memtable or table finds: the newest entry of the key it may see.
struct FoundEntry {
  EntryType type = EntryType::kDelete;
  uint64_t sequence = 0;
  Bytes value;
};

// For messages and dumps: `"6b6579" @ 12 value`, the user key in hexadecimal.
Bytes DescribeInternalKey(ByteView internal_key);

}  // namespace kvfs::engine
