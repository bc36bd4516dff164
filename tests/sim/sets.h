// Sets: each client adds elements of its own, takes some away again, and looks for its own and for
// others'. What was added and acknowledged is there, what was taken away is not.
#pragma once

#include <map>

#include "tests/sim/workload.h"

namespace kvfs::sim {

class Sets final : public Workload {
 public:
  explicit Sets(const WorkloadParts& parts) : Workload(parts) {}

  Task<void> Step(int client, int number) override;
  Task<std::string> Check() override;
  std::vector<std::string> Pks() const override { return {"set", "bag"}; }
  size_t operations() const override { return done_; }

 private:
  enum class Is : uint8_t { kThere, kGone, kEither };
  struct Element {
    Is is = Is::kEither;  // while it is being changed, and when nobody knows
    int owner = 0;
    uint64_t changes = 0;  // begun and ended
  };
  using Elements = std::map<std::string, Element>;
  Task<void> Change(int client, int number, std::string pk, std::string ck, bool add);
  // Compares what is there with what must be.
  Task<bool> Look(int client, std::string pk, std::vector<Bytes> cks, int64_t patience);

  std::map<std::string, Elements> sets_;
  std::string wrong_;
  size_t done_ = 0;
};

}  // namespace kvfs::sim
