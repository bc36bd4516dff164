#include "tests/sim/workload.h"

#include <cstdio>
#include <cstdlib>

namespace kvfs::sim {

Task<Workload::Told> Workload::Submit(int client, int number, replication::Txn txn,
                                      bool available) {
  const replication::OpId op{static_cast<uint64_t>(client) + 1, static_cast<uint64_t>(number) + 1};
  for (bool first = true;; first = false) {
    replication::Txn copy = txn;
    // What one home alone has acknowledged is gone with its power, unless it was synced.
    const bool sync = parts_.sync || available || env::sim::Happens(random(), 0.2);
    replication::Without without;
    without.available = available;
    // Without a majority only after every home has been asked for one.
    const int64_t patience = available ? 4 * kSecond : kSecond;
    const auto result =
        co_await At(client).Submit(std::move(copy), op, first, sync, patience, 0, without);
    degraded_ += result.degraded ? 1 : 0;
    switch (result.status.code()) {
      case Code::kOk:
        co_return Told::kOk;
      case Code::kConflict:
        co_return Told::kConflict;
      case Code::kUnavailable:
      case Code::kBusy:
        if (first) {
          co_return Told::kNever;
        }
        break;
      case Code::kOutcomeUnknown:
        break;
      default:
        std::fprintf(stderr, "no client may be told: %s\n", result.status.ToString().c_str());
        std::abort();
    }
    if (env::sim::Happens(random(), 0.2)) {
      co_return Told::kUnknown;
    }
  }
}

}  // namespace kvfs::sim
