#include "kvcore/engine/table_format.h"

#include <snappy.h>

#include <array>
#include <cassert>

#include "kvcore/base/coding.h"
#include "kvcore/base/crc32c.h"

namespace kvfs::engine {
namespace {

// Blocks up to this size are read onto the stack.
constexpr size_t kOrdinaryBlockBytes = 8u << 10;

uint32_t BlockChecksum(ByteView stored_and_type, uint64_t file_number, uint64_t offset) {
  char place[16];
  EncodeFixed64(place, file_number);
  EncodeFixed64(place + 8, offset);
  return crc32c::Mask(
      crc32c::Extend(crc32c::Value(stored_and_type), ByteView(place, sizeof(place))));
}

void PutFixedHandle(const BlockHandle& handle, Bytes* out) {
  PutFixed64(out, handle.offset);
  PutFixed32(out, handle.size);
}

bool GetFixedHandle(ByteView* in, BlockHandle* handle) {
  return GetFixed64(in, &handle->offset) && GetFixed32(in, &handle->size);
}

uint32_t FooterChecksum(ByteView covered, uint64_t file_number) {
  char number[8];
  EncodeFixed64(number, file_number);
  return crc32c::Mask(crc32c::Extend(crc32c::Value(covered), ByteView(number, sizeof(number))));
}

Status BlockDamage(std::string_view name, uint64_t offset, const char* what) {
  return Status::Corruption(std::string(name) + " at " + std::to_string(offset) + ": " + what);
}

// Snappy makes at most 64 bytes of 3; more is claimed only by a damaged block.
bool PlausibleRawSize(size_t raw, size_t stored) { return raw <= 22 * stored + 64; }

}  // namespace

void EncodeBlockHandle(const BlockHandle& handle, Bytes* out) {
  PutVarint64(out, handle.offset);
  PutVarint32(out, handle.size);
}

bool DecodeBlockHandle(ByteView* in, BlockHandle* handle) {
  return GetVarint64(in, &handle->offset) && GetVarint32(in, &handle->size);
}

void EncodeTableFooter(const TableFooter& footer, uint64_t file_number, Bytes* out) {
  const size_t start = out->size();
  PutFixedHandle(footer.filter, out);
  PutFixedHandle(footer.properties, out);
  PutFixedHandle(footer.index, out);
  PutFixed32(out, kTableVersion);
  PutFixed32(out, FooterChecksum(ByteView(*out).substr(start), file_number));
  PutFixed64(out, kTableMagic);
  assert(out->size() - start == kTableFooterBytes);
}

Status DecodeTableFooter(ByteView in, uint64_t file_number, TableFooter* footer) {
  if (in.size() != kTableFooterBytes ||
      DecodeFixed64(in.data() + kTableFooterBytes - 8) != kTableMagic) {
    return Status::Corruption("not the footer of a table");
  }
  const ByteView covered = in.substr(0, kTableFooterBytes - 12);
  if (DecodeFixed32(in.data() + covered.size()) != FooterChecksum(covered, file_number)) {
    return Status::Corruption("bad checksum of the footer");
  }
  uint32_t version = 0;
  if (!GetFixedHandle(&in, &footer->filter) || !GetFixedHandle(&in, &footer->properties) ||
      !GetFixedHandle(&in, &footer->index) || !GetFixed32(&in, &version)) {
    return Status::Corruption("short footer");
  }
  if (version != kTableVersion) {
    return Status::InvalidArgument("table format " + std::to_string(version) +
                                   " is not known to this version of kvfs");
  }
  return {};
}

uint32_t SealBlock(ByteView contents, bool compress, uint64_t file_number, uint64_t offset,
                   Bytes* out) {
  const size_t start = out->size();
  auto type = Compression::kNone;
  if (compress) {
    out->resize(start + snappy::MaxCompressedLength(contents.size()));
    size_t size = 0;
    snappy::RawCompress(contents.data(), contents.size(), out->data() + start, &size);
    out->resize(start + size);
    if (size < contents.size() - contents.size() / 8) {
      type = Compression::kSnappy;
    } else {
      out->resize(start);
    }
  }
  if (type == Compression::kNone) {
    out->append(contents);
  }
  const size_t stored = out->size() - start;
  assert(stored <= UINT32_MAX);
  out->push_back(static_cast<char>(type));
  PutFixed32(out, BlockChecksum(ByteView(*out).substr(start), file_number, offset));
  return static_cast<uint32_t>(stored);
}

Result<Bytes> ReadBlock(const env::RandomAccessFile& file, std::string_view name,
                        uint64_t file_number, const BlockHandle& handle) {
  const size_t whole = size_t{handle.size} + kBlockTrailerBytes;
  std::array<char, kOrdinaryBlockBytes> ordinary;
  if (whole <= ordinary.size()) {
    KVFS_ASSIGN_OR_RETURN(const size_t size, file.ReadInto(handle.offset, whole, ordinary.data()));
    return DecodeBlock({ordinary.data(), size}, name, file_number, handle);
  }
  Bytes stored;
  KVFS_RETURN_IF_ERROR(file.ReadAt(handle.offset, whole, &stored));
  return DecodeBlock(stored, name, file_number, handle);
}

Result<Bytes> DecodeBlock(ByteView stored, std::string_view name, uint64_t file_number,
                          const BlockHandle& handle) {
  if (stored.size() != size_t{handle.size} + kBlockTrailerBytes) {
    return BlockDamage(name, handle.offset, "block is cut short");
  }
  const uint32_t checksum = DecodeFixed32(stored.data() + handle.size + 1);
  if (BlockChecksum(stored.substr(0, handle.size + size_t{1}), file_number, handle.offset) !=
      checksum) {
    return BlockDamage(name, handle.offset, "bad block checksum");
  }
  const auto type = static_cast<uint8_t>(stored[handle.size]);
  stored = stored.substr(0, handle.size);
  if (type == static_cast<uint8_t>(Compression::kNone)) {
    return Bytes(stored);
  }
  if (type != static_cast<uint8_t>(Compression::kSnappy)) {
    return BlockDamage(name, handle.offset, "unknown compression");
  }
  size_t raw_size = 0;
  if (!snappy::GetUncompressedLength(stored.data(), stored.size(), &raw_size) ||
      !PlausibleRawSize(raw_size, stored.size())) {
    return BlockDamage(name, handle.offset, "block does not decompress");
  }
  Bytes raw(raw_size, '\0');
  if (!snappy::RawUncompress(stored.data(), stored.size(), raw.data())) {
    return BlockDamage(name, handle.offset, "block does not decompress");
  }
  return raw;
}

}  // namespace kvfs::engine
