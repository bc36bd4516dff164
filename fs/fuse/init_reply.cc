#include "fs/fuse/init_reply.h"

#include <linux/fuse.h>

#include <cstring>

namespace kvfs::fs {

std::optional<Bytes> AmendInitReply(const iovec* message, int count, uint32_t flags) {
  Bytes bytes;
  for (int i = 0; i < count; ++i) {
    bytes.append(static_cast<const char*>(message[i].iov_base), message[i].iov_len);
  }
  fuse_out_header header;
  fuse_init_out init;
  if (bytes.size() != sizeof(header) + sizeof(init)) {
    return std::nullopt;
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::memcpy(&init, bytes.data() + sizeof(header), sizeof(init));
  if (header.error != 0 || header.len != bytes.size() || init.major != FUSE_KERNEL_VERSION) {
    return std::nullopt;
  }
  init.flags |= flags;
  std::memcpy(bytes.data() + sizeof(header), &init, sizeof(init));
  return bytes;
}

}  // namespace kvfs::fs
