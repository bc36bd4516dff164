// SpaceBudget: whether the store has room for bytes that are only buffered yet, so that
// write(2) can say ENOSPC itself. An estimate, refreshed from the store when it runs
// low and once a second. Owned by the FileManager; thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "fs/meta/errno.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/clock.h"

namespace kvfs::fs {

class SpaceBudget {
 public:
  // `buffered`: bytes taken and not published yet.
  SpaceBudget(client::Client* client, env::Clock* clock, const std::atomic<int64_t>* buffered)
      : client_(client), clock_(clock), buffered_(buffered) {}

  // Takes `bytes` from the estimate. ENOSPC if they do not fit.
  Task<Errno> Take(uint64_t bytes);

 private:
  static constexpr int64_t kRefreshMicros = 1'000'000;
  static constexpr int64_t kMarginBytes = 64 << 10;  // records, tree nodes

  client::Client* const client_;
  env::Clock* const clock_;
  const std::atomic<int64_t>* const buffered_;
  std::atomic<int64_t> left_{0};
  std::atomic<int64_t> refreshed_at_{INT64_MIN / 2};
};

}  // namespace kvfs::fs
