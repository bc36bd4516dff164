#include "tools/common/fsck_report.h"

namespace kvfs::tools {

void AddFsckReport(const fs::FsckReport& report, admin::CheckResponse* check) {
  constexpr int kMaxListed = 1000;
  for (const fs::FsckProblem& found : report.problems) {
    check->set_problem_count(check->problem_count() + 1);
    if (check->problems_size() >= kMaxListed) {
      continue;
    }
    admin::Problem* problem = check->add_problems();
    problem->set_kind(fs::KindName(found.kind));
    problem->set_message(found.text);
    problem->set_path(found.where);
    problem->set_repaired(found.is_repaired);
  }
  check->set_inodes(check->inodes() + report.directories + report.files);
}

}  // namespace kvfs::tools
