#include "kvcore/base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "kvcore/base/task.h"

namespace kvfs {
namespace {

TEST(StatusTest, CarriesCodeAndMessage) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status().ToString(), "OK");
  const Status status = Status::Corruption("000012.sst at 4096: bad checksum");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), Code::kCorruption);
  EXPECT_EQ(status.ToString(), "CORRUPTION: 000012.sst at 4096: bad checksum");
  EXPECT_EQ(status.Annotate("opening").ToString(),
            "CORRUPTION: opening: 000012.sst at 4096: bad checksum");
  EXPECT_TRUE(Status().Annotate("opening").ok());
}

TEST(StatusTest, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Code::kOutcomeUnknown); ++code) {
    EXPECT_TRUE(names.insert(CodeName(static_cast<Code>(code))).second);
  }
  EXPECT_FALSE(names.contains("UNKNOWN_CODE"));
  EXPECT_EQ(CodeName(static_cast<Code>(200)), "UNKNOWN_CODE");
}

Result<std::unique_ptr<int>> Half(int x) {
  if (x % 2 != 0) {
    return Status::InvalidArgument("odd");
  }
  return std::make_unique<int>(x / 2);
}

Status Quarter(int x, int* out) {
  KVFS_ASSIGN_OR_RETURN(const auto half, Half(x));
  KVFS_ASSIGN_OR_RETURN(const auto quarter, Half(*half));
  *out = *quarter;
  return {};
}

Task<Result<int>> Eighth(int x) {
  int quarter = 0;
  KVFS_CO_RETURN_IF_ERROR(Quarter(x, &quarter));
  KVFS_CO_ASSIGN_OR_RETURN(auto eighth, Half(quarter));
  co_return *eighth;
}

TEST(ResultTest, MovesItsValueOutAndPropagatesErrors) {
  Result<std::unique_ptr<int>> result = Half(4);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result.status().ok());
  EXPECT_EQ(**result, 2);
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 2);

  int quarter = 0;
  EXPECT_TRUE(Quarter(8, &quarter).ok());
  EXPECT_EQ(quarter, 2);
  EXPECT_EQ(Quarter(6, &quarter).code(), Code::kInvalidArgument);
  EXPECT_EQ(*Eighth(16).TakeValue(), 2);
  EXPECT_EQ(Eighth(4).TakeValue().status().ToString(), "INVALID_ARGUMENT: odd");
}

TEST(ResultTest, OtherErrorTypes) {
  const Result<std::string, int> good(std::string("x"));
  const Result<std::string, int> bad(17);
  EXPECT_TRUE(good.ok());
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error(), 17);
}

TEST(ResultDeathTest, AnErrorHasNoValue) {
  const Result<int> result = Status::NotFound("x");
  EXPECT_DEATH((void)*result, "self.ok");
}

}  // namespace
}  // namespace kvfs
