// MessageBus: datagrams between nodes. Messages may be lost, delayed, repeated
// and reordered; nothing above relies on delivery. Thread-safe; handlers run as
// foreground tasks of the Scheduler.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::env {

using NodeId = uint64_t;

// Messages of one lane never wait behind those of another.
enum class Lane : uint8_t {
  kControl,  // membership, layouts
  kRequest,  // what somebody waits for
  kBulk,     // streams
};
inline constexpr int kLaneCount = 3;

// The only type that a bus sends by itself: the addressee does not speak our protocol version;
// `header` says which, for people. Other types belong to those above.
inline constexpr uint16_t kVersionRefused = 1;

struct Message {
  NodeId from = 0;
  NodeId to = 0;
  Bytes header;             // the schema'd part
  std::vector<Bytes> data;  // bulk frames, moved, never copied; at most 255

  Lane lane = Lane::kRequest;
  uint16_t type = 0;  // of `header`
  uint64_t request_id = 0;
  uint64_t layout_number = 0;     // the newest that the sender knows
  uint32_t remaining_millis = 0;  // until nobody waits for it any more; 0: no deadline
  uint64_t storage_epoch = 0;     // the sender's; set by the bus, or 0
};

class MessageBus {
 public:
  using Handler = std::function<void(Message)>;

  virtual ~MessageBus() = default;

  // Who gets the messages to `self`; an empty handler ends it. No handler runs after that returns.
  virtual void SetHandler(NodeId self, Handler handler) = 0;
  // kUnavailable if the message certainly was not taken (unknown peer, its queue is full).
  virtual Status Send(Message message) = 0;
};

}  // namespace kvfs::env
