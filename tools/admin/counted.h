// Counted: the metrics of one process at two moments, and what happened between them. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kvcore/proto/admin.pb.h"

namespace kvfs::tools {

// One kind of operation between two moments.
struct OperationRate {
  std::string name;
  std::vector<uint64_t> counts;  // by latency, as in a MetricSample
  uint64_t count = 0;
  double sum_seconds = 0;
};

// A value, or the sum over the labels; 0 where there is none.
double ValueOf(const admin::MetricsResponse& metrics, const std::string& name);
// Histogram `name` by the value of its label. What was not asked for meanwhile is left out. A
// process that was started anew in between counts from its start.
std::vector<OperationRate> OperationsBetween(const admin::MetricsResponse& before,
                                             const admin::MetricsResponse& after,
                                             const std::string& name);
// Those named put together; of all where `names` is empty.
OperationRate Together(const std::vector<OperationRate>& rates, const std::set<std::string>& names);

}  // namespace kvfs::tools
