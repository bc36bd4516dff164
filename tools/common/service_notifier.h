// ServiceNotifier: tells whoever supervises this process that it is ready, alive or stopping, by
// datagrams to the socket that NOTIFY_SOCKET names (sd_notify(3)). Where nobody asked for that,
// nothing is sent. Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace kvfs::tools {

class ServiceNotifier {
 public:
  // `socket`: a path, or "@" and an abstract name; empty: nobody is told. `watchdog_micros`: the
  // supervisor kills a process that says nothing for so long; 0: it does not.
  explicit ServiceNotifier(std::string socket = "", int64_t watchdog_micros = 0)
      : socket_(std::move(socket)), watchdog_micros_(socket_.empty() ? 0 : watchdog_micros) {}
  // As the environment of this process says.
  static ServiceNotifier FromEnvironment();

  // `words`: what the process is doing, one line for people.
  void Ready(const std::string& words) const { Send("READY=1\nSTATUS=" + words); }
  void Alive() const { Send("WATCHDOG=1"); }
  void Stopping() const { Send("STOPPING=1\nSTATUS=stopping"); }

  int64_t watchdog_micros() const { return watchdog_micros_; }

 private:
  // What is lost is said again, or the supervisor's time-out decides.
  void Send(const std::string& message) const;

  std::string socket_;
  int64_t watchdog_micros_;
};

}  // namespace kvfs::tools
