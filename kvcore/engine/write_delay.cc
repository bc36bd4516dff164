#include "kvcore/engine/write_delay.h"

#include <algorithm>

namespace kvfs::engine {

namespace {
// Pressure begins when this share of a memtable is filled while another waits for its flush.
constexpr double kMemtablesAtEase = 1.25;
// However little is left to do, writers are never slower than by this pressure alone.
constexpr double kMaxPressure = 0.98;
// Deep levels hold nobody up at once, so their debt alone slows writers to a crawl, not a stop.
constexpr double kMaxDebtPressure = 0.9;

double Between(double value, double low, double high) {
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}
}  // namespace

double WritePressure(const WriteLoad& load) {
  const double level0 =
      Between(static_cast<double>(load.level0_tables), static_cast<double>(load.level0_trigger),
              static_cast<double>(load.level0_stop));
  const double memtables = Between(load.memtables, kMemtablesAtEase, load.memtables_stop);
  const double debt =
      Between(static_cast<double>(load.debt_bytes), 0, static_cast<double>(load.debt_full_bytes));
  return std::max({level0, memtables, std::min(debt, kMaxDebtPressure)});
}

int64_t WriteCostMicros(const WriteLoad& load, uint64_t bytes) {
  const double pressure = std::min(WritePressure(load), kMaxPressure);
  const double at_drain = static_cast<double>(bytes) * 1e6 / std::max(load.drain_rate, 1.0);
  return static_cast<int64_t>(at_drain * pressure / (1 - pressure));
}

}  // namespace kvfs::engine
