#include "kvcore/base/hash.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "kvcore/base/coding.h"

namespace kvfs {
namespace {

std::string Hex(ByteView data) { return ToHex(AsBytes(Sha256(data))); }

// FIPS 180-2, appendix B, and the empty message.
TEST(Sha256Test, PublishedVectors) {
  EXPECT_EQ(Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Hex(Bytes(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, ThreadsDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const Bytes data(1000 + static_cast<size_t>(t), 'x');
      const Sha256Digest first = Sha256(data);
      for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(Sha256(data), first);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

// The first outputs of the reference implementation's table: key 00..0f, message 00..(n-1).
TEST(SipHashTest, ReferenceVectors) {
  const SipHashKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  const char* const expected[] = {"310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d",
                                  "2d7efbd796666785", "b7877127e09427cf", "8da699cd64557618",
                                  "cee3fe586e46c9cb", "37d1018bf50002ab", "6224939a79f5f593",
                                  "b0e4a90bdf82009e", "f3b9dd94c5bb5d7a", "a7ad6b22462fb3f4",
                                  "fbe50e86bc8f1e75"};
  Bytes message;
  for (const char* hex : expected) {
    Bytes out;
    PutFixed64(&out, SipHash24(key, message));
    EXPECT_EQ(ToHex(out), hex) << message.size();
    message.push_back(static_cast<char>(message.size()));
  }
  // The worked example of the paper: fifteen bytes.
  EXPECT_EQ(SipHash24(key, ByteView("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 15)),
            0xa129ca6149be45e5u);
}

TEST(SipHashTest, BothHalvesOfTheKeyMatter) {
  EXPECT_NE(SipHash24({1, 0}, "name"), SipHash24({0, 0}, "name"));
  EXPECT_NE(SipHash24({0, 1}, "name"), SipHash24({0, 0}, "name"));
}

}  // namespace
}  // namespace kvfs
