#include "tools/common/log.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>

namespace kvfs::tools {
namespace {

constexpr size_t kLogBytes = 4u << 20;
constexpr size_t kOldLogs = 3;
constexpr char kPattern[] = "%Y-%m-%d %H:%M:%S.%e [%P] %l: %v";

void TraceAndDie(int signal_number) {
  // backtrace_symbols_fd does not allocate; backtrace was called once before, so its library is
  // loaded.
  constexpr std::string_view kWords = "kvfs: killed by a fatal signal; the stack:\n";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kWords.data(), kWords.size());
  std::array<void*, 64> frames{};
  const int count = backtrace(frames.data(), static_cast<int>(frames.size()));
  backtrace_symbols_fd(frames.data(), count, STDERR_FILENO);
  raise(signal_number);  // SA_RESETHAND: the default action now
}

}  // namespace

Status LogToFile(const std::string& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, kLogBytes, kOldLogs);
    auto logger = std::make_shared<spdlog::logger>("kvfs", std::move(sink));
    logger->flush_on(spdlog::level::info);
    logger->set_pattern(kPattern);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return Status::IoError("cannot write the log " + path + ": " + error.what());
  }
  return Status::Ok();
}

void RedirectStderr(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    dup2(fd, STDERR_FILENO);
    close(fd);
  }
}

void LogToStderr() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("kvfs", std::move(sink));
  logger->set_pattern(kPattern);
  spdlog::set_default_logger(std::move(logger));
}

void AppendLogLine(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {  // the disk may be the very reason for what is to be said
    syslog(LOG_DAEMON | LOG_ERR, "kvfs: %s", text.c_str());
    return;
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "%Y-%m-%d %H:%M:%S", &local);
  const std::string line =
      std::string(stamp.data()) + " [" + std::to_string(getpid()) + "] " + text + "\n";
  [[maybe_unused]] ssize_t written = write(fd, line.data(), line.size());
  close(fd);
}

void InstallCrashTrace() {
  std::array<void*, 1> frame{};
  backtrace(frame.data(), 1);
  struct sigaction action {};
  action.sa_handler = TraceAndDie;
  action.sa_flags = SA_RESETHAND | SA_NODEFER;
  for (int number : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) {
    sigaction(number, &action, nullptr);
  }
}

}  // namespace kvfs::tools
