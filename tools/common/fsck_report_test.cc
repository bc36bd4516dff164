#include "tools/common/fsck_report.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

TEST(FsckReportTest, ListsAThousandAndCountsAll) {
  fs::FsckReport report;
  report.directories = 3;
  report.files = 4;
  report.problems.resize(1500);
  report.problems[0] = {.kind = fs::FsckProblem::Kind::kDanglingEntry,
                        .where = "/a",
                        .text = "no such inode",
                        .is_repaired = true};
  admin::CheckResponse check;
  check.set_problem_count(2);
  check.add_problems();
  AddFsckReport(report, &check);
  EXPECT_EQ(check.problem_count(), 1502u);
  EXPECT_EQ(check.problems_size(), 1000);
  EXPECT_EQ(check.inodes(), 7u);
  EXPECT_EQ(check.problems(1).kind(), "dangling-entry");
  EXPECT_EQ(check.problems(1).path(), "/a");
  EXPECT_TRUE(check.problems(1).repaired());
}

}  // namespace
}  // namespace kvfs::tools
