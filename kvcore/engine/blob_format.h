// The format of blob files (doc/formats/blob.md), shared by writer and reader.
//
//   file header  record*  [index  footer]
//
// The index and footer are written when the file is finished; without them (the file is
// being written, or its writer died) the records are found by a scan. A record:
//
//   u32 magic, u32 checksum (masked CRC-32C: file salt, offset of the record, everything
//   after this field up to the first sub-block), u32 ordinal, u32 raw size, u32 stored
//   size (the whole record), u8 flags (low nibble codec, high nibble cipher)
//   per sub-block of 32 KiB raw: u16 stored size, u32 masked CRC-32C of its stored bytes,
//   logical file, ordinal, number of the sub-block
//   the sub-blocks' bytes; one whose stored size equals its raw size is not compressed
//
// The salt is random, so no value can be made up to look like a record of the file it is
// in. Sub-block checksums hold neither salt nor offset: a record keeps them when it moves
// into another physical file of the same logical one.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::engine {

inline constexpr uint64_t kBlobFileMagic = 0x31626f6c625f6b66u;  // "fk_blob1"
inline constexpr uint64_t kBlobFooterMagic = 0x31646e655f626c6bu;
inline constexpr uint32_t kBlobVersion = 1;
inline constexpr uint32_t kBlobRecordMagic = 0x9ac3b10bu;
inline constexpr uint32_t kSubBlockBytes = 32u << 10;
inline constexpr size_t kBlobFileHeaderBytes = 8 + 4 + 8 + 8 + 8 + 4;
inline constexpr size_t kBlobRecordHeaderBytes = 4 + 4 + 4 + 4 + 4 + 1;
inline constexpr size_t kSubBlockEntryBytes = 2 + 4;
inline constexpr size_t kBlobIndexEntryBytes = 4 + 8 + 4;
inline constexpr size_t kBlobFooterBytes = 8 + 4 + 4 + 4 + 4 + 8;

enum class BlobCodec : uint8_t { kNone = 0, kSnappy = 1 };

struct BlobFileId {
  uint64_t logical = 0;   // what pointers name
  uint64_t physical = 0;  // what the file is called; changes when the file is rewritten
  uint64_t salt = 0;      // random, one per physical file

  bool operator==(const BlobFileId&) const = default;
};
void EncodeBlobFileHeader(const BlobFileId& id, Bytes* out);
// kCorruption; kInvalidArgument for a newer version. Messages do not name the file.
Status DecodeBlobFileHeader(ByteView in, BlobFileId* id);

struct BlobFooter {
  uint64_t index_offset = 0;
  uint32_t index_size = 0;
  uint32_t count = 0;           // of the index's entries
  uint32_t index_checksum = 0;  // SaltedChecksum of the index
};
void EncodeBlobFooter(const BlobFooter& footer, uint64_t salt, Bytes* out);
// False: no footer of this file. Values at the end of an unfinished file cannot look like one.
bool DecodeBlobFooter(ByteView in, uint64_t salt, BlobFooter* footer);

uint32_t SaltedChecksum(uint64_t salt, ByteView covered);  // masked

inline uint32_t SubBlockCount(uint32_t raw_size) {
  return raw_size / kSubBlockBytes + (raw_size % kSubBlockBytes != 0 ? 1 : 0);
}
inline size_t BlobHeadBytes(uint32_t raw_size) {  // header and sub-block table
  return kBlobRecordHeaderBytes + SubBlockCount(raw_size) * kSubBlockEntryBytes;
}

struct SubBlock {
  uint32_t offset = 0;  // within the record
  uint32_t stored_size = 0;
  uint32_t raw_size = 0;
  uint32_t checksum = 0;  // masked
};

// The decoded head of a record.
struct BlobRecordHead {
  uint32_t ordinal = 0;
  uint32_t raw_size = 0;
  uint32_t stored_size = 0;
  BlobCodec codec = BlobCodec::kNone;
  std::vector<SubBlock> sub_blocks;
};
// `in` begins at the record and holds at least its head. False: not a record of this file there.
bool DecodeBlobRecordHead(ByteView in, uint64_t salt, uint64_t offset, BlobRecordHead* head);
// The checksum field of a record's head; `covered` is the rest of the head.
uint32_t BlobHeadChecksum(uint64_t salt, uint64_t offset, ByteView covered);
// The checksum of a sub-block, from the plain CRC-32C of its stored bytes.
uint32_t SubBlockChecksum(uint32_t crc_of_bytes, uint64_t logical_file, uint32_t ordinal,
                          uint32_t number);

// A value ready to be placed: compressed, with the CRCs of its bytes.
struct PreparedBlob {
  uint32_t raw_size = 0;
  BlobCodec codec = BlobCodec::kNone;
  Bytes record;                // the whole record, its head not yet filled in
  std::vector<uint32_t> crcs;  // plain, of the sub-blocks' stored bytes
};
// REQUIRES: value.size() <= kMaxValueBytes.
PreparedBlob PrepareBlob(ByteView value);
void EncodeSubBlockSize(uint32_t stored_size, uint32_t number, Bytes* record);
// Fills in the head for its place.
void SealBlobRecord(const BlobFileId& id, uint32_t ordinal, uint64_t offset, PreparedBlob* blob);
// The same for a whole record that moves into another physical file of the same logical one.
void ResealBlobRecord(const BlobFileId& id, uint64_t offset, Bytes* record);

}  // namespace kvfs::engine
