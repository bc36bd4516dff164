// Request: one request of the kernel, to be answered exactly once.
//
// Owned by the coroutine that serves it (moved into its frame). It counts as "in
// flight" from its making to the end of that frame, so that the session is not
// destroyed under a reply. Used by one thread at a time.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cassert>
#include <cstdint>
#include <utility>

#include "fs/fuse/libfuse.h"
#include "fs/meta/types.h"

namespace kvfs::fs {

// How many requests are being served. Thread-safe.
class InFlight {
 public:
  void Enter() { count_.fetch_add(1, std::memory_order_relaxed); }
  void Leave() { count_.fetch_sub(1, std::memory_order_release); }
  int64_t count() const { return count_.load(std::memory_order_acquire); }

 private:
  std::atomic<int64_t> count_{0};
};

class Request {
 public:
  Request(fuse_req_t req, InFlight* in_flight) : req_(req), in_flight_(in_flight) {
    in_flight_->Enter();
  }
  Request(Request&& other) noexcept
      : req_(std::exchange(other.req_, nullptr)),
        in_flight_(std::exchange(other.in_flight_, nullptr)) {}
  Request& operator=(Request&&) = delete;
  ~Request() {
    assert(req_ == nullptr);  // answered, or moved on
    if (in_flight_ != nullptr) {
      in_flight_->Leave();
    }
  }

  Credentials who() const;
  // Whether the caller belongs to the group, by its main group or a supplementary one.
  bool InGroup(uint32_t gid) const;

  // Each takes the request. 0 of the int ones: the kernel took the answer; otherwise it had given
  // the request up, and what the answer counted (a lookup, an open handle) must be taken back.
  void Error(Errno error) { fuse_reply_err(Take(), error.value()); }
  void None() { fuse_reply_none(Take()); }
  int Entry(const fuse_entry_param& entry) { return fuse_reply_entry(Take(), &entry); }
  int Create(const fuse_entry_param& entry, const fuse_file_info& file) {
    return fuse_reply_create(Take(), &entry, &file);
  }
  int Open(const fuse_file_info& file) { return fuse_reply_open(Take(), &file); }
  void Attr(const struct stat& attr, double seconds) { fuse_reply_attr(Take(), &attr, seconds); }
  void ReadLink(const char* target) { fuse_reply_readlink(Take(), target); }
  void Written(size_t count) { fuse_reply_write(Take(), count); }
  int Buffer(ByteView bytes) { return fuse_reply_buf(Take(), bytes.data(), bytes.size()); }
  void Pieces(const iovec* pieces, int count) { fuse_reply_iov(Take(), pieces, count); }
  void StatFs(const struct statvfs& space) { fuse_reply_statfs(Take(), &space); }
  void XattrSize(size_t size) { fuse_reply_xattr(Take(), size); }
  void Lock(const struct flock& lock) { fuse_reply_lock(Take(), &lock); }
  void Seek(off_t offset) { fuse_reply_lseek(Take(), offset); }

  // For the libfuse helpers that lay out directory entries.
  fuse_req_t raw() const { return req_; }

 private:
  fuse_req_t Take() {
    assert(req_ != nullptr);  // never answered twice
    return std::exchange(req_, nullptr);
  }

  fuse_req_t req_;
  InFlight* in_flight_;
};

}  // namespace kvfs::fs
