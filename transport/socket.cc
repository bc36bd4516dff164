#include "transport/socket.h"

#include <cassert>
#include <memory>

namespace kvfs::transport {

void Socket::Check(int result) { assert(result == 0); }

std::string Socket::GetString(int option) const {
  char buffer[256];
  size_t size = sizeof(buffer);
  if (zmq_getsockopt(socket_, option, buffer, &size) != 0 || size == 0) {
    return {};
  }
  return {buffer, size - 1};
}

Part::Part(ByteView copied) {
  const int result = zmq_msg_init_size(&message_, copied.size());
  assert(result == 0);
  std::memcpy(zmq_msg_data(&message_), copied.data(), copied.size());
}

Part::Part(Bytes&& bytes) {
  auto owned = std::make_unique<Bytes>(std::move(bytes));
  const int result = zmq_msg_init_data(
      &message_, owned->data(), owned->size(),
      [](void*, void* hint) { delete static_cast<Bytes*>(hint); }, owned.get());
  assert(result == 0);
  (void)owned.release();
}

std::string Part::UserId() {
  const char* id = zmq_msg_gets(&message_, "User-Id");
  return id == nullptr ? std::string() : id;
}

}  // namespace kvfs::transport
