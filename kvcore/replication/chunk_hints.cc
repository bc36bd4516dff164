#include "kvcore/replication/chunk_hints.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::replication {

namespace {
constexpr size_t kAtOnce = 64;
}

Task<void> ChunkHints::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

Task<void> ChunkHints::Run() {
  while (true) {
    const bool goes_on = co_await env::SleepUnless(scheduler_, options_.every_micros, &closing_);
    if (!goes_on) {
      co_return;
    }
    (void)(co_await HandOver()).ok();  // what could not be done now is found again
  }
}

Task<Status> ChunkHints::HandOver() {
  ChunkId after{};
  while (!closing_) {
    KVFS_CO_ASSIGN_OR_RETURN(const auto hints, home_->Hints(after, kAtOnce));
    if (hints.empty()) {
      break;
    }
    after = hints.back().id;
    for (const ChunkHome::Hint& hint : hints) {
      const Status given = co_await Give(hint.id);
      if (given.ok()) {
        Status forgotten = co_await home_->ForgetHint(hint);
        KVFS_CO_RETURN_IF_ERROR(forgotten);
      }
    }
  }
  co_return Status::Ok();
}

Task<Status> ChunkHints::Give(ChunkId id) {
  KVFS_CO_ASSIGN_OR_RETURN(const auto puts, home_->PutsOf(id));
  const std::vector<env::NodeId> homes =
      placement_->HomesOf(PartitionOf(PlaceOf(id), options_.partition_bits));
  Status first;
  for (const pb::PutChunkRequest& put : puts) {
    for (const env::NodeId home : homes) {
      if (home == options_.self) {
        continue;
      }
      Bytes body = put.SerializeAsString();
      const auto answer =
          co_await peers_->Call(home, Method::kPutChunk, std::move(body), options_.call_micros);
      if (!answer.ok() && first.ok()) {
        first = answer.status();
      }
    }
  }
  co_return first;
}

}  // namespace kvfs::replication
