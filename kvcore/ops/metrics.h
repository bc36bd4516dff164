// Metrics: what a process counts of itself, in one form that is read by machines over HTTP
// (Prometheus text) and by kvfs-admin. What is counted already elsewhere is only given names here.
// Values and pure functions; doc/operations.md lists the names.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvcore/base/latency.h"
#include "kvcore/proto/admin.pb.h"

namespace kvfs::ops {

// Takes metrics in; samples of one name must follow each other.
class MetricList {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  explicit MetricList(admin::MetricsResponse* out) : out_(out) {}

  void Counter(const char* name, const char* help, double value, const Labels& labels = {}) {
    Add(admin::Metric::COUNTER, name, help, labels)->set_value(value);
  }
  void Gauge(const char* name, const char* help, double value, const Labels& labels = {}) {
    Add(admin::Metric::GAUGE, name, help, labels)->set_value(value);
  }
  void Histogram(const char* name, const char* help, const Latencies& latencies,
                 const Labels& labels = {});

 private:
  admin::MetricSample* Add(admin::Metric::Kind kind, const char* name, const char* help,
                           const Labels& labels);

  admin::MetricsResponse* const out_;
};

// The text format of Prometheus, version 0.0.4.
std::string PrometheusText(const admin::MetricsResponse& metrics);

// Of a histogram's sample, or of the difference of two: so many of a hundred took at most that
// long, microseconds, to the bound of a bucket. 0 where there are none.
uint64_t PercentileMicros(const std::vector<uint64_t>& counts, double percent);

// What the engine counts.
void AddEngineMetrics(const admin::EngineStats& stats, MetricList* list);

}  // namespace kvfs::ops
