#include "kvcore/client/watcher.h"

#include <algorithm>
#include <utility>

#include "kvcore/client/watch_message.h"
#include "kvcore/replication/keys.h"

namespace kvfs::client {

namespace pb = replication::pb;

Watcher::Watcher(const WatcherOptions& options, uint32_t partition_bits, uint64_t session,
                 Parts parts)
    : options_(options),
      partition_bits_(partition_bits),
      session_(session),
      parts_(std::move(parts)),
      used_(std::make_unique<std::atomic<int64_t>[]>(size_t{1} << partition_bits)),
      wake_(parts_.scheduler),
      tasks_(parts_.scheduler) {}

Watcher::~Watcher() = default;

void Watcher::SetListener(ChangeListener listener) {
  const bool begins = listener != nullptr;
  {
    std::lock_guard lock(telling_);
    listener_ = std::move(listener);
  }
  if (begins && !is_watching_.exchange(true)) {
    tasks_.Start(Loop());
  }
}

void Watcher::Used(ByteView pk) {
  if (!is_watching_) {
    return;
  }
  const int64_t now = parts_.clock->MonotonicMicros();
  const uint32_t partition = replication::PartitionOf(replication::PlaceOf(pk), partition_bits_);
  const int64_t before = used_[partition].exchange(now, std::memory_order_relaxed);
  if (before == 0 || now - before >= options_.forget_micros) {
    std::lock_guard lock(mutex_);
    has_news_ = true;
    wake_.Set(true);
  }
}

Task<void> Watcher::Loop() {
  int64_t last = parts_.clock->MonotonicMicros() - options_.batch_micros;
  while (true) {
    env::Completion<bool> wake(parts_.scheduler);
    int64_t wait = options_.renew_micros;
    {
      std::lock_guard lock(mutex_);
      if (closing_) {
        co_return;
      }
      wake_ = wake;
      wait = has_news_ ? 0 : wait;
    }
    if (wait > 0) {
      const auto timer =
          parts_.scheduler->PostAfter(wait, env::Priority::kForeground, [wake] { wake.Set(true); });
      co_await wake.Get();
      parts_.scheduler->Cancel(timer);
    }
    const int64_t pause = last + options_.batch_micros - parts_.clock->MonotonicMicros();
    if (pause > 0) {
      co_await env::SleepFor(parts_.scheduler, pause);
    }
    last = parts_.clock->MonotonicMicros();
    Ask(last);
  }
}

void Watcher::Ask(int64_t now_micros) {
  std::lock_guard lock(mutex_);
  has_news_ = false;
  pb::WatchRequest request;
  request.set_session(session_);
  Bytes bitmap(BitmapBytes(partition_bits_), '\0');
  bool any = false;
  for (uint32_t partition = 0; partition >> partition_bits_ == 0; ++partition) {
    const int64_t used = used_[partition].load(std::memory_order_relaxed);
    if (used != 0 && now_micros - used < options_.forget_micros) {
      SetBit(&bitmap, partition);
      any = true;
    }
  }
  if (!any || closing_) {
    return;
  }
  request.set_partitions(std::move(bitmap));
  const Bytes body = request.SerializeAsString();
  for (const env::NodeId node : parts_.nodes()) {
    tasks_.Start(AskNode(node, body));
  }
}

Task<void> Watcher::AskNode(env::NodeId node, Bytes body) {
  // The first request after its start a node refuses, since it was for the one before. What does
  // not answer is asked again the next time.
  for (int attempt = 0; attempt < 2; ++attempt) {
    Bytes copy = body;
    const auto answer = co_await parts_.peers->Call(node, replication::Method::kWatch,
                                                    std::move(copy), options_.ask_micros);
    if (answer.ok() || answer.status().code() != Code::kOutcomeUnknown) {
      co_return;
    }
  }
}

void Watcher::Take(env::NodeId from, ByteView body) {
  auto notice = ParseChangedNotice(body);
  const std::vector<env::NodeId> nodes = parts_.nodes();
  if (!notice.ok() || notice->session() != session_ ||
      std::find(nodes.begin(), nodes.end(), from) == nodes.end()) {
    return;
  }
  std::vector<Change> changes;
  for (pb::ChangedItems& items : *notice->mutable_items()) {
    Change& change = changes.emplace_back();
    change.pk = std::move(*items.mutable_pk());
    change.cks.assign(std::make_move_iterator(items.mutable_cks()->begin()),
                      std::make_move_iterator(items.mutable_cks()->end()));
  }
  {
    std::lock_guard lock(mutex_);
    uint64_t& last = sequences_[from];
    const bool began_anew = last != 0 && notice->sequence() == 1;
    if (notice->everything() || notice->sequence() > last + 1 || began_anew) {
      changes.emplace_back();  // some were lost, or the node had forgotten this watcher in between
    }
    // One that was overtaken on the way has its own changes, and leaves the count alone; but a node
    // that was started anew begins at 1.
    last = began_anew ? 1 : std::max(last, notice->sequence());
  }
  Tell(changes);
}

void Watcher::Tell(const std::vector<Change>& changes) {
  std::lock_guard lock(telling_);
  if (listener_ && !changes.empty()) {
    listener_(changes);
  }
}

Task<void> Watcher::Close() {
  SetListener({});
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    wake_.Set(true);
  }
  co_await tasks_.Drain();
}

}  // namespace kvfs::client
