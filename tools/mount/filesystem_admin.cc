#include "tools/mount/filesystem_admin.h"

#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "fs/meta/fsck.h"
#include "fs/vfs/conflict_list.h"
#include "fs/vfs/explain.h"
#include "kvcore/node/store_check.h"
#include "kvcore/ops/store_admin.h"
#include "tools/common/fsck_report.h"

namespace kvfs::tools {
namespace {

using ops::AdminCommand;
using ops::AdminRequest;
using ops::AdminResponse;

Status FromErrno(fs::Errno error) {
  const Code code = error == fs::Errno(ENOENT)    ? Code::kNotFound
                    : error == fs::Errno(ENOTDIR) ? Code::kNotFound
                    : error == fs::Errno(ENOSPC)  ? Code::kNoSpace
                    : error == fs::Errno(EROFS)   ? Code::kReadOnly
                                                  : Code::kIoError;
  return {code, std::strerror(error.value())};
}

const char* TypeName(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFBLK:
      return "block";
    case S_IFCHR:
      return "char";
    default:
      return "file";
  }
}

void Fill(const fs::Explanation& found, admin::ExplainResponse* out) {
  constexpr uint32_t kPermissionBits = 07777;
  out->set_ino(found.ref.ino);
  out->set_home(found.ref.home);
  out->set_type(TypeName(found.attr.mode));
  out->set_size(found.attr.size);
  out->set_mode(found.attr.mode & kPermissionBits);
  out->set_nlink(found.attr.nlink);
  out->set_uid(found.attr.uid);
  out->set_gid(found.attr.gid);
  out->set_partition_key(found.partition_key);
  out->set_partition(found.partition);
  for (const client::Sibling& version : found.versions) {
    admin::ItemVersion* item = out->add_versions();
    item->set_epoch(version.dot.epoch);
    item->set_counter(version.dot.counter);
    item->set_time(version.time);
    item->set_tombstone(version.tombstone);
  }
  out->set_content(found.content);
  out->set_tree_depth(found.tree_depth);
  out->set_overlay_blocks(static_cast<uint32_t>(found.overlay_blocks));
  for (const fs::ExplainedChunk& chunk : found.chunks) {
    admin::ExplainChunk* item = out->add_chunks();
    item->set_index(chunk.position);
    item->set_level(chunk.level);
    item->set_hash(Bytes(AsBytes(chunk.id)));
    item->set_raw_bytes(chunk.info.raw_bytes);
    item->set_stored_bytes(chunk.info.stored_bytes);
    item->set_references(chunk.info.references);
    item->set_present(chunk.info.present);
  }
  out->set_chunk_count(found.chunk_count);
  out->set_raw_bytes(found.raw_bytes);
  out->set_stored_bytes(found.stored_bytes);
  out->set_exclusive_bytes(found.exclusive_bytes);
  for (const std::string& link : found.links) {
    out->add_links(link);
  }
}

}  // namespace

void FilesystemAdmin::RegisterWith(ops::AdminService* service) {
  service->Register(AdminCommand::kExplain, this);
  service->Register(AdminCommand::kCollect, this);
  service->Register(AdminCommand::kConflicts, this);
  if (store_ != nullptr) {
    service->Replace(AdminCommand::kCheck, this);
  } else {
    service->Register(AdminCommand::kCheck, this);
  }
}

Task<AdminResponse> FilesystemAdmin::Handle(AdminRequest request) {
  AdminResponse response;
  switch (request.command_case()) {
    case AdminCommand::kExplain:
      response = co_await Explain(request.explain());
      break;
    case AdminCommand::kCheck:
      response = co_await Check(std::move(request));
      break;
    case AdminCommand::kCollect:
      response = co_await Collect();
      break;
    case AdminCommand::kConflicts:
      response = co_await Conflicts(request.conflicts());
      break;
    default:
      response = ops::ErrorResponse(Status::InvalidArgument("not a command of the filesystem"));
      break;
  }
  co_return response;
}

Task<AdminResponse> FilesystemAdmin::Explain(admin::ExplainRequest request) {
  auto found = co_await fs::ExplainPath(client_, env_, request.path());
  if (!found.ok()) {
    co_return ops::ErrorResponse(FromErrno(found.error()).Annotate(request.path()));
  }
  AdminResponse response;
  Fill(*found, response.mutable_explain());
  if (node_ != nullptr) {
    const Status placed = ops::FillPlaces(node_, response.mutable_explain());
    if (!placed.ok()) {
      co_return ops::ErrorResponse(placed);
    }
  }
  response.mutable_explain()->set_path(request.path());
  response.mutable_explain()->set_dirty_bytes(vfs_->DirtyBytes(found->ref.ino));
  co_return response;
}

Task<AdminResponse> FilesystemAdmin::Check(AdminRequest request) {
  AdminResponse response;
  std::vector<fs::Ino> homes;  // none: only what names lead to is walked
  if (store_ != nullptr) {
    response = co_await store_->Handle(std::move(request));
    if (response.code() != 0) {
      co_return response;
    }
    auto pks = node::ListPartitionKeys(node_->store());
    if (!pks.ok()) {
      co_return ops::ErrorResponse(pks.error());
    }
    homes = fs::HomesAmong(*pks);
  }
  auto report = co_await fs::CheckFilesystem(client_, env_, std::move(homes), /*repair=*/false);
  if (!report.ok()) {
    co_return ops::ErrorResponse(
        FromErrno(report.error()).Annotate("the filesystem cannot be walked"));
  }
  AddFsckReport(*report, response.mutable_check());
  co_return response;
}

Task<AdminResponse> FilesystemAdmin::Conflicts(admin::ConflictsRequest request) {
  constexpr size_t kMostListed = 1000;
  auto found = co_await fs::ListConflicts(client_, env_, request.path(), kMostListed);
  if (!found.ok()) {
    co_return ops::ErrorResponse(FromErrno(found.error()).Annotate(request.path()));
  }
  AdminResponse response;
  for (fs::ListedConflict& conflict : *found) {
    admin::Conflict* out = response.mutable_conflicts()->add_conflicts();
    out->set_kind(conflict.kind);
    out->set_time(conflict.time);
    for (const fs::ListedVersion& version : conflict.versions) {
      admin::ConflictVersion* one = out->add_versions();
      one->set_epoch(version.dot.epoch);
      one->set_counter(version.dot.counter);
      one->set_time(version.time);
      one->set_ino(version.ino);
      one->set_path(version.path);
      one->set_size(version.size);
      one->set_is_there(version.is_there);
    }
    if (request.action() != admin::ConflictsRequest::LIST) {
      const bool newest = request.action() == admin::ConflictsRequest::NEWEST;
      const fs::Errno settled =
          co_await fs::SettleConflict(client_, env_, std::move(conflict), newest);
      if (!settled.ok()) {
        co_return ops::ErrorResponse(FromErrno(settled).Annotate(request.path()));
      }
    }
  }
  response.mutable_conflicts();
  co_return response;
}

Task<AdminResponse> FilesystemAdmin::Collect() {
  const fs::Errno done = co_await vfs_->RunWorkNow();
  if (!done.ok()) {
    co_return ops::ErrorResponse(FromErrno(done));
  }
  AdminResponse response;
  admin::CollectResponse* answer = response.mutable_collect();
  if (store_ == nullptr) {
    co_return response;
  }
  AdminRequest compact;
  compact.mutable_compact();
  AdminResponse compacted = co_await store_->Handle(std::move(compact));
  if (compacted.code() != 0) {
    co_return compacted;
  }
  answer->set_disk_bytes_before(compacted.compact().disk_bytes_before());
  answer->set_disk_bytes_after(compacted.compact().disk_bytes_after());
  co_return response;
}

}  // namespace kvfs::tools
