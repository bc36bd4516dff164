#include "transport/outbox.h"

#include <utility>

namespace kvfs::transport {

size_t Outgoing::Size() const {
  size_t size = sizeof(Outgoing) + header.size() + body.size();
  for (const Bytes& part : data) {
    size += sizeof(Bytes) + part.size();
  }
  return size;
}

bool Outbox::Push(Outgoing message, int64_t now_micros) {
  DropExpired(now_micros);
  const size_t size = message.Size();
  if (!messages_.empty() && bytes_ + size > max_bytes_) {
    return false;
  }
  bytes_ += size;
  messages_.push_back(std::move(message));
  return true;
}

// A later message with an earlier deadline waits behind; it is dropped when its turn comes.
void Outbox::DropExpired(int64_t now_micros) {
  while (!messages_.empty() && messages_.front().expires_micros <= now_micros) {
    bytes_ -= messages_.front().Size();
    messages_.pop_front();
    ++expired_;
  }
}

std::optional<Outgoing> Outbox::Pop(int64_t now_micros) {
  DropExpired(now_micros);
  if (messages_.empty()) {
    return std::nullopt;
  }
  Outgoing message = std::move(messages_.front());
  messages_.pop_front();
  bytes_ -= message.Size();
  return message;
}

void Outbox::PutBack(Outgoing message) {
  bytes_ += message.Size();
  messages_.push_front(std::move(message));
}

}  // namespace kvfs::transport
