#include "tools/admin/commands.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "kvcore/engine/dump.h"
#include "kvcore/env/posix/posix_env.h"
#include "tools/admin/ask.h"
#include "tools/admin/check_directory.h"
#include "tools/admin/cluster_commands.h"
#include "tools/admin/key_text.h"
#include "tools/admin/locate.h"
#include "tools/admin/print.h"
#include "tools/admin/render.h"
#include "tools/cluster/security.h"
#include "tools/common/exit_code.h"
#include "tools/common/mounts.h"
#include "tools/common/paths.h"
#include "tools/common/size.h"

namespace kvfs::tools {
namespace {

using nlohmann::json;

Result<ops::AdminResponse> AskOnce(const AdminFlags& flags, const ops::AdminRequest& request) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  return asker->Ask(request);
}

// "/a/b" of a canonical path below the mount point.
std::string PathInMount(const std::string& path) {
  const auto mount = MountOf(ReadMounts(), path);
  if (!mount.has_value() || mount->mountpoint == path) {
    return "/";
  }
  return mount->mountpoint == "/" ? path : path.substr(mount->mountpoint.size());
}

bool HasProblems(const admin::StatusResponse& status) {
  return status.store().read_only() ||
         std::any_of(status.cluster().warnings().begin(), status.cluster().warnings().end(),
                     [](const auto& warning) { return !warning.is_note(); });
}

json SpaceJson(uint64_t before, uint64_t after) {
  return {{"disk_bytes_before", before}, {"disk_bytes_after", after}};
}

}  // namespace

Result<int> StatusCommand(const AdminFlags& flags, bool watch) {
  constexpr char kClearScreen[] = "\033[H\033[2J";
  constexpr auto kPause = std::chrono::seconds(2);
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  ops::AdminRequest request;
  request.mutable_status();
  while (true) {
    const auto response = asker->Ask(request);
    if (watch) {
      std::fputs(flags.json ? "" : kClearScreen, stdout);
    }
    if (!watch) {
      KVFS_RETURN_IF_ERROR(response.status());
      Print(flags, response->status());
      return HasProblems(response->status()) ? kExitProblems : kExitOk;
    }
    // Who watches wants to see the end of it, too.
    if (response.ok()) {
      Print(flags, response->status());
    } else {
      std::printf("kvfs-admin status: %s\n", response.error().message().c_str());
    }
    if (std::fflush(stdout) != 0) {
      return kExitFailed;  // nobody reads it any more
    }
    std::this_thread::sleep_for(kPause);
  }
}

Result<int> ExplainCommand(const AdminFlags& flags, const std::string& path) {
  struct stat named {};
  if (!flags.peer.empty() && lstat(path.c_str(), &named) != 0) {
    KVFS_ASSIGN_OR_RETURN(const Bytes pk, ParseKey(path));
    return ExplainKey(flags, pk);
  }
  KVFS_ASSIGN_OR_RETURN(const std::string canonical, CanonicalPath(path));
  KVFS_ASSIGN_OR_RETURN(const std::string data, StoreOfFile(canonical));
  struct stat attr {};
  if (lstat(canonical.c_str(), &attr) != 0) {
    return ErrnoStatus("cannot look at " + path, errno);
  }
  ops::AdminRequest request;
  request.mutable_explain()->set_path(PathInMount(canonical));
  request.mutable_explain()->set_ino(attr.st_ino);
  AdminFlags mounted = flags;
  mounted.store = data;
  mounted.peer.clear();
  KVFS_ASSIGN_OR_RETURN(auto response, AskOnce(mounted, request));
  response.mutable_explain()->set_path(canonical);
  Print(flags, response.explain());
  if (flags.peer.empty()) {
    return kExitOk;
  }
  return ExplainKey(flags, response.explain().partition_key());
}

Result<int> CheckpointCommand(const AdminFlags& flags, const std::string& directory) {
  KVFS_ASSIGN_OR_RETURN(const std::string data, LocateStore(flags.store));
  KVFS_ASSIGN_OR_RETURN(const std::string target, CanonicalPath(directory));
  ops::AdminRequest request;
  request.mutable_checkpoint()->set_directory(target);
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  (void)response;
  if (flags.json) {
    PrintJson({{"checkpoint", target}, {"of", data}});
  } else {
    std::printf("%s is now a store of its own: a copy of %s at this moment\n", target.c_str(),
                data.c_str());
  }
  return kExitOk;
}

Result<int> CollectCommand(const AdminFlags& flags) {
  KVFS_ASSIGN_OR_RETURN(const std::string data, LocateStore(flags.store));
  ops::AdminRequest request;
  request.mutable_collect();
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  const auto& collected = response.collect();
  if (flags.json) {
    PrintJson(SpaceJson(collected.disk_bytes_before(), collected.disk_bytes_after()));
  } else {
    std::printf("%s: %s before, %s now\n", data.c_str(),
                FormatSize(collected.disk_bytes_before()).c_str(),
                FormatSize(collected.disk_bytes_after()).c_str());
  }
  return kExitOk;
}

Result<int> ConflictsCommand(const AdminFlags& flags, const std::string& path,
                             admin::ConflictsRequest::Action action) {
  // The path may be one that is no longer there.
  KVFS_ASSIGN_OR_RETURN(const std::string canonical, CanonicalPath(path));
  KVFS_ASSIGN_OR_RETURN(const std::string data, StoreOfFile(canonical));
  const std::string inside = PathInMount(canonical);
  if (inside == "/" && action != admin::ConflictsRequest::LIST) {
    return Status::InvalidArgument("which file? " + path + " is a mount point");
  }
  ops::AdminRequest request;
  request.mutable_conflicts()->set_path(inside == "/" ? "" : inside);
  request.mutable_conflicts()->set_action(action);
  AdminFlags mounted = flags;
  mounted.store = data;
  mounted.peer.clear();
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(mounted, request));
  if (action != admin::ConflictsRequest::LIST && response.conflicts().conflicts().empty()) {
    return Status::NotFound(path + ": nothing is known of a conflict of it");
  }
  return Print(flags, response.conflicts());
}

Result<int> KeygenCommand(const AdminFlags& flags, const std::string& file) {
  KVFS_ASSIGN_OR_RETURN(const std::string key, MakeKeyFile(file));
  if (flags.json) {
    PrintJson({{"file", file}, {"public_key", key}});
  } else {
    std::printf("%s\n", key.c_str());
  }
  return kExitOk;
}

Result<int> EngineStatsCommand(const AdminFlags& flags) {
  ops::AdminRequest request;
  request.mutable_engine_stats();
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  return Print(flags, response.engine_stats().stats());
}

Result<int> EngineDumpCommand(const AdminFlags& flags, const std::string& file) {
  env::posix::PosixFileSystem files;
  json lines = json::array();
  const Status status = engine::DumpFile(&files, file, [&](const std::string& line) {
    if (flags.json) {
      lines.push_back(line);
    } else {
      std::printf("%s\n", line.c_str());
    }
  });
  if (flags.json) {
    PrintJson({{"file", file}, {"lines", lines}, {"error", status.ok() ? "" : status.message()}});
  }
  if (status.code() == Code::kCorruption) {
    std::fprintf(stderr, "kvfs-admin engine dump: %s\n", status.message().c_str());
    return kExitProblems;
  }
  KVFS_RETURN_IF_ERROR(status);
  return kExitOk;
}

Result<int> FsckCommand(const AdminFlags& flags, const FsckFlags& fsck) {
  KVFS_ASSIGN_OR_RETURN(const std::string data, LocateStore(flags.store));
  ops::AdminRequest request;
  request.mutable_check()->set_skip_chunk_bytes(fsck.skip_bytes);
  auto response =
      fsck.repair ? Result<ops::AdminResponse>(Status::NotFound("")) : Ask(data, request);
  admin::CheckResponse check;
  if (response.ok()) {
    check = response->check();
  } else if (response.error().code() == Code::kNotFound) {
    KVFS_ASSIGN_OR_RETURN(check, CheckDirectory(data, fsck));
  } else {
    return response.error();
  }
  Print(flags, check);
  return check.problem_count() == 0 ? kExitOk : kExitProblems;
}

}  // namespace kvfs::tools
