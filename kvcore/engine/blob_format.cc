#include "kvcore/engine/blob_format.h"

#include <snappy.h>

#include <algorithm>
#include <cassert>

#include "kvcore/base/coding.h"
#include "kvcore/base/crc32c.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

void EncodeBlobFileHeader(const BlobFileId& id, Bytes* out) {
  const size_t start = out->size();
  PutFixed64(out, kBlobFileMagic);
  PutFixed32(out, kBlobVersion);
  PutFixed64(out, id.logical);
  PutFixed64(out, id.physical);
  PutFixed64(out, id.salt);
  PutFixed32(out, crc32c::Mask(crc32c::Value(ByteView(*out).substr(start))));
  assert(out->size() - start == kBlobFileHeaderBytes);
}

Status DecodeBlobFileHeader(ByteView in, BlobFileId* id) {
  if (in.size() < kBlobFileHeaderBytes || DecodeFixed64(in.data()) != kBlobFileMagic) {
    return Status::Corruption("not a blob file");
  }
  const ByteView covered = in.substr(0, kBlobFileHeaderBytes - 4);
  if (DecodeFixed32(in.data() + covered.size()) != crc32c::Mask(crc32c::Value(covered))) {
    return Status::Corruption("bad checksum of the file header");
  }
  const uint32_t version = DecodeFixed32(in.data() + 8);
  if (version != kBlobVersion) {
    return Status::InvalidArgument("blob file format " + std::to_string(version) +
                                   " is not known to this version of kvfs");
  }
  id->logical = DecodeFixed64(in.data() + 12);
  id->physical = DecodeFixed64(in.data() + 20);
  id->salt = DecodeFixed64(in.data() + 28);
  return {};
}

void EncodeBlobFooter(const BlobFooter& footer, uint64_t salt, Bytes* out) {
  const size_t start = out->size();
  PutFixed64(out, footer.index_offset);
  PutFixed32(out, footer.index_size);
  PutFixed32(out, footer.count);
  PutFixed32(out, footer.index_checksum);
  PutFixed32(out, SaltedChecksum(salt, ByteView(*out).substr(start)));
  PutFixed64(out, kBlobFooterMagic);
  assert(out->size() - start == kBlobFooterBytes);
}

bool DecodeBlobFooter(ByteView in, uint64_t salt, BlobFooter* footer) {
  if (in.size() != kBlobFooterBytes ||
      DecodeFixed64(in.data() + kBlobFooterBytes - 8) != kBlobFooterMagic ||
      DecodeFixed32(in.data() + 20) != SaltedChecksum(salt, in.substr(0, 20))) {
    return false;
  }
  footer->index_offset = DecodeFixed64(in.data());
  footer->index_size = DecodeFixed32(in.data() + 8);
  footer->count = DecodeFixed32(in.data() + 12);
  footer->index_checksum = DecodeFixed32(in.data() + 16);
  return true;
}

uint32_t SaltedChecksum(uint64_t salt, ByteView covered) {
  char bytes[8];
  EncodeFixed64(bytes, salt);
  return crc32c::Mask(crc32c::Extend(crc32c::Value(ByteView(bytes, sizeof(bytes))), covered));
}

uint32_t BlobHeadChecksum(uint64_t salt, uint64_t offset, ByteView covered) {
  char place[16];
  EncodeFixed64(place, salt);
  EncodeFixed64(place + 8, offset);
  return crc32c::Mask(crc32c::Extend(crc32c::Value(ByteView(place, sizeof(place))), covered));
}

uint32_t SubBlockChecksum(uint32_t crc_of_bytes, uint64_t logical_file, uint32_t ordinal,
                          uint32_t number) {
  char place[16];
  EncodeFixed64(place, logical_file);
  EncodeFixed32(place + 8, ordinal);
  EncodeFixed32(place + 12, number);
  return crc32c::Mask(crc32c::Extend(crc_of_bytes, ByteView(place, sizeof(place))));
}

bool DecodeBlobRecordHead(ByteView in, uint64_t salt, uint64_t offset, BlobRecordHead* head) {
  if (in.size() < kBlobRecordHeaderBytes || DecodeFixed32(in.data()) != kBlobRecordMagic) {
    return false;
  }
  head->ordinal = DecodeFixed32(in.data() + 8);
  head->raw_size = DecodeFixed32(in.data() + 12);
  head->stored_size = DecodeFixed32(in.data() + 16);
  const auto flags = static_cast<uint8_t>(in[20]);
  const size_t size = BlobHeadBytes(head->raw_size);
  if (in.size() < size ||
      DecodeFixed32(in.data() + 4) != BlobHeadChecksum(salt, offset, in.substr(8, size - 8))) {
    return false;
  }
  // The checksum holds, so what follows was written so; but a later version may have.
  if (flags > static_cast<uint8_t>(BlobCodec::kSnappy)) {
    return false;
  }
  head->codec = static_cast<BlobCodec>(flags);
  head->sub_blocks.resize(SubBlockCount(head->raw_size));
  uint64_t at = size;
  uint32_t left = head->raw_size;
  const char* entry = in.data() + kBlobRecordHeaderBytes;
  for (SubBlock& sub : head->sub_blocks) {
    sub.offset = static_cast<uint32_t>(at);
    sub.raw_size = std::min(left, kSubBlockBytes);
    sub.stored_size = DecodeFixed<uint16_t>(entry);
    sub.checksum = DecodeFixed32(entry + 2);
    if (sub.stored_size > sub.raw_size) {
      return false;
    }
    at += sub.stored_size;
    left -= sub.raw_size;
    entry += kSubBlockEntryBytes;
  }
  return at == head->stored_size;
}

PreparedBlob PrepareBlob(ByteView value) {
  assert(value.size() <= kMaxValueBytes);
  PreparedBlob blob;
  blob.raw_size = static_cast<uint32_t>(value.size());
  const uint32_t count = SubBlockCount(blob.raw_size);
  blob.crcs.reserve(count);
  size_t at = BlobHeadBytes(blob.raw_size);
  blob.record.resize(at + value.size() + snappy::MaxCompressedLength(kSubBlockBytes) -
                     kSubBlockBytes);
  for (uint32_t number = 0; number < count; ++number) {
    const ByteView raw = value.substr(size_t{number} * kSubBlockBytes, kSubBlockBytes);
    // Room for the worst case is there: what went before took at most its raw size.
    size_t stored = 0;
    snappy::RawCompress(raw.data(), raw.size(), blob.record.data() + at, &stored);
    if (stored < raw.size() - raw.size() / 8) {
      blob.codec = BlobCodec::kSnappy;
    } else {
      std::copy(raw.begin(), raw.end(), blob.record.data() + at);
      stored = raw.size();
    }
    const ByteView bytes(blob.record.data() + at, stored);
    blob.crcs.push_back(crc32c::Value(bytes));
    EncodeSubBlockSize(static_cast<uint32_t>(stored), number, &blob.record);
    at += stored;
  }
  blob.record.resize(at);
  return blob;
}

void EncodeSubBlockSize(uint32_t stored_size, uint32_t number, Bytes* record) {
  const auto size = static_cast<uint16_t>(stored_size);
  std::copy_n(reinterpret_cast<const char*>(&size), sizeof(size),
              record->data() + kBlobRecordHeaderBytes + size_t{number} * kSubBlockEntryBytes);
}

void SealBlobRecord(const BlobFileId& id, uint32_t ordinal, uint64_t offset, PreparedBlob* blob) {
  char* head = blob->record.data();
  EncodeFixed32(head, kBlobRecordMagic);
  EncodeFixed32(head + 8, ordinal);
  EncodeFixed32(head + 12, blob->raw_size);
  EncodeFixed32(head + 16, static_cast<uint32_t>(blob->record.size()));
  head[20] = static_cast<char>(blob->codec);
  char* entry = head + kBlobRecordHeaderBytes;
  for (uint32_t number = 0; number < blob->crcs.size(); ++number) {
    EncodeFixed32(entry + 2, SubBlockChecksum(blob->crcs[number], id.logical, ordinal, number));
    entry += kSubBlockEntryBytes;
  }
  ResealBlobRecord(id, offset, &blob->record);
}

void ResealBlobRecord(const BlobFileId& id, uint64_t offset, Bytes* record) {
  const uint32_t raw_size = DecodeFixed32(record->data() + 12);
  const ByteView covered = ByteView(*record).substr(8, BlobHeadBytes(raw_size) - 8);
  EncodeFixed32(record->data() + 4, BlobHeadChecksum(id.salt, offset, covered));
}

}  // namespace kvfs::engine
