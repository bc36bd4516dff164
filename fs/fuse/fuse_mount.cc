#include "fs/fuse/fuse_mount.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fs/fuse/fuse_server.h"
#include "fs/fuse/init_reply.h"
#include "fs/fuse/kill_flags.h"
#include "fs/fuse/libfuse.h"

namespace kvfs::fs {
namespace {

using std::chrono::milliseconds;

// Interrupts a thread that waits in read(2) for the next request.
constexpr int kWakeSignal = SIGUSR1;

void IgnoreSignal(int) {}

int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

ssize_t WriteReply(int fd, iovec* message, int count, void* userdata) {
  auto* server = static_cast<FuseServer*>(userdata);
  server->operations().Replied(message, count, NowMicros());
  if (server->awaiting_init().load(std::memory_order_relaxed)) {
    if (auto amended = AmendInitReply(message, count, server->init_flags().load())) {
      server->awaiting_init().store(false, std::memory_order_relaxed);
      return write(fd, amended->data(), amended->size());
    }
  }
  return writev(fd, message, count);
}

ssize_t ReadRequest(int fd, void* buffer, size_t size, void* userdata) {
  const ssize_t got = read(fd, buffer, size);
  if (got > 0) {
    static_cast<FuseServer*>(userdata)->operations().Began(static_cast<const char*>(buffer),
                                                           static_cast<size_t>(got), NowMicros());
    CarryKillFlags(static_cast<char*>(buffer), static_cast<size_t>(got));
  }
  return got;
}

// A comma would end the option, a backslash is the escape.
std::string Escaped(const std::string& value) {
  std::string out;
  for (char c : value) {
    if (c == ',' || c == '\\') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

std::string JoinedOptions(const FuseOptions& options) {
  std::string joined = "subtype=kvfs,fsname=" + Escaped(options.source);
  for (const std::string& option : options.mount_options) {
    joined += "," + option;
  }
  return joined;
}

fuse_lowlevel_ops Operations() {
  fuse_lowlevel_ops ops{};
  AddSessionOps(&ops);
  AddNameOps(&ops);
  AddAttrOps(&ops);
  AddFileOps(&ops);
  AddLockOps(&ops);
  AddDirectoryOps(&ops);
  return ops;
}

}  // namespace

Result<std::unique_ptr<FuseMount>> FuseMount::Create(const FuseOptions& options, Vfs* vfs,
                                                     const std::string& mountpoint,
                                                     std::unique_ptr<KernelMount> kernel_mount) {
  assert(options.threads >= 1 && options.threads <= 256);
  auto server = std::make_unique<FuseServer>(options, vfs);
  const fuse_lowlevel_ops ops = Operations();

  std::string name = "kvfs";
  std::string flag = "-o";
  std::string joined = JoinedOptions(options);
  char* argv[] = {name.data(), flag.data(), joined.data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(3, argv);
  fuse_session* session = fuse_session_new(&args, &ops, sizeof(ops), server.get());
  fuse_opt_free_args(&args);
  if (session == nullptr) {
    return Status::InvalidArgument("libfuse does not take the options '" + joined + "'");
  }
  server->SetSession(session);
  // libfuse takes a connection that is made already by this name.
  const std::string place =
      kernel_mount ? "/dev/fd/" + std::to_string(kernel_mount->TakeDevice()) : mountpoint;
  errno = 0;
  if (fuse_session_mount(session, place.c_str()) != 0) {
    const int error = errno;
    fuse_session_destroy(session);
    return Status::IoError(
        "cannot mount at " + mountpoint +
        (error != 0 ? std::string(": ") + std::strerror(error) : "") +
        (access("/dev/fuse", F_OK) == 0 ? "" : "; this machine has no /dev/fuse (modprobe fuse)"));
  }
  const fuse_custom_io io{
      .writev = WriteReply, .read = ReadRequest, .splice_receive = nullptr, .splice_send = nullptr};
  const int ended_fd = eventfd(0, EFD_CLOEXEC);
  if (ended_fd < 0 || fuse_session_custom_io(session, &io, fuse_session_fd(session)) != 0) {
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    return Status::IoError("cannot set up the connection to the kernel");
  }
  return std::unique_ptr<FuseMount>(
      new FuseMount(std::move(server), session, ended_fd, mountpoint, std::move(kernel_mount)));
}

FuseMount::FuseMount(std::unique_ptr<FuseServer> server, fuse_session* session, int ended_fd,
                     std::string mountpoint, std::unique_ptr<KernelMount> kernel_mount)
    : server_(std::move(server)),
      session_(session),
      ended_fd_(ended_fd),
      mountpoint_(std::move(mountpoint)),
      kernel_mount_(std::move(kernel_mount)) {}

FuseMount::~FuseMount() {
  assert(threads_.empty());
  if (session_ != nullptr) {
    TakeAway();
  }
  close(ended_fd_);
}

Status FuseMount::Start() {
  struct sigaction action {};
  action.sa_handler = IgnoreSignal;  // without SA_RESTART: read(2) returns EINTR
  sigaction(kWakeSignal, &action, nullptr);

  if (server_->options().is_shared) {
    notifier_ = std::make_unique<Notifier>(session_, server_->options().max_notifications);
    notifier_->Start();
    server_->vfs().SetKernelCache(notifier_.get());
  }
  const uint32_t count = server_->options().threads;
  serving_ = count;
  for (uint32_t i = 0; i < count; ++i) {
    threads_.emplace_back([this] { Serve(); });
  }
  return Appear();
}

Status FuseMount::Appear() {
  if (kernel_mount_ != nullptr) {
    KVFS_RETURN_IF_ERROR(kernel_mount_->AwaitAnswer());
    device_number_ = kernel_mount_->device_number();
    return kernel_mount_->Attach(mountpoint_);
  }
  struct stat attr {};
  if (stat(mountpoint_.c_str(), &attr) != 0) {
    return Status::IoError(mountpoint_ + " does not answer: " + std::strerror(errno));
  }
  device_number_ = attr.st_dev;
  return Status::Ok();
}

// Closes the connection first: what the kernel still has to say on unmounting is said to nobody,
// and must not be waited for.
void FuseMount::TakeAway() {
  pollfd connection{.fd = fuse_session_fd(session_), .events = 0, .revents = 0};
  const bool ended = poll(&connection, 1, 0) == 1 && (connection.revents & POLLERR) != 0;
  // Once it has ended, the place may be another mount's.
  const bool detach = kernel_mount_ != nullptr && !ended && kernel_mount_->IsSeen();
  fuse_session_unmount(session_);
  fuse_session_destroy(std::exchange(session_, nullptr));
  if (detach) {
    kernel_mount_->Detach();
  }
}

void FuseMount::Serve() {
  pthread_setname_np(pthread_self(), "fuse");
  sigset_t signals;
  sigfillset(&signals);  // signals are the main thread's
  sigdelset(&signals, kWakeSignal);
  pthread_sigmask(SIG_SETMASK, &signals, nullptr);

  fuse_buf buffer{};
  while (!fuse_session_exited(session_)) {
    const int size = fuse_session_receive_buf(session_, &buffer);
    if (size == -EINTR || size == -EAGAIN) {
      continue;
    }
    if (size <= 0) {
      break;  // the connection has ended
    }
    fuse_session_process_buf(session_, &buffer);
  }
  std::free(buffer.mem);
  fuse_session_exit(session_);
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(ended_fd_, &one, sizeof(one));
  serving_.fetch_sub(1, std::memory_order_release);
}

void FuseMount::EndThreads() {
  fuse_session_exit(session_);
  // Repeated, because a thread may have looked at the exit flag just before the signal came and
  // only then have gone to wait.
  while (serving_.load(std::memory_order_acquire) != 0) {
    for (std::thread& thread : threads_) {
      pthread_kill(thread.native_handle(), kWakeSignal);
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

Status FuseMount::Stop(int64_t deadline_micros) {
  if (notifier_ != nullptr) {
    server_->vfs().SetKernelCache(nullptr);
    notifier_->Stop();  // first: what it waits for in the kernel is served yet
  }
  EndThreads();
  server_->vfs().EndLockWaits();
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::microseconds(deadline_micros);
  while (server_->in_flight().count() != 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return Status::Busy(std::to_string(server_->in_flight().count()) +
                          " requests did not finish in time");
    }
    std::this_thread::sleep_for(milliseconds(1));
  }
  // Only now: it closes the connection, whose number must not be reused under a late reply.
  TakeAway();
  return Status::Ok();
}

int64_t FuseMount::InFlightCount() const { return server_->in_flight().count(); }

const OperationMeters& FuseMount::operations() const { return server_->operations(); }
std::vector<OperationMeters::Operation> FuseMount::RunningOperations() const {
  return server_->operations().Running(NowMicros());
}

}  // namespace kvfs::fs
