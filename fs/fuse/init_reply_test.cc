#include "fs/fuse/init_reply.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>

namespace kvfs::fs {
namespace {

struct Reply {
  fuse_out_header header{};
  fuse_init_out init{};
  iovec pieces[2];

  Reply() {
    header.len = sizeof(header) + sizeof(init);
    init.major = FUSE_KERNEL_VERSION;
    init.flags = FUSE_ASYNC_READ;
    pieces[0] = {&header, sizeof(header)};
    pieces[1] = {&init, sizeof(init)};
  }
};

TEST(InitReply, AddsTheFlagsAndKeepsTheRest) {
  Reply reply;
  reply.init.max_write = 12345;
  auto amended = AmendInitReply(reply.pieces, 2, FUSE_PARALLEL_DIROPS);
  ASSERT_TRUE(amended.has_value());
  fuse_init_out out;
  std::memcpy(&out, amended->data() + sizeof(fuse_out_header), sizeof(out));
  EXPECT_EQ(out.flags, FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS);
  EXPECT_EQ(out.max_write, 12345u);
  EXPECT_EQ(amended->size(), reply.header.len);
}

TEST(InitReply, LeavesErrorsAndOtherAnswersAlone) {
  Reply failed;
  failed.header.error = -EPROTO;
  EXPECT_FALSE(AmendInitReply(failed.pieces, 2, 1).has_value());

  Reply other_major;
  other_major.init.major = 8;
  EXPECT_FALSE(AmendInitReply(other_major.pieces, 2, 1).has_value());

  Reply shorter;
  EXPECT_FALSE(AmendInitReply(shorter.pieces, 1, 1).has_value());
}

}  // namespace
}  // namespace kvfs::fs
