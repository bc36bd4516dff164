#include "tools/admin/counted.h"

#include <algorithm>

namespace kvfs::tools {
namespace {

const admin::Metric* Find(const admin::MetricsResponse& metrics, const std::string& name) {
  for (const admin::Metric& metric : metrics.metrics()) {
    if (metric.name() == name) {
      return &metric;
    }
  }
  return nullptr;
}

std::string LabelOf(const admin::MetricSample& sample) {
  return sample.labels().empty() ? "" : sample.labels(0).value();
}

}  // namespace

double ValueOf(const admin::MetricsResponse& metrics, const std::string& name) {
  double sum = 0;
  if (const admin::Metric* const metric = Find(metrics, name); metric != nullptr) {
    for (const admin::MetricSample& sample : metric->samples()) {
      sum += sample.value();
    }
  }
  return sum;
}

std::vector<OperationRate> OperationsBetween(const admin::MetricsResponse& before,
                                             const admin::MetricsResponse& after,
                                             const std::string& name) {
  std::map<std::string, const admin::MetricSample*> earlier;
  if (const admin::Metric* const metric = Find(before, name); metric != nullptr) {
    for (const admin::MetricSample& sample : metric->samples()) {
      earlier[LabelOf(sample)] = &sample;
    }
  }
  std::vector<OperationRate> rates;
  const admin::Metric* const metric = Find(after, name);
  if (metric == nullptr) {
    return rates;
  }
  for (const admin::MetricSample& sample : metric->samples()) {
    OperationRate rate{.name = LabelOf(sample),
                       .counts = {sample.counts().begin(), sample.counts().end()},
                       .sum_seconds = sample.sum_seconds()};
    const auto found = earlier.find(rate.name);
    const bool goes_on = found != earlier.end() &&
                         found->second->counts_size() == sample.counts_size() &&
                         found->second->sum_seconds() <= sample.sum_seconds();
    for (size_t i = 0; goes_on && i < rate.counts.size(); ++i) {
      rate.counts[i] -= std::min(rate.counts[i], found->second->counts(static_cast<int>(i)));
    }
    rate.sum_seconds -= goes_on ? found->second->sum_seconds() : 0;
    for (const uint64_t count : rate.counts) {
      rate.count += count;
    }
    if (rate.count > 0) {
      rates.push_back(std::move(rate));
    }
  }
  return rates;
}

OperationRate Together(const std::vector<OperationRate>& rates,
                       const std::set<std::string>& names) {
  OperationRate sum;
  for (const OperationRate& rate : rates) {
    if (!names.empty() && !names.contains(rate.name)) {
      continue;
    }
    sum.counts.resize(std::max(sum.counts.size(), rate.counts.size()));
    for (size_t i = 0; i < rate.counts.size(); ++i) {
      sum.counts[i] += rate.counts[i];
    }
    sum.count += rate.count;
    sum.sum_seconds += rate.sum_seconds;
  }
  return sum;
}

}  // namespace kvfs::tools
