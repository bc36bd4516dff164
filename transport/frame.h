// Frames: what travels between nodes (doc/formats/wire.md): a fixed header, a body with a
// schema, and data frames. Pure; the decoder takes hostile input.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/env/message_bus.h"

namespace kvfs::transport {

inline constexpr uint16_t kProtocolVersion = 1;
inline constexpr size_t kHeaderBytes = 68;
inline constexpr size_t kMaxDataFrames = 256;

using ClusterId = std::array<char, 16>;

struct FrameHeader {
  uint16_t version = kProtocolVersion;
  env::Lane lane = env::Lane::kRequest;
  uint8_t data_frames = 0;
  uint16_t type = 0;
  ClusterId cluster{};
  env::NodeId sender = 0;
  uint64_t storage_epoch = 0;  // the sender's
  uint64_t request_id = 0;
  uint64_t layout_number = 0;     // the newest the sender knows
  uint32_t remaining_millis = 0;  // until nobody waits for it any more; 0: no deadline

  bool operator==(const FrameHeader&) const = default;
};

// Why a frame is dropped.
enum class FrameError : uint8_t {
  kMalformed,     // too short, no magic, an unknown lane, the wrong number of data frames
  kChecksum,      // damaged on the way
  kVersion,       // of another protocol version; its other fields are not to be believed
  kOtherCluster,  // well-formed, but not ours
};

// The header of a message with these parts. header.data_frames is set from `data`.
Bytes EncodeHeader(FrameHeader header, ByteView body, const std::vector<Bytes>& data);

// `parts`: header, body, data frames.
Result<FrameHeader, FrameError> DecodeHeader(const std::vector<ByteView>& parts,
                                             const ClusterId& cluster);

}  // namespace kvfs::transport
