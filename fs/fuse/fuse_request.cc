#include "fs/fuse/fuse_request.h"

#include <algorithm>
#include <vector>

namespace kvfs::fs {

Credentials Request::who() const {
  const fuse_ctx* context = fuse_req_ctx(req_);
  return Credentials{
      .uid = context->uid, .gid = context->gid, .umask = context->umask, .pid = context->pid};
}

bool Request::InGroup(uint32_t gid) const {
  if (fuse_req_ctx(req_)->gid == gid) {
    return true;
  }
  std::vector<gid_t> groups(64);
  int count = fuse_req_getgroups(req_, static_cast<int>(groups.size()), groups.data());
  if (count > static_cast<int>(groups.size())) {
    groups.resize(static_cast<size_t>(count));
    count = fuse_req_getgroups(req_, count, groups.data());
  }
  if (count < 0) {
    return false;  // the caller has gone
  }
  groups.resize(std::min(groups.size(), static_cast<size_t>(count)));
  return std::find(groups.begin(), groups.end(), gid) != groups.end();
}

}  // namespace kvfs::fs
