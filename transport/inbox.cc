#include "transport/inbox.h"

#include <utility>

namespace kvfs::transport {
namespace {

size_t SizeOf(const env::Message& message) {
  size_t size = sizeof(message) + message.header.size();
  for (const Bytes& part : message.data) {
    size += part.size();
  }
  return size;
}

}  // namespace

void Inbox::SetHandler(env::MessageBus::Handler handler) {
  std::unique_lock lock(mutex_);
  if (handler) {
    handler_ = std::make_shared<const env::MessageBus::Handler>(std::move(handler));
    return;
  }
  handler_ = nullptr;
  idle_.wait(lock, [&] { return running_ == 0; });
}

bool Inbox::Deliver(env::Message message) {
  const size_t bytes = SizeOf(message);
  {
    const std::lock_guard lock(mutex_);
    if (handler_ == nullptr) {
      return true;  // nobody listens: lost, as any message may be
    }
    size_t& waiting = waiting_bytes_[message.from];
    if (waiting > 0 && waiting + bytes > max_bytes_) {
      return false;
    }
    waiting += bytes;
  }
  // std::function wants to be copied.
  auto shared = std::make_shared<env::Message>(std::move(message));
  scheduler_->Post(env::Priority::kForeground, [self = shared_from_this(), shared, bytes] {
    self->Run(std::move(*shared), bytes);
  });
  return true;
}

void Inbox::Run(env::Message message, size_t bytes) {
  std::shared_ptr<const env::MessageBus::Handler> handler;
  {
    const std::lock_guard lock(mutex_);
    const auto waiting = waiting_bytes_.find(message.from);
    waiting->second -= bytes;
    if (waiting->second == 0) {
      waiting_bytes_.erase(waiting);
    }
    handler = handler_;
    running_ += handler != nullptr ? 1 : 0;
  }
  if (handler == nullptr) {
    return;
  }
  (*handler)(std::move(message));
  const std::lock_guard lock(mutex_);
  if (--running_ == 0) {
    idle_.notify_all();
  }
}

}  // namespace kvfs::transport
