#include "kvcore/client/layout_follower.h"

#include <utility>

namespace kvfs::client {
namespace {

constexpr int64_t kAskMicros = 2'000'000;

}  // namespace

void LayoutFollower::Seen(env::NodeId from) {
  if (!closing_ && !asking_.exchange(true)) {
    tasks_.Start(Follow(from));
  }
}

Task<bool> LayoutFollower::AskAt(env::NodeId node) {
  const auto answer =
      co_await parts_.peers->Call(node, replication::Method::kMembers, {}, kAskMicros);
  auto told = answer.ok() ? ParseMembers(*answer) : Result<ToldLayouts>(answer.status());
  const auto own = parts_.placement->view();
  if (!told.ok() || told->view.stage().version() <= own->stage().version() ||
      told->view.newest().partition_count() != own->newest().partition_count()) {
    co_return false;
  }
  const ring::LayoutStage stage = told->view.stage();
  if (parts_.reach) {
    parts_.reach(*told);
  }
  // Before requests say so: those that were chosen by the old layouts must not count as chosen by
  // the new.
  if (parts_.placement->Replace(std::move(told->view)) && parts_.changed) {
    parts_.changed(stage);
  }
  co_return true;
}

Task<void> LayoutFollower::Follow(env::NodeId from) {
  const bool told = co_await AskAt(from);
  if (!told) {
    const std::vector<env::NodeId> others = parts_.placement->view()->Keepers();
    for (const env::NodeId other : others) {
      if (closing_) {
        break;
      }
      const bool knew = co_await AskAt(other);
      if (knew) {
        break;
      }
    }
  }
  asking_ = false;
}

Task<void> LayoutFollower::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

}  // namespace kvfs::client
