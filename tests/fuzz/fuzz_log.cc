// Log files, as they are and with the checksums of their fragments put right (which a fuzzer would
// not hit by chance). Record offsets ascend and lie within the file.
#include <algorithm>
#include <memory>

#include "kvcore/base/coding.h"
#include "kvcore/engine/log_reader.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"
#include "tests/support/bytes_file.h"

namespace kvfs::fuzz {
namespace {

constexpr uint64_t kLogNumber = 7;

void ReadLog(const Bytes& file) {
  engine::LogReader reader(std::make_unique<test::BytesReadFile>(file), "000007.log", kLogNumber);
  Bytes payload;
  uint64_t offset = 0;
  uint64_t end = 0;
  while (true) {
    const auto more = reader.ReadRecord(&payload, &offset);
    if (!more.ok()) {
      FUZZ_CHECK(more.error().code() == Code::kCorruption);
      break;
    }
    if (!*more) {
      break;
    }
    FUZZ_CHECK(offset >= end);
    end = reader.EndOffset();
    FUZZ_CHECK(end > offset && end <= file.size());
    FUZZ_CHECK(payload.size() < end - offset);
  }
}

void PutChecksumsRight(Bytes* file) {
  using engine::kLogBlockBytes;
  using engine::kLogHeaderBytes;
  size_t at = 0;
  while (at + kLogHeaderBytes <= file->size()) {
    const size_t left = kLogBlockBytes - at % kLogBlockBytes;
    if (left < kLogHeaderBytes) {
      at += left;
      continue;
    }
    const size_t room = std::min(left, file->size() - at);
    const size_t whole =
        std::min<size_t>(kLogHeaderBytes + DecodeFixed<uint16_t>(file->data() + at + 4), room);
    EncodeFixed32(file->data() + at + 7, kLogNumber);
    EncodeFixed32(file->data() + at,
                  engine::FragmentChecksum(at, ByteView(*file).substr(at + 4, whole - 4)));
    at += whole;
  }
}

}  // namespace

void FuzzLog(const uint8_t* data, size_t size) {
  Bytes file(reinterpret_cast<const char*>(data), size);
  ReadLog(file);
  PutChecksumsRight(&file);
  ReadLog(file);
}

}  // namespace kvfs::fuzz
