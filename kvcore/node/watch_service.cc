#include "kvcore/node/watch_service.h"

#include <mutex>

#include "kvcore/client/watch_message.h"

namespace kvfs::node {

struct WatchService::Core {
  Core(const WatchOptions& watch_options, uint32_t bits, Rpc* node_rpc, const env::Env& node_env)
      : options(watch_options),
        partition_bits(bits),
        env(node_env),
        table(options, bits),
        rpc(node_rpc) {}

  void Send() {
    // Held while it is sent, which does not wait, so that what comes later is not sent before.
    std::lock_guard sending_lock(sending);
    std::vector<WatchTable::Notice> notices;
    {
      std::lock_guard lock(mutex);
      notices = table.Take();
      is_posted = false;
    }
    if (rpc == nullptr) {
      return;
    }
    for (const WatchTable::Notice& notice : notices) {
      // What is lost is noticed by the next one's number.
      (void)rpc->Tell(notice.to, replication::Method::kChanged, notice.body.SerializeAsString())
          .ok();
    }
  }

  const WatchOptions options;
  const uint32_t partition_bits;
  const env::Env env;
  std::mutex mutex;  // guards the two below; innermost
  WatchTable table;
  bool is_posted = false;
  std::mutex sending;  // guards the rest
  Rpc* rpc;            // null once closed
};

WatchService::WatchService(const WatchOptions& options, uint32_t partition_bits, Rpc* rpc,
                           const env::Env& env)
    : core_(std::make_shared<Core>(options, partition_bits, rpc, env)) {}

WatchService::~WatchService() { Close(); }

Task<Result<Bytes>> WatchService::Handle(env::NodeId from, Bytes body) {
  KVFS_CO_ASSIGN_OR_RETURN(const auto request,
                           client::ParseWatchRequest(body, core_->partition_bits));
  std::lock_guard lock(core_->mutex);
  KVFS_CO_RETURN_IF_ERROR(core_->table.Watch(from, request, core_->env.clock->MonotonicMicros()));
  co_return Bytes();
}

void WatchService::Changed(const Bytes& pk, const std::vector<Bytes>& cks, uint64_t origin) {
  {
    std::lock_guard lock(core_->mutex);
    if (!core_->table.Changed(pk, cks, origin, core_->env.clock->MonotonicMicros()) ||
        core_->is_posted) {
      return;
    }
    core_->is_posted = true;
  }
  core_->env.scheduler->PostAfter(core_->options.flush_micros, env::Priority::kForeground,
                                  [core = core_] { core->Send(); });
}

void WatchService::Close() {
  std::lock_guard lock(core_->sending);
  core_->rpc = nullptr;
}

size_t WatchService::watchers() const {
  std::lock_guard lock(core_->mutex);
  return core_->table.size();
}

}  // namespace kvfs::node
