#include "fs/fuse/kill_flags.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>
#include <string>

namespace kvfs::fs {
namespace {

template <typename Body>
std::string Message(uint32_t opcode, const Body& body) {
  fuse_in_header header{};
  header.opcode = opcode;
  header.len = sizeof(header) + sizeof(body);
  std::string message(header.len, '\0');
  std::memcpy(message.data(), &header, sizeof(header));
  std::memcpy(message.data() + sizeof(header), &body, sizeof(body));
  return message;
}

template <typename Body>
Body Carried(uint32_t opcode, const Body& body) {
  std::string message = Message(opcode, body);
  CarryKillFlags(message.data(), message.size());
  Body out;
  std::memcpy(&out, message.data() + sizeof(fuse_in_header), sizeof(out));
  return out;
}

TEST(KillFlags, AWriteThatKillsSaysSoInItsOpenFlags) {
  fuse_write_in write{};
  write.flags = O_WRONLY;
  write.size = 7;
  EXPECT_EQ(Carried(FUSE_WRITE, write).flags, uint32_t{O_WRONLY});
  write.write_flags = FUSE_WRITE_KILL_SUIDGID;
  const fuse_write_in carried = Carried(FUSE_WRITE, write);
  EXPECT_EQ(carried.flags, uint32_t{O_WRONLY | kKillsSetIds});
  EXPECT_EQ(carried.size, 7u);
}

TEST(KillFlags, SoDoOpenAndCreate) {
  fuse_open_in open{.flags = O_RDWR | O_TRUNC, .open_flags = FUSE_OPEN_KILL_SUIDGID};
  EXPECT_EQ(Carried(FUSE_OPEN, open).flags, uint32_t{O_RDWR | O_TRUNC | kKillsSetIds});
  fuse_create_in create{};
  create.flags = O_CREAT;
  create.open_flags = FUSE_OPEN_KILL_SUIDGID;
  EXPECT_EQ(Carried(FUSE_CREATE, create).flags, uint32_t{O_CREAT | kKillsSetIds});
}

TEST(KillFlags, TheBitCannotComeFromOutside) {
  fuse_open_in open{.flags = O_RDWR | kKillsSetIds, .open_flags = 0};
  EXPECT_EQ(Carried(FUSE_OPEN, open).flags, uint32_t{O_RDWR});
}

TEST(KillFlags, OthersAndShortOnesAreLeftAlone) {
  fuse_setattr_in setattr{};
  setattr.valid = 0x7fffffff;
  EXPECT_EQ(Carried(FUSE_SETATTR, setattr).valid, 0x7fffffffu);
  fuse_open_in open{.flags = O_RDWR, .open_flags = FUSE_OPEN_KILL_SUIDGID};
  const std::string whole = Message(FUSE_OPEN, open);
  for (size_t size = 0; size < whole.size(); ++size) {
    std::string part = whole.substr(0, size);
    CarryKillFlags(part.data(), part.size());
    EXPECT_EQ(part, whole.substr(0, size));
  }
}

}  // namespace
}  // namespace kvfs::fs
