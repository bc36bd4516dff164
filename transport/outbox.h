// Outbox: messages on one lane to one peer that wait for its socket, bounded in bytes. What does
// not fit is refused at once: nobody waits for a slow peer. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::transport {

struct Outgoing {
  Bytes header;
  Bytes body;
  std::vector<Bytes> data;
  int64_t expires_micros = 0;  // of no use to anybody afterwards
  size_t Size() const;
};

class Outbox {
 public:
  explicit Outbox(size_t max_bytes) : max_bytes_(max_bytes) {}

  // False: it is full. A message larger than all of it fits into an empty one.
  bool Push(Outgoing message, int64_t now_micros);
  // The next that has not expired.
  std::optional<Outgoing> Pop(int64_t now_micros);
  void PutBack(Outgoing message);  // what Pop gave could not be sent now
  uint64_t expired() const { return expired_; }
  size_t bytes() const { return bytes_; }

 private:
  void DropExpired(int64_t now_micros);  // those in front

  const size_t max_bytes_;
  uint64_t expired_ = 0;
  size_t bytes_ = 0;
  std::deque<Outgoing> messages_;
};

}  // namespace kvfs::transport
