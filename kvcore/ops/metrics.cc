#include "kvcore/ops/metrics.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace kvfs::ops {
namespace {

std::string NumberText(double value) {
  if (value == std::floor(value) && std::abs(value) < 9e15) {
    return std::to_string(static_cast<int64_t>(value));
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

void AppendEscaped(std::string_view value, bool quotes, std::string* out) {
  for (const char c : value) {
    if (c == '\\' || (quotes && c == '"')) {
      *out += '\\';
    }
    if (c == '\n') {
      *out += "\\n";
    } else {
      *out += c;
    }
  }
}

std::string LabelsText(const admin::MetricSample& sample, const std::string& bound = "") {
  std::string out;
  const auto add = [&](std::string_view name, std::string_view value) {
    out += out.empty() ? "{" : ",";
    out += name;
    out += "=\"";
    AppendEscaped(value, true, &out);
    out += '"';
  };
  for (const admin::MetricLabel& label : sample.labels()) {
    add(label.name(), label.value());
  }
  if (!bound.empty()) {
    add("le", bound);
  }
  return out.empty() ? out : out + "}";
}

void AppendHistogram(const std::string& name, const admin::MetricSample& sample, std::string* out) {
  uint64_t count = 0;
  const int last = sample.counts_size() - 1;
  for (int i = 0; i <= last; ++i) {
    count += sample.counts(i);
    const double bound = static_cast<double>(Latencies::BoundMicros(static_cast<size_t>(i))) / 1e6;
    *out += name + "_bucket" + LabelsText(sample, i == last ? "+Inf" : NumberText(bound)) + " " +
            std::to_string(count) + "\n";
  }
  *out += name + "_sum" + LabelsText(sample) + " " + NumberText(sample.sum_seconds()) + "\n";
  *out += name + "_count" + LabelsText(sample) + " " + std::to_string(count) + "\n";
}

}  // namespace

admin::MetricSample* MetricList::Add(admin::Metric::Kind kind, const char* name, const char* help,
                                     const Labels& labels) {
  admin::Metric* metric = nullptr;
  if (!out_->metrics().empty() && out_->metrics().rbegin()->name() == name) {
    metric = out_->mutable_metrics(out_->metrics_size() - 1);
  } else {
    metric = out_->add_metrics();
    metric->set_name(name);
    metric->set_help(help);
    metric->set_kind(kind);
  }
  admin::MetricSample* const sample = metric->add_samples();
  for (const auto& [label, value] : labels) {
    admin::MetricLabel* const one = sample->add_labels();
    one->set_name(label);
    one->set_value(value);
  }
  return sample;
}

void MetricList::Histogram(const char* name, const char* help, const Latencies& latencies,
                           const Labels& labels) {
  admin::MetricSample* const sample = Add(admin::Metric::HISTOGRAM, name, help, labels);
  for (const uint64_t count : latencies.counts) {
    sample->add_counts(count);
  }
  sample->set_sum_seconds(static_cast<double>(latencies.sum_micros) / 1e6);
}

std::string PrometheusText(const admin::MetricsResponse& metrics) {
  std::string out;
  for (const admin::Metric& metric : metrics.metrics()) {
    out += "# HELP " + metric.name() + " ";
    AppendEscaped(metric.help(), false, &out);
    out += "\n# TYPE " + metric.name() +
           (metric.kind() == admin::Metric::COUNTER ? " counter\n"
            : metric.kind() == admin::Metric::GAUGE ? " gauge\n"
                                                    : " histogram\n");
    for (const admin::MetricSample& sample : metric.samples()) {
      if (metric.kind() == admin::Metric::HISTOGRAM) {
        AppendHistogram(metric.name(), sample, &out);
      } else {
        out += metric.name() + LabelsText(sample) + " " + NumberText(sample.value()) + "\n";
      }
    }
  }
  return out;
}

uint64_t PercentileMicros(const std::vector<uint64_t>& counts, double percent) {
  uint64_t all = 0;
  for (const uint64_t count : counts) {
    all += count;
  }
  const double wanted = static_cast<double>(all) * percent / 100;
  uint64_t below = 0;
  for (size_t i = 0; i < counts.size() && all > 0; ++i) {
    below += counts[i];
    if (static_cast<double>(below) >= wanted) {
      return Latencies::BoundMicros(i);
    }
  }
  return 0;
}

void AddEngineMetrics(const admin::EngineStats& stats, MetricList* list) {
  const auto bytes = [](uint64_t value) { return static_cast<double>(value); };
  const auto level_name = [](int level) {
    return MetricList::Labels{{"level", std::to_string(level)}};
  };
  for (int i = 0; i < stats.levels_size(); ++i) {
    list->Gauge("kvfs_engine_level_tables", "Tables of each level of the tree.",
                bytes(stats.levels(i).tables()), level_name(i));
  }
  for (int i = 0; i < stats.levels_size(); ++i) {
    list->Gauge("kvfs_engine_level_bytes", "Their size.", bytes(stats.levels(i).bytes()),
                level_name(i));
  }
  list->Gauge("kvfs_engine_memtable_bytes", "Written and not in a table yet.",
              bytes(stats.memtable_bytes()));
  list->Gauge("kvfs_engine_log_bytes", "Log files, spare ones included.", bytes(stats.log_bytes()));
  list->Gauge("kvfs_engine_blob_bytes", "Blob files.", bytes(stats.blob_bytes()));
  list->Gauge("kvfs_engine_blob_garbage_bytes", "What of the blob files is not needed any more.",
              bytes(stats.blob_garbage_bytes()));
  list->Gauge("kvfs_engine_disk_bytes", "Everything in the data directory.",
              bytes(stats.disk_bytes()));
  list->Gauge("kvfs_engine_waiting_deletion_bytes", "Files that are not needed any more.",
              bytes(stats.waiting_deletion_bytes()));
  list->Gauge("kvfs_engine_memory_bytes", "Memory the engine holds.", bytes(stats.memory_bytes()));
  list->Gauge("kvfs_engine_compaction_debt_bytes", "What is to be compacted.",
              bytes(stats.pending_compaction_bytes()));
  list->Gauge("kvfs_engine_compactions_running", "Compactions under way.",
              bytes(stats.running_compactions()));
  list->Gauge("kvfs_engine_read_only", "1 after an error that stops all writing.",
              stats.background_error().empty() ? 0 : 1);
  list->Gauge("kvfs_engine_cache_bytes", "The block cache.", bytes(stats.cache_bytes()));
  list->Counter("kvfs_engine_cache_hits_total", "Blocks found in it.", bytes(stats.cache_hits()));
  list->Counter("kvfs_engine_cache_misses_total", "Blocks read from the disk.",
                bytes(stats.cache_misses()));
  list->Counter("kvfs_engine_user_written_bytes_total", "What users of the engine wrote.",
                bytes(stats.user_bytes_written()));
  list->Counter("kvfs_engine_disk_written_bytes_total", "What that came to on the disk.",
                bytes(stats.disk_bytes_written()));
  list->Counter("kvfs_engine_syncs_total", "Calls of fdatasync for those who asked for one.",
                bytes(stats.syncs()));
  list->Counter("kvfs_engine_flushes_total", "Memtables made tables.", bytes(stats.flushes()));
  list->Counter("kvfs_engine_compactions_total", "Compactions.", bytes(stats.compactions()));
  list->Counter("kvfs_engine_delays_total", "Writers held back a little.", bytes(stats.delays()));
  list->Counter("kvfs_engine_delay_seconds_total", "For so long in all.",
                bytes(stats.delay_micros()) / 1e6);
  list->Counter("kvfs_engine_stalls_total", "Writers stopped.", bytes(stats.stalls()));
  list->Counter("kvfs_engine_stall_seconds_total", "For so long in all.",
                bytes(stats.stall_micros()) / 1e6);
}

}  // namespace kvfs::ops
