// AvailableSets: clients on all sides of a broken network add elements to sets, take away what they
// see there, and look, with a majority or without. In the end everything that was added and
// acknowledged is there, unless somebody who had seen it took it away, and then it is not.
#pragma once

#include <map>

#include "tests/sim/workload.h"

namespace kvfs::sim {

class AvailableSets final : public Workload {
 public:
  explicit AvailableSets(const WorkloadParts& parts) : Workload(parts) {}

  Task<void> Step(int client, int number) override;
  Task<std::string> Check() override;
  std::vector<std::string> Pks() const override { return {"set", "bag"}; }
  size_t operations() const override { return done_; }

 private:
  // What somebody was told of it. Nobody adds the same twice.
  struct Element {
    bool added = false;
    bool perhaps_added = false;
    bool removed = false;     // whoever is told so has seen it
    int perhaps_removed = 0;  // removals under way, or that nobody knows of
  };
  using Elements = std::map<std::string, Element>;
  Task<void> Change(int client, int number, std::string pk, std::string ck, bool add);
  Task<std::optional<std::vector<bool>>> Look(int client, std::string pk, std::vector<Bytes> cks,
                                              int64_t patience, bool available);

  std::map<std::string, Elements> sets_;
  std::map<std::string, std::vector<Bytes>> names_;  // of the elements, in the order they came
  std::string wrong_;
  size_t done_ = 0;
};

}  // namespace kvfs::sim
