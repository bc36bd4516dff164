#include "fs/fuse/kill_flags.h"

#include <linux/fuse.h>

#include <cstdint>
#include <cstring>

namespace kvfs::fs {
namespace {

// Sets the bit in `flags` of the Body behind the header if `has_flag` says so.
template <typename Body, typename HasFlag>
void Carry(char* message, size_t size, const HasFlag& has_flag) {
  Body body;
  if (size < sizeof(fuse_in_header) + sizeof(body)) {
    return;  // libfuse refuses it
  }
  char* at = message + sizeof(fuse_in_header);
  std::memcpy(&body, at, sizeof(body));
  body.flags &= ~uint32_t{kKillsSetIds};
  if (has_flag(body)) {
    body.flags |= uint32_t{kKillsSetIds};
  }
  std::memcpy(at, &body, sizeof(body));
}

}  // namespace

void CarryKillFlags(char* message, size_t size) {
  fuse_in_header header;
  if (size < sizeof(header)) {
    return;
  }
  std::memcpy(&header, message, sizeof(header));
  const auto opens = [](const auto& body) {
    return (body.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
  };
  switch (header.opcode) {
    case FUSE_WRITE:
      Carry<fuse_write_in>(message, size, [](const fuse_write_in& body) {
        return (body.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
      });
      break;
    case FUSE_OPEN:
      Carry<fuse_open_in>(message, size, opens);
      break;
    case FUSE_CREATE:
      Carry<fuse_create_in>(message, size, opens);
      break;
    default:
      break;
  }
}

}  // namespace kvfs::fs
