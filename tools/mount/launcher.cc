#include "tools/mount/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>

#include "tools/common/exit_code.h"
#include "tools/common/paths.h"
#include "tools/mount/restart_policy.h"

namespace kvfs::tools {
namespace {

constexpr char kReady = 'R';
constexpr char kFailed = 'F';

int64_t MonotonicMillis() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&signals, number);
  }
  return signals;
}

// Waits for the child's end and passes stop signals on to it. True if one came.
bool WaitForChild(pid_t child, int* status) {
  sigset_t signals = StopSignals();
  sigaddset(&signals, SIGCHLD);
  bool stopping = false;
  while (waitpid(child, status, WNOHANG) == 0) {
    const int number = sigwaitinfo(&signals, nullptr);
    if (number > 0 && number != SIGCHLD) {
      stopping = true;
      kill(child, SIGTERM);
    }
  }
  return stopping;
}

// Waits, but not through a stop signal. True if one came.
bool StoppedWithin(int64_t millis) {
  const sigset_t signals = StopSignals();
  const timespec delay{.tv_sec = millis / 1000, .tv_nsec = (millis % 1000) * 1'000'000};
  return sigtimedwait(&signals, nullptr, &delay) > 0;
}

class Supervisor {
 public:
  Supervisor(const Server& server, const std::function<void(const std::string&)>& log_line,
             int ready_fd, bool* served)
      : server_(server), log_line_(log_line), ready_fd_(ready_fd), served_(served) {}

  int Run() {
    setsid();
    prctl(PR_SET_NAME, "kvfs-supervisor");
    sigset_t signals = StopSignals();
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    for (bool again = false;; again = true) {
      *served_ = false;
      const pid_t child = fork();
      if (child == 0) {
        _exit(Serve(again));
      }
      int status = 0;
      bool stopping = false;
      if (child > 0) {
        HandOver();
        stopping = WaitForChild(child, &status);
      }
      const auto delay = Judge(child, status, again);
      if (!delay.has_value() || stopping) {
        return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : kExitFailed;
      }
      if (StoppedWithin(*delay)) {
        return kExitOk;
      }
      log_line_("starting the daemon again");
    }
  }

 private:
  // In the process of the server.
  int Serve(bool again) {
    prctl(PR_SET_NAME, "kvfs");
    sigset_t unblock;
    sigemptyset(&unblock);
    sigaddset(&unblock, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &unblock, nullptr);
    ReadyReport report(ready_fd_, served_);
    return server_(&report, again);
  }

  // The first server has them now, and gives them up when it is ready.
  void HandOver() {
    if (ready_fd_ >= 0) {
      close(ready_fd_);
      ready_fd_ = -1;
      GiveUpTerminal();
    }
  }

  // How long to wait before another server; nothing if there shall be none.
  std::optional<int64_t> Judge(pid_t child, int status, bool again) {
    const bool worked = *served_;
    if (!worked && !again) {
      return std::nullopt;  // it never worked, and the command says why
    }
    std::string what;
    if (child < 0) {
      what = "no process could be made for the daemon";
    } else if (WIFSIGNALED(status)) {
      what = "the daemon was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
             strsignal(WTERMSIG(status)) + ")";
    } else if (worked && WEXITSTATUS(status) != kServerStartAgain) {
      return std::nullopt;  // by its own decision, and it has said why
    } else if (WEXITSTATUS(status) == kServerCannotHeal) {
      log_line_("the daemon is not started again");
      return std::nullopt;
    } else {
      what = worked ? "the daemon has lost the mount" : "the daemon could not start";
    }
    const int64_t delay = policy_.OnFailure(MonotonicMillis());
    log_line_(what + "; another start in " + std::to_string(delay) + " ms");
    return delay;
  }

  // So that whoever waits for the end of the command's output does not wait for the daemon's.
  static void GiveUpTerminal() {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
      for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        dup2(null, fd);
      }
      close(null);
    }
  }

  const Server& server_;
  const std::function<void(const std::string&)>& log_line_;
  int ready_fd_;
  bool* const served_;
  RestartPolicy policy_;
};

Status AwaitReport(int fd) {
  std::string text;
  std::array<char, 1024> buffer;
  for (;;) {
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size > 0) {
      text.append(buffer.data(), static_cast<size_t>(size));
    } else if (size == 0 || errno != EINTR) {
      break;
    }
  }
  if (!text.empty() && text[0] == kReady) {
    return Status::Ok();
  }
  if (!text.empty() && text[0] == kFailed) {
    return Status::IoError(text.substr(1));
  }
  return Status::IoError("the daemon died before the mount answered");
}

}  // namespace

void ReadyReport::Ready() {
  *served_ = true;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    close(null);
  }
  Send(std::string(1, kReady));
}

void ReadyReport::Failed(const std::string& reason) { Send(kFailed + reason); }

void ReadyReport::Send(const std::string& text) {
  if (fd_ >= 0) {
    [[maybe_unused]] ssize_t written = write(fd_, text.data(), text.size());
    close(fd_);
    fd_ = -1;
  }
}

Status Launch(const Server& server, const std::function<void(const std::string&)>& log_line) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return ErrnoStatus("cannot make a pipe", errno);
  }
  void* page =
      mmap(nullptr, sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return ErrnoStatus("cannot share memory with the daemon", errno);
  }
  bool* served = new (page) bool(false);
  const pid_t child = fork();
  if (child < 0) {
    return ErrnoStatus("cannot start the daemon", errno);
  }
  if (child == 0) {
    close(ends[0]);
    _exit(Supervisor(server, log_line, ends[1], served).Run());
  }
  close(ends[1]);
  Status status = AwaitReport(ends[0]);
  close(ends[0]);
  munmap(page, sizeof(bool));
  return status;
}

}  // namespace kvfs::tools
