#include "tools/mount/mount_command.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

#include "tools/common/exit_code.h"
#include "tools/common/log.h"
#include "tools/common/paths.h"
#include "tools/mount/launcher.h"
#include "tools/mount/mount_checks.h"
#include "tools/mount/mount_service.h"
#include "tools/mount/restart_policy.h"

namespace kvfs::tools {
namespace {

void PrepareProcess() {
  InstallCrashTrace();
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&signals, number);
  }
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  [[maybe_unused]] int result = chdir("/");  // keeps nothing busy
}

Status ServeInForeground(const MountPlaces& places, const MountOptions& options) {
  PrepareProcess();
  LogToStderr();
  KVFS_ASSIGN_OR_RETURN(auto service,
                        MountService::Start(places, options, MountService::Circumstances{}));
  return service->Run();
}

Result<std::unique_ptr<MountService>> StartService(const MountPlaces& places,
                                                   const MountOptions& options, bool again) {
  // Where a daemon has died, its mount is still there, and kept until the new one is ready.
  KVFS_RETURN_IF_ERROR(again ? CheckLeftByDeadDaemon(places)
                             : CheckMountpoint(places.mountpoint, options.nonempty));
  return MountService::Start(places, options,
                             MountService::Circumstances{.log_to_file = true, .again = again});
}

int ServeInBackground(const MountPlaces& places, const MountOptions& options,
                      const std::string& log, ReadyReport* report, bool again) {
  PrepareProcess();
  auto service = StartService(places, options, again);
  if (!service.ok()) {
    report->Failed(service.error().message());
    if (again || access(log.c_str(), F_OK) == 0) {  // nobody may be waiting for the report
      AppendLogLine(log, service.error().message());
    }
    return MayHeal(service.error().code()) ? kExitFailed : kServerCannotHeal;
  }
  report->Ready();
  const Status status = (*service)->Run();
  return status.ok()                           ? kExitOk
         : status.code() == Code::kUnavailable ? kServerStartAgain
                                               : kExitFailed;
}

}  // namespace

Status Mount(const std::string& mountpoint, const MountOptions& options, bool foreground) {
  KVFS_ASSIGN_OR_RETURN(MountPlaces places, PrepareMount(mountpoint, options));
  KVFS_RETURN_IF_ERROR(MakeDirectories(places.data_directory));
  MountOptions settled = options;
  settled.data = places.data_directory;
  settled.supervised = !foreground;
  if (foreground) {
    return ServeInForeground(places, settled);
  }
  const std::string log = places.data_directory + "/kvfs.log";
  return Launch([&](ReadyReport* report,
                    bool again) { return ServeInBackground(places, settled, log, report, again); },
                [&](const std::string& line) { AppendLogLine(log, line); });
}

}  // namespace kvfs::tools
