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

struct Message {
  NodeId from = 0;
  NodeId to = 0;
  Bytes header;             // the schema'd part
  std::vector<Bytes> data;  // bulk frames, moved, never copied
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
