#include "fs/meta/posix_acl.h"

#include <gtest/gtest.h>

#include "fs/meta/posix.h"
#include "kvcore/base/coding.h"

namespace kvfs::fs {
namespace {

using Tag = PosixAcl::Tag;
constexpr uint32_t kNoId = 0xffffffff;

Bytes Encoded(const std::vector<PosixAcl::Entry>& entries) {
  Bytes value;
  PutFixed32(&value, 2);
  for (const PosixAcl::Entry& entry : entries) {
    PutFixed<uint16_t>(&value, static_cast<uint16_t>(entry.tag));
    PutFixed<uint16_t>(&value, entry.perm);
    PutFixed32(&value, entry.id);
  }
  return value;
}

const std::vector<PosixAcl::Entry> kNamed = {{Tag::kUserObj, 7, kNoId}, {Tag::kUser, 6, 10},
                                             {Tag::kUser, 4, 11},       {Tag::kGroupObj, 5, kNoId},
                                             {Tag::kGroup, 5, 20},      {Tag::kMask, 7, kNoId},
                                             {Tag::kOther, 1, kNoId}};

TEST(PosixAclTest, WhatIsParsedIsEncodedAgain) {
  auto acl = PosixAcl::Parse(Encoded(kNamed));
  ASSERT_TRUE(acl.has_value());
  EXPECT_EQ(acl->entries(), kNamed);
  EXPECT_EQ(acl->Encode(), Encoded(kNamed));
  EXPECT_TRUE(PosixAcl::Parse("")->empty());
  EXPECT_TRUE(PosixAcl::Parse(Encoded({}))->empty());
}

TEST(PosixAclTest, NonsenseIsRefused) {
  const Bytes good = Encoded(kNamed);
  for (size_t size = 1; size < good.size(); ++size) {
    if (size == 4) {
      continue;  // an empty list
    }
    EXPECT_FALSE(PosixAcl::Parse(good.substr(0, size)).has_value()) << size;
  }
  Bytes version = good;
  version[0] = 3;
  EXPECT_FALSE(PosixAcl::Parse(version).has_value());
  const auto refused = [](std::vector<PosixAcl::Entry> entries) {
    return !PosixAcl::Parse(Encoded(entries)).has_value();
  };
  EXPECT_TRUE(refused({{Tag::kUserObj, 8, kNoId},
                       {Tag::kGroupObj, 5, kNoId},
                       {Tag::kOther, 1, kNoId}}));  // no such permission
  EXPECT_TRUE(refused({{Tag::kGroupObj, 5, kNoId},
                       {Tag::kUserObj, 7, kNoId},
                       {Tag::kOther, 1, kNoId}}));  // out of order
  EXPECT_TRUE(refused({{Tag::kUserObj, 7, kNoId},
                       {Tag::kUser, 7, 10},
                       {Tag::kGroupObj, 5, kNoId},
                       {Tag::kOther, 1, kNoId}}));  // no mask
  EXPECT_TRUE(refused({{Tag::kUserObj, 7, kNoId},
                       {Tag::kUser, 7, kNoId},
                       {Tag::kGroupObj, 5, kNoId},
                       {Tag::kMask, 7, kNoId},
                       {Tag::kOther, 1, kNoId}}));  // nobody
  EXPECT_TRUE(refused({{Tag::kUserObj, 7, kNoId},
                       {Tag::kUserObj, 7, kNoId},
                       {Tag::kGroupObj, 5, kNoId},
                       {Tag::kOther, 1, kNoId}}));  // twice
  EXPECT_TRUE(refused({{static_cast<Tag>(3), 7, kNoId},
                       {Tag::kGroupObj, 5, kNoId},
                       {Tag::kOther, 1, kNoId}}));  // no such tag
}

TEST(PosixAclTest, TheMaskStandsForTheGroup) {
  auto acl = PosixAcl::Parse(Encoded(kNamed));
  uint32_t mode = S_IFREG | S_ISGID;
  EXPECT_FALSE(acl->ToMode(&mode));
  EXPECT_EQ(mode, uint32_t{S_IFREG | S_ISGID | 0771});
  acl->Chmod(0640);
  mode = S_IFREG;
  EXPECT_FALSE(acl->ToMode(&mode));
  EXPECT_EQ(mode, uint32_t{S_IFREG | 0640});
  EXPECT_EQ(acl->entries()[3].perm, 5);  // the owning group keeps its own
}

TEST(PosixAclTest, InheritanceAllowsWhatBothAllow) {
  auto acl = PosixAcl::Parse(Encoded(kNamed));
  uint32_t mode = S_IFREG | 0646;
  EXPECT_FALSE(acl->Restrict(&mode));
  EXPECT_EQ(mode, uint32_t{S_IFREG | 0640});
  EXPECT_EQ(acl->entries()[0].perm, 6);
  EXPECT_EQ(acl->entries()[5].perm, 4);
  EXPECT_EQ(acl->entries()[6].perm, 0);
}

}  // namespace
}  // namespace kvfs::fs
