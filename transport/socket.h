// Owning wrappers of what libzmq hands out as pointers. For one thread.
#pragma once

#include <zmq.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::transport {

class Socket {
 public:
  Socket() = default;
  Socket(void* context, int type) : socket_(zmq_socket(context, type)) {}
  Socket(Socket&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~Socket() {
    if (socket_ != nullptr) {
      zmq_close(socket_);
    }
  }

  void* get() const { return socket_; }
  explicit operator bool() const { return socket_ != nullptr; }
  // REQUIRES: an option of this socket and a value in its bounds.
  void Set(int option, int value) { Check(zmq_setsockopt(socket_, option, &value, sizeof(value))); }
  void Set64(int option, int64_t value) {
    Check(zmq_setsockopt(socket_, option, &value, sizeof(value)));
  }
  void Set(int option, ByteView value) {
    Check(zmq_setsockopt(socket_, option, value.data(), value.size()));
  }
  std::string GetString(int option) const;

 private:
  static void Check(int result);

  void* socket_ = nullptr;
};

// One part of a message.
class Part {
 public:
  Part() { zmq_msg_init(&message_); }
  explicit Part(ByteView copied);
  // The bytes go to libzmq without being copied.
  explicit Part(Bytes&& bytes);
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() { zmq_msg_close(&message_); }

  ByteView view() {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  // Never blocks; false: nothing to read, or no room.
  bool Receive(const Socket& socket) {
    return zmq_msg_recv(&message_, socket.get(), ZMQ_DONTWAIT) >= 0;
  }
  bool Send(const Socket& socket, bool more) {
    return zmq_msg_send(&message_, socket.get(), ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
  }
  bool HasMore() { return zmq_msg_more(&message_) != 0; }
  // What the authentication said about the sender; empty: nothing.
  std::string UserId();

 private:
  zmq_msg_t message_;
};

}  // namespace kvfs::transport
