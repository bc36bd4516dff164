// Whole blob files, as they are and with the checksums of header, heads and footer put right.
// Every record of the index is read whole and in part, and both agree.
#include <memory>

#include "kvcore/base/coding.h"
#include "kvcore/base/crc32c.h"
#include "kvcore/engine/blob_file.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"
#include "tests/support/bytes_file.h"

namespace kvfs::fuzz {
namespace {

constexpr uint64_t kPhysical = 12;

void ReadBlobFile(const Bytes& bytes) {
  const auto file = engine::BlobFile::Open(std::make_unique<test::BytesReadFile>(bytes),
                                           "000012.blob", kPhysical);
  if (!file.ok()) {
    return;
  }
  const Status verified = (*file)->VerifyAll(false);
  FUZZ_CHECK(verified.ok() || verified.code() == Code::kCorruption);
  int records = 0;
  for (const auto& entry : (*file)->index().Entries()) {
    if (entry.offset + engine::kBlobRecordHeaderBytes > bytes.size() || ++records > 100) {
      continue;
    }
    const uint32_t raw_size = DecodeFixed32(bytes.data() + entry.offset + 12);
    const engine::BlobPointer pointer{(*file)->id().logical, entry.ordinal, raw_size,
                                      entry.stored_size};
    const auto value = (*file)->Read(pointer);
    const auto part = (*file)->ReadRange(pointer, raw_size / 3, 100);
    if (value.ok()) {
      FUZZ_CHECK(value->size() == raw_size);
      FUZZ_CHECK(part.ok() && *part == value->substr(raw_size / 3, 100));
    }
  }
}

void PutChecksumsRight(Bytes* file) {
  using namespace engine;
  if (file->size() < kBlobFileHeaderBytes) {
    return;
  }
  char* p = file->data();
  EncodeFixed64(p, kBlobFileMagic);
  EncodeFixed32(p + 8, kBlobVersion);
  EncodeFixed64(p + 20, kPhysical);
  EncodeFixed32(p + 36, crc32c::Mask(crc32c::Value(ByteView(*file).substr(0, 36))));
  const uint64_t salt = DecodeFixed64(p + 28);
  for (size_t at = kBlobFileHeaderBytes; at + kBlobRecordHeaderBytes <= file->size(); ++at) {
    if (DecodeFixed32(p + at) == kBlobRecordMagic) {
      const size_t head = BlobHeadBytes(DecodeFixed32(p + at + 12));
      if (head <= file->size() - at) {
        EncodeFixed32(p + at + 4,
                      BlobHeadChecksum(salt, at, ByteView(*file).substr(at + 8, head - 8)));
        at += head - 1;
      }
    }
  }
  if (file->size() >= kBlobFileHeaderBytes + kBlobFooterBytes && (file->back() & 1) == 0) {
    const size_t footer = file->size() - kBlobFooterBytes;
    const uint64_t index = DecodeFixed64(p + footer);
    if (index <= footer) {
      EncodeFixed32(p + footer + 8, static_cast<uint32_t>(footer - index));
      EncodeFixed32(p + footer + 12,
                    static_cast<uint32_t>((footer - index) / kBlobIndexEntryBytes));
      EncodeFixed32(p + footer + 16,
                    SaltedChecksum(salt, ByteView(*file).substr(index, footer - index)));
    }
    EncodeFixed32(p + footer + 20, SaltedChecksum(salt, ByteView(*file).substr(footer, 20)));
    EncodeFixed64(p + footer + 24, kBlobFooterMagic);
  }
}

}  // namespace

void FuzzBlob(const uint8_t* data, size_t size) {
  Bytes file(reinterpret_cast<const char*>(data), size);
  ReadBlobFile(file);
  PutChecksumsRight(&file);
  ReadBlobFile(file);
}

}  // namespace kvfs::fuzz
