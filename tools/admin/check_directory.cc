#include "tools/admin/check_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "fs/meta/fsck.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "kvcore/node/node.h"
#include "kvcore/node/store_check.h"
#include "tools/common/fsck_report.h"
#include "tools/common/paths.h"

namespace kvfs::tools {
namespace {

using env::posix::BlockingWait;

constexpr int kSchedulerThreads = 2;

void AddProblem(std::string kind, std::string message, admin::CheckResponse* check) {
  admin::Problem* problem = check->add_problems();
  problem->set_kind(std::move(kind));
  problem->set_message(std::move(message));
  check->set_problem_count(check->problem_count() + 1);
}

void AddReport(const node::StoreReport& report, admin::CheckResponse* check) {
  for (const node::StoreProblem& found : report.problems) {
    admin::Problem* problem = check->add_problems();
    problem->set_kind(found.kind);
    problem->set_message(found.message);
    problem->set_key(found.key);
    problem->set_repaired(found.repaired);
  }
  check->set_problem_count(check->problem_count() + report.problem_count);
  check->set_items(report.items);
  check->set_chunks(report.chunks);
  check->set_chunk_bytes(report.chunk_bytes);
  check->set_references(report.references);
}

}  // namespace

Result<admin::CheckResponse> CheckDirectory(const std::string& data_directory,
                                            const FsckFlags& flags) {
  struct stat attr {};
  if (stat(data_directory.c_str(), &attr) != 0) {
    return ErrnoStatus("cannot look at " + data_directory, errno);
  }
  env::posix::PosixEnv env(kSchedulerThreads);
  node::NodeOptions options;
  options.read_only = !flags.repair;
  options.holder = "pid " + std::to_string(getpid()) + ", kvfs-admin fsck";
  admin::CheckResponse check;
  auto node = BlockingWait(node::Node::Open(options, env.env(), data_directory));
  if (!node.ok()) {
    if (node.error().code() == Code::kBusy) {
      return Status::Busy(data_directory + " is in use: " + node.error().message() +
                          (flags.repair ? "; unmount it before a repair" : ""));
    }
    if (node.error().code() != Code::kCorruption) {
      return node.error();
    }
    AddProblem("unreadable", node.error().message(), &check);
    return check;
  }
  if (!flags.skip_bytes) {
    const Status verified = BlockingWait((*node)->db()->Verify());
    if (!verified.ok()) {
      AddProblem("damaged", verified.message(), &check);
    }
  }
  Result<node::StoreReport> report = node::CheckStore(
      (*node)->identity(), {.skip_chunk_bytes = flags.skip_bytes, .repair = flags.repair},
      (*node)->store());
  if (!report.ok()) {
    if (report.error().code() != Code::kCorruption) {
      return report.error();
    }
    AddProblem("damaged", report.error().message(), &check);
    return check;
  }
  AddReport(*report, &check);
  auto pks = node::ListPartitionKeys((*node)->store());
  if (!pks.ok()) {
    AddProblem("damaged", pks.error().message(), &check);
    return check;
  }
  auto walked = BlockingWait(
      fs::CheckFilesystem((*node)->client(), env.env(), fs::HomesAmong(*pks), flags.repair));
  if (!walked.ok()) {
    AddProblem(
        "damaged",
        std::string("the filesystem cannot be walked: ") + std::strerror(walked.error().value()),
        &check);
    return check;
  }
  AddFsckReport(*walked, &check);
  if (flags.repair) {
    KVFS_RETURN_IF_ERROR(BlockingWait((*node)->Close()));
  }
  return check;
}

}  // namespace kvfs::tools
