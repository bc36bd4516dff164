// Counters: clients add one to a counter and its mirror in one transaction that asserts what they
// read. No addition is lost or done twice, no read goes back, and the two are always the same.
#pragma once

#include <map>

#include "tests/sim/workload.h"

namespace kvfs::sim {

class Counters final : public Workload {
 public:
  explicit Counters(const WorkloadParts& parts) : Workload(parts) {}

  Task<void> Step(int client, int number) override;
  Task<std::string> Check() override;
  std::vector<std::string> Pks() const override { return {"up", "down"}; }
  size_t operations() const override { return done_; }
  void AllLostPower() override;

 private:
  struct Addition {
    int64_t begin = 0;
    int64_t end = INT64_MAX;  // INT64_MAX: nobody knows
  };
  struct Look {
    int64_t begin = 0, end = 0;
    uint64_t value = 0;
  };
  struct Counter {
    std::vector<Addition> additions;
    std::vector<Look> looks;
  };
  struct Seen {
    uint64_t value = 0;
    replication::VersionId version;
  };
  // Nothing: nobody answered.
  Task<std::optional<Seen>> ReadBoth(int client, std::string pk, int64_t patience);

  std::map<std::string, Counter> counters_;
  std::string apart_;        // a counter that was seen to differ from its mirror
  int64_t power_lost_ = -1;  // everywhere, for the last time
  size_t done_ = 0;
};

}  // namespace kvfs::sim
