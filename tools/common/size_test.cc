#include "tools/common/size.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

TEST(Size, ParsesUnits) {
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("4096"), 4096u);
  EXPECT_EQ(*ParseSize("512M"), 512u << 20);
  EXPECT_EQ(*ParseSize("512MiB"), 512u << 20);
  EXPECT_EQ(*ParseSize("1.5G"), 3u << 29);
  EXPECT_EQ(*ParseSize("2TB"), 2'000'000'000'000u);
  EXPECT_EQ(*ParseSize("10 k"), 10240u);
  EXPECT_EQ(*ParseSize("7B"), 7u);
}

TEST(Size, RefusesWhatIsNone) {
  for (const char* text :
       {"", "M", "-1", "12Q", "1e5", "12MiBs", "99999999E", "nan", "inf", "1,5G"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(Size, Formats) {
  EXPECT_EQ(FormatSize(812), "812 B");
  EXPECT_EQ(FormatSize(1536), "1.5 KiB");
  EXPECT_EQ(FormatSize(uint64_t{20} << 30), "20 GiB");
}

}  // namespace
}  // namespace kvfs::tools
