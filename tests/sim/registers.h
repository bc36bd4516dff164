// Registers: clients read, write and swap some items; one order must explain all they were told.
#pragma once

#include "tests/sim/history.h"
#include "tests/sim/workload.h"

namespace kvfs::sim {

class Registers final : public Workload {
 public:
  explicit Registers(const WorkloadParts& parts);

  Task<void> Step(int client, int number) override;
  Task<std::string> Check() override;
  std::vector<std::string> Pks() const override { return pks_; }
  size_t operations() const override { return done_; }
  void AllLostPower() override;

 private:
  using ReadResult = std::optional<std::optional<replication::Item>>;
  Task<ReadResult> Read(int client, std::string pk, std::string ck);
  Task<void> Change(int client, int number, std::string pk, std::string ck, bool is_swap);

  std::vector<std::string> pks_;
  std::vector<Operation> told_;
  int64_t power_lost_ = -1;  // everywhere, for the last time
  size_t done_ = 0;
};

}  // namespace kvfs::sim
