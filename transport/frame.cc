#include "transport/frame.h"

#include <cassert>
#include <cstring>

#include "kvcore/base/coding.h"
#include "kvcore/base/crc32c.h"

namespace kvfs::transport {
namespace {

constexpr uint32_t kMagic = 0x5346564b;  // "KVFS"
constexpr size_t kChecksumOffset = kHeaderBytes - 4;

void PutFixed16(Bytes* out, uint16_t value) { PutFixed<uint16_t>(out, value); }

// Over the header before it and, with their lengths, all other parts.
class Checksum {
 public:
  explicit Checksum(ByteView header) : crc_(crc32c::Value(header.substr(0, kChecksumOffset))) {}
  void Add(ByteView part) {
    char length[8];
    EncodeFixed64(length, part.size());
    crc_ = crc32c::Extend(crc32c::Extend(crc_, {length, sizeof(length)}), part);
  }
  uint32_t Masked() const { return crc32c::Mask(crc_); }

 private:
  uint32_t crc_;
};

}  // namespace

Bytes EncodeHeader(FrameHeader header, ByteView body, const std::vector<Bytes>& data) {
  assert(data.size() < kMaxDataFrames);
  Bytes out;
  out.reserve(kHeaderBytes);
  PutFixed32(&out, kMagic);
  PutFixed16(&out, header.version);
  out.push_back(static_cast<char>(header.lane));
  out.push_back(static_cast<char>(data.size()));
  out.append(header.cluster.data(), header.cluster.size());
  PutFixed64(&out, header.sender);
  PutFixed64(&out, header.storage_epoch);
  PutFixed64(&out, header.request_id);
  PutFixed64(&out, header.layout_number);
  PutFixed32(&out, header.remaining_millis);
  PutFixed16(&out, header.type);
  PutFixed16(&out, 0);
  Checksum checksum(out);
  checksum.Add(body);
  for (const Bytes& part : data) {
    checksum.Add(part);
  }
  PutFixed32(&out, checksum.Masked());
  assert(out.size() == kHeaderBytes);
  return out;
}

Result<FrameHeader, FrameError> DecodeHeader(const std::vector<ByteView>& parts,
                                             const ClusterId& cluster) {
  // The magic and the version stand at the same place in every version.
  if (parts.empty() || parts[0].size() < 6 || DecodeFixed32(parts[0].data()) != kMagic) {
    return FrameError::kMalformed;
  }
  const char* at = parts[0].data() + 4;
  FrameHeader header;
  header.version = DecodeFixed<uint16_t>(at);
  if (header.version != kProtocolVersion) {
    return FrameError::kVersion;
  }
  if (parts.size() < 2 || parts[0].size() != kHeaderBytes) {
    return FrameError::kMalformed;
  }
  const auto lane = static_cast<uint8_t>(at[2]);
  header.data_frames = static_cast<uint8_t>(at[3]);
  if (lane >= env::kLaneCount || parts.size() != size_t{2} + header.data_frames) {
    return FrameError::kMalformed;
  }
  Checksum checksum(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) {
    checksum.Add(parts[i]);
  }
  if (DecodeFixed32(parts[0].data() + kChecksumOffset) != checksum.Masked()) {
    return FrameError::kChecksum;
  }
  header.lane = static_cast<env::Lane>(lane);
  std::memcpy(header.cluster.data(), at + 4, header.cluster.size());
  header.sender = DecodeFixed64(at + 20);
  header.storage_epoch = DecodeFixed64(at + 28);
  header.request_id = DecodeFixed64(at + 36);
  header.layout_number = DecodeFixed64(at + 44);
  header.remaining_millis = DecodeFixed32(at + 52);
  header.type = DecodeFixed<uint16_t>(at + 56);
  if (header.sender == 0 || DecodeFixed<uint16_t>(at + 58) != 0) {
    return FrameError::kMalformed;
  }
  if (header.cluster != cluster) {
    return FrameError::kOtherCluster;
  }
  return header;
}

}  // namespace kvfs::transport
