#include "tools/mount/mount_service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "fs/fuse/fuse_mount.h"
#include "fs/vfs/vfs.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "kvcore/node/node.h"
#include "kvcore/ops/admin_service.h"
#include "kvcore/ops/store_admin.h"
#include "tools/common/admin_server.h"
#include "tools/common/log.h"
#include "tools/common/mounts.h"
#include "tools/common/paths.h"
#include "tools/common/process.h"
#include "tools/common/size.h"
#include "tools/common/version.h"
#include "tools/mount/cluster_store.h"
#include "tools/mount/filesystem_admin.h"
#include "tools/mount/mount_observation.h"
#include "tools/mount/run_record.h"
#include "tools/mount/status_parts.h"
#include "tools/observe/pages.h"
#include "tools/observe/process_admin.h"

namespace kvfs::tools {
namespace {

using env::posix::BlockingWait;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int64_t kPredecessorMillis = 120'000;  // it may have much to write back
constexpr int64_t kDrainMicros = 60'000'000;
constexpr unsigned kAnswerSeconds = 60;
constexpr int kReadAheadKib = 1024;

int SchedulerThreads() {
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 2u, 8u));
}

node::NodeOptions ToNodeOptions(const MountPlaces& places, const MountOptions& options) {
  node::NodeOptions node;
  node.memory_bytes = DivideMemory(options.memory_bytes).store;
  node.capacity_bytes = options.capacity_bytes;
  node.holder = "pid " + std::to_string(getpid()) + ", mounting it at " + places.mountpoint;
  return node;
}

constexpr int64_t kClusterOrphanMicros = 60'000'000;  // another mount may have the file open
constexpr int64_t kClusterWorkMicros = 5'000'000;

fs::VfsOptions ToVfsOptions(const MountOptions& options) {
  const MemoryPlan memory = DivideMemory(options.memory_bytes);
  fs::VfsOptions vfs;
  vfs.files.write_buffer_bytes = memory.write_buffer;
  vfs.files.chunk_cache_bytes = memory.chunk_cache;
  vfs.keeps_atime = !options.read_only && !options.no_atime;
  if (!options.peers.empty()) {
    vfs.is_shared = true;
    vfs.locks.lease_micros = options.lock_lease_micros;
    vfs.locks.warn = [](const std::string& text) { spdlog::warn("{}", text); };
    vfs.orphan_grace_micros = kClusterOrphanMicros;
    vfs.work_interval_micros = kClusterWorkMicros;
  }
  return vfs;
}

// Opens the store. One whose mount was just taken away is waited for: its daemon writes back.
// `again`: not even that; the supervisor tries anew.
Result<std::unique_ptr<node::Node>> OpenNode(const MountPlaces& places, const MountOptions& options,
                                             env::Env env, bool again) {
  const auto deadline = steady_clock::now() + milliseconds(kPredecessorMillis);
  for (;;) {
    auto node =
        BlockingWait(node::Node::Open(ToNodeOptions(places, options), env, places.data_directory));
    if (node.ok() || node.error().code() != Code::kBusy) {
      return node;
    }
    const auto mount = MountOfData(ReadMounts(), places.data_directory);
    const bool elsewhere = mount.has_value() && mount->mountpoint != places.mountpoint;
    if (again || mount.has_value() || steady_clock::now() >= deadline) {
      return Status(
          again && elsewhere ? Code::kAlreadyExists : Code::kBusy,
          "the data directory " + places.data_directory + " is in use: " + node.error().message());
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
}

// The kernel reads ahead 128 KiB on FUSE unless told otherwise, which only root can.
void RaiseReadAhead(const std::string& mountpoint) {
  struct stat attr {};
  if (geteuid() == 0 && stat(mountpoint.c_str(), &attr) == 0) {
    std::ofstream("/sys/class/bdi/" + std::to_string(major(attr.st_dev)) + ":" +
                  std::to_string(minor(attr.st_dev)) + "/read_ahead_kb")
        << kReadAheadKib;
  }
}

// As `kvfs-admin config` shows them.
ProcessAdmin::Options ShownOptions(const MountPlaces& places, const MountOptions& options) {
  ProcessAdmin::Options shown{{"mountpoint", places.mountpoint},
                              {"data", places.data_directory},
                              {"memory", FormatSize(options.memory_bytes)},
                              {"threads", std::to_string(options.fuse.threads)},
                              {"writeback", options.fuse.writeback ? "true" : "false"},
                              {"entry_timeout", std::to_string(options.fuse.entry_seconds)},
                              {"attr_timeout", std::to_string(options.fuse.attr_seconds)},
                              {"negative_timeout", std::to_string(options.fuse.negative_seconds)},
                              {"http", options.http}};
  if (options.peers.empty()) {
    shown.emplace_back("capacity", options.capacity_bytes == 0
                                       ? "the disk's"
                                       : FormatSize(options.capacity_bytes));
    return shown;
  }
  std::string peers;
  for (const NodeAddress& peer : options.peers) {
    peers += (peers.empty() ? "" : ",") + peer.address;
  }
  shown.emplace_back("peers", peers);
  shown.emplace_back("cluster", options.cluster);
  shown.emplace_back("key", options.key_file);
  shown.emplace_back("allow", options.allow_file);
  shown.emplace_back("lock_lease", std::to_string(options.lock_lease_micros / 1'000'000));
  return shown;
}

class MountServiceImpl final : public MountService {
 public:
  MountServiceImpl(const MountPlaces& places, const MountOptions& options,
                   const Circumstances& circumstances)
      : places_(places),
        options_(options),
        circumstances_(circumstances),
        env_(SchedulerThreads()) {}
  ~MountServiceImpl() override {
    if (signals_ >= 0) {
      close(signals_);
    }
  }

  Status Start() {
    if (options_.peers.empty()) {
      KVFS_ASSIGN_OR_RETURN(node_, OpenNode(places_, options_, env_.env(), circumstances_.again));
    } else {
      ConnectionOptions connection;
      connection.peers = options_.peers;
      connection.cluster = options_.cluster;
      KVFS_ASSIGN_OR_RETURN(connection.security,
                            LoadSecurity(options_.key_file, options_.allow_file));
      KVFS_ASSIGN_OR_RETURN(cluster_, ClusterStore::Connect(std::move(connection), env_.env()));
    }
    const std::string log = places_.data_directory + "/kvfs.log";
    if (circumstances_.log_to_file) {
      KVFS_RETURN_IF_ERROR(LogToFile(log));
    }
    KVFS_RETURN_IF_ERROR(StartVfs());
    Status status = StartMount();
    if (!status.ok()) {
      (void)TakeDown(false);
      return status;
    }
    if (circumstances_.log_to_file) {
      RedirectStderr(log);  // only now: until here fusermount3 has things to say to the user
    }
    return Status::Ok();
  }

  Status Run() override {
    std::array<pollfd, 2> sources{pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = mount_->ended_fd(), .events = POLLIN, .revents = 0}};
    while (poll(sources.data(), sources.size(), -1) < 0 && errno == EINTR) {
    }
    const bool told_to_stop = sources[0].revents != 0;
    const bool aborted = !told_to_stop && IsStillMounted();
    if (told_to_stop) {
      spdlog::info("told to stop; unmounting {}", places_.mountpoint);
      FlushPages();
    } else if (aborted) {
      spdlog::error("the connection to the kernel was aborted; {} is dead", places_.mountpoint);
    } else {
      spdlog::info("{} was unmounted", places_.mountpoint);
    }
    const bool supervisor_goes_on = aborted && options_.supervised;
    Status status = TakeDown(!supervisor_goes_on);
    if (status.ok()) {
      spdlog::info("everything is written back; done");
    } else {
      spdlog::error("not everything was written back: {}", status.ToString());
    }
    return supervisor_goes_on ? Status::Unavailable("the connection was aborted") : status;
  }

 private:
  client::Client* store_client() {
    return cluster_ != nullptr ? cluster_->client() : node_->client();
  }

  Status StartVfs() {
    vfs_ = fs::Vfs::Create(ToVfsOptions(options_), store_client(), env_.env());
    const fs::Errno error =
        BlockingWait(vfs_->Start(fs::Credentials{.uid = geteuid(), .gid = getegid()}));
    if (!error.ok()) {
      vfs_.reset();
      return Status::IoError("the filesystem in " + places_.data_directory +
                             " cannot be started: " + std::strerror(error.value()));
    }
    return Status::Ok();
  }

  Status StartMount() {
    KVFS_RETURN_IF_ERROR(WatchSignals());
    fs::FuseOptions fuse = options_.fuse;
    fuse.data_directory = places_.data_directory;
    if (fuse.source.empty()) {
      fuse.source = places_.data_directory;
    }
    fuse.mount_options = LibfuseOptions(options_, geteuid() == 0);
    KVFS_ASSIGN_OR_RETURN(auto kernel_mount, MakeKernelMount(fuse));
    KVFS_ASSIGN_OR_RETURN(mount_, fs::FuseMount::Create(fuse, vfs_.get(), places_.mountpoint,
                                                        std::move(kernel_mount)));
    alarm(kAnswerSeconds);  // if it never answers, the process ends
    const Status started = mount_->Start();
    alarm(0);
    KVFS_RETURN_IF_ERROR(started);
    RaiseReadAhead(places_.mountpoint);

    status_.emplace(places_, options_, vfs_.get());
    admin_.RegisterStatus(&*status_);
    if (node_ != nullptr) {
      store_admin_.emplace(node_.get());
      store_admin_->RegisterWith(&admin_);
    }
    filesystem_admin_.emplace(node_.get(), store_client(), env_.env(), vfs_.get(),
                              store_admin_.has_value() ? &*store_admin_ : nullptr);
    filesystem_admin_->RegisterWith(&admin_);
    observation_.emplace(mount_.get(), vfs_.get());
    observation_->RegisterWith(&admin_);
    process_admin_.emplace("kvfs", ShownOptions(places_, options_));
    process_admin_->RegisterWith(&admin_);
    KVFS_ASSIGN_OR_RETURN(admin_server_, AdminServer::Start(places_.data_directory, &admin_));
    if (!options_.http.empty()) {
      KVFS_ASSIGN_OR_RETURN(http_, HttpServer::Start(options_.http, false,
                                                     ObservationPages(
                                                         &admin_, [this] { return Health(); },
                                                         [this] { return Readiness(); })));
      spdlog::info("metrics and the web page are on http://{}/", http_->address());
    }
    KVFS_RETURN_IF_ERROR(WriteRunRecord(places_.data_directory, MakeRecord()));
    spdlog::info("kvfs {}: {} is mounted at {}", kVersion, places_.data_directory,
                 places_.mountpoint);
    return Status::Ok();
  }

  Status Health() {
    return node_ == nullptr ? Status::Ok() : node_->db()->GetStats().background_error;
  }

  // Whether the store answers.
  Status Readiness() {
    KVFS_RETURN_IF_ERROR(Health());
    return BlockingWait(store_client()->Space()).status();
  }

  Status WatchSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int number : {SIGTERM, SIGINT, SIGHUP}) {
      sigaddset(&signals, number);
    }
    signals_ = signalfd(-1, &signals, SFD_CLOEXEC);
    return signals_ >= 0 ? Status::Ok() : ErrnoStatus("cannot watch signals", errno);
  }

  // Null if libfuse has to mount. What a dead daemon left at the mount point stays as a cover where
  // it can be mounted upon, and is taken away where it cannot.
  Result<std::unique_ptr<fs::KernelMount>> MakeKernelMount(const fs::FuseOptions& fuse) {
    if (geteuid() == 0) {
      auto made = fs::KernelMount::Create(fuse.source, fuse.mount_options);
      if (made.ok()) {
        KVFS_RETURN_IF_ERROR(circumstances_.again ? KeepOneDeadMount(places_) : Status::Ok());
      }
      if (made.ok() || made.error().code() != Code::kUnavailable) {
        return made;
      }
    }
    if (circumstances_.again) {
      KVFS_RETURN_IF_ERROR(TakeAwayDeadMounts(places_.mountpoint));
    }
    return std::unique_ptr<fs::KernelMount>();
  }

  // Whether our mount is in the tree, dead or not.
  bool IsStillMounted() const {
    const auto top = MountAt(ReadMounts(), places_.mountpoint);
    return top.has_value() &&
           makedev(top->device_major, top->device_minor) == mount_->device_number();
  }

  RunRecord MakeRecord() const {
    RunRecord record{.pid = getpid(), .start_ticks = StartTicks(getpid())};
    record.mountpoint = places_.mountpoint;
    if (options_.supervised) {
      record.supervisor = getppid();
      record.supervisor_ticks = StartTicks(record.supervisor);
    }
    return record;
  }

  // Pages that programs dirtied through mmap are still with the kernel; the threads serve.
  void FlushPages() {
    const int fd = open(places_.mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
      syncfs(fd);
      close(fd);
    }
  }

  // `uncover`: dead mounts of earlier daemons, which are seen once ours is gone, go too.
  Status TakeDown(bool uncover) {
    http_.reset();
    admin_server_.reset();
    if (mount_ != nullptr) {
      Status stopped = mount_->Stop(kDrainMicros);
      if (!stopped.ok()) {
        spdlog::error("{}", stopped.ToString());
        spdlog::shutdown();
        if (IsStillMounted()) {
          (void)UnmountLazily(places_.mountpoint);
        }
        _exit(1);  // requests still run: nothing under them can be taken away
      }
      mount_.reset();
      if (uncover) {  // while the store is locked, so that no other daemon mounts there meanwhile
        (void)TakeAwayDeadMounts(places_.mountpoint);
      }
    }
    Status status;
    if (vfs_ != nullptr) {
      const fs::Errno error = BlockingWait(vfs_->Stop());
      if (!error.ok()) {
        status = Status::IoError(std::string("buffered data could not be written: ") +
                                 std::strerror(error.value()));
      }
      vfs_.reset();
    }
    if (node_ != nullptr) {
      Status closed = BlockingWait(node_->Close());
      if (status.ok()) {
        status = std::move(closed);
      }
      if (status.ok()) {
        RemoveRunRecord(places_.data_directory);  // while the store's lock is still held
      }
      node_.reset();
    }
    if (cluster_ != nullptr) {
      cluster_->Close();
      if (status.ok()) {
        RemoveRunRecord(places_.data_directory);
      }
      cluster_.reset();
    }
    return status;
  }

  const MountPlaces places_;
  const MountOptions options_;
  const Circumstances circumstances_;
  env::posix::PosixEnv env_;
  std::unique_ptr<node::Node> node_;  // one of the two
  std::unique_ptr<ClusterStore> cluster_;
  std::unique_ptr<fs::Vfs> vfs_;
  std::unique_ptr<fs::FuseMount> mount_;
  std::optional<StatusParts> status_;
  std::optional<ops::StoreAdmin> store_admin_;
  std::optional<FilesystemAdmin> filesystem_admin_;
  std::optional<MountObservation> observation_;
  std::optional<ProcessAdmin> process_admin_;
  ops::AdminService admin_;
  std::unique_ptr<AdminServer> admin_server_;
  std::unique_ptr<HttpServer> http_;  // null: not asked for
  int signals_ = -1;
};

}  // namespace

Result<std::unique_ptr<MountService>> MountService::Start(const MountPlaces& places,
                                                          const MountOptions& options,
                                                          const Circumstances& circumstances) {
  auto service = std::make_unique<MountServiceImpl>(places, options, circumstances);
  KVFS_RETURN_IF_ERROR(service->Start());
  return std::unique_ptr<MountService>(std::move(service));
}

}  // namespace kvfs::tools
