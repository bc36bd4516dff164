#include "tools/common/service_notifier.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "tests/support/step_env.h"
#include "tools/common/watchdog.h"

namespace kvfs::tools {
namespace {

// What systemd has: a datagram socket, here with an abstract name.
class Supervisor {
 public:
  Supervisor() : name_("@kvfs-test-" + std::to_string(getpid())) {
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
  }
  ~Supervisor() { close(fd_); }

  const std::string& name() const { return name_; }
  // The next message, or nothing if none has come.
  std::string Heard() {
    std::array<char, 256> buffer{};
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<size_t>(size));
  }

 private:
  const std::string name_;
  int fd_ = -1;
};

TEST(ServiceNotifier, SaysWhatSystemdUnderstands) {
  Supervisor supervisor;
  const ServiceNotifier notifier(supervisor.name());
  notifier.Ready("node 1");
  EXPECT_EQ(supervisor.Heard(), "READY=1\nSTATUS=node 1");
  notifier.Stopping();
  EXPECT_EQ(supervisor.Heard(), "STOPPING=1\nSTATUS=stopping");
  EXPECT_EQ(supervisor.Heard(), "");
}

TEST(ServiceNotifier, NobodyListens) {
  ServiceNotifier("").Ready("x");
  ServiceNotifier("/nowhere/at/all").Ready("x");
  ServiceNotifier(std::string(200, 'x')).Ready("x");
  EXPECT_EQ(ServiceNotifier("", 1'000'000).watchdog_micros(), 0);
}

TEST(Watchdog, IsSilentWhereTheSchedulerHangs) {
  Supervisor supervisor;
  const ServiceNotifier notifier(supervisor.name(), 40'000'000);
  testing::StepEnv env;
  Watchdog watchdog(&notifier, &env, &env);
  watchdog.Look();
  EXPECT_EQ(supervisor.Heard(), "WATCHDOG=1");
  env.RunReady();
  watchdog.Look();  // not so soon
  EXPECT_EQ(supervisor.Heard(), "");
  env.Advance(10'000'000);
  watchdog.Look();
  EXPECT_EQ(supervisor.Heard(), "WATCHDOG=1");
  // What it posted is not carried out any more.
  for (int i = 0; i < 10; ++i) {
    watchdog.Look();
  }
  EXPECT_EQ(supervisor.Heard(), "");
  env.Advance(10'000'000);
  watchdog.Look();
  EXPECT_EQ(supervisor.Heard(), "WATCHDOG=1");
}

}  // namespace
}  // namespace kvfs::tools
