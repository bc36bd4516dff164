#include "kvcore/client/drops.h"

#include <algorithm>
#include <utility>

#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::client {

namespace pb = replication::pb;

Task<Drops::Held> Drops::HeldAt(env::NodeId home, Bytes pk, replication::PkState state) {
  pb::ReadRequest request;
  request.set_pk(std::move(pk));
  request.set_state_only(true);
  Bytes body = request.SerializeAsString();
  const auto answer =
      co_await peers_->Call(home, replication::Method::kRead, std::move(body), options_.ask_micros);
  if (!answer.ok()) {
    co_return Held::kUnknown;
  }
  const auto reply = replication::Parse<pb::ReadReply>(*answer);
  if (!reply.ok() || !reply->ok()) {
    co_return Held::kUnknown;
  }
  co_return replication::FromProto(reply->state()) >= state && !reply->branch() ? Held::kByAll
                                                                                : Held::kNotYet;
}

Task<Drops::Held> Drops::HeldByAll(const DropJob* job) {
  std::vector<Task<Held>> asked;
  for (size_t i = 0; i < job->pks.size(); ++i) {
    for (const env::NodeId home : placement_->HomesOf(replication::PartitionOf(
             replication::PlaceOf(job->pks[i]), options_.partition_bits))) {
      asked.push_back(HeldAt(home, job->pks[i], job->states[i]));
    }
  }
  Held all = Held::kByAll;
  for (Task<Held>& one : asked) {
    const Held held = co_await one;
    all = std::max(all, held);
  }
  co_return all;
}

Task<void> Drops::Do(DropJob job) {
  // Of one that somebody else has carried out it is not known what it left.
  const bool is_known = job.states.size() == job.pks.size() &&
                        std::none_of(job.states.begin(), job.states.end(), [](const auto& state) {
                          return state == replication::PkState();
                        });
  if (!is_known) {
    co_return;
  }
  const int64_t deadline = clock_->MonotonicMicros() + options_.patience_micros;
  for (int64_t pause = 2'000;; pause *= 2) {
    const Held held = co_await HeldByAll(&job);
    if (held == Held::kByAll) {
      co_await chunks_->Drop(std::move(job.drops), job.stamp);
      co_return;
    }
    if (held == Held::kUnknown || clock_->MonotonicMicros() >= deadline) {
      break;
    }
    co_await env::SleepFor(scheduler_, pause);  // the last home is about to have it
  }
  Later(std::move(job));
}

void Drops::Later(DropJob job) {
  {
    std::lock_guard lock(mutex_);
    if (closing_ || waiting_drops_ + job.drops.size() > options_.max_waiting) {
      return;
    }
    waiting_drops_ += job.drops.size();
    waiting_.push_back(std::move(job));
    if (std::exchange(runs_, true)) {
      return;
    }
  }
  tasks_.Start(Again());
}

Task<void> Drops::Again() {
  while (true) {
    (void)co_await env::SleepUnless(scheduler_, options_.again_micros, &closing_);
    std::deque<DropJob> jobs;
    {
      std::lock_guard lock(mutex_);
      if (closing_ || waiting_.empty()) {
        runs_ = false;
        co_return;
      }
      jobs = std::exchange(waiting_, {});
      waiting_drops_ = 0;
    }
    for (DropJob& job : jobs) {
      Held held = Held::kUnknown;
      if (!closing_) {
        held = co_await HeldByAll(&job);
      }
      if (held == Held::kByAll) {
        co_await chunks_->Drop(std::move(job.drops), job.stamp);
      } else {
        Later(std::move(job));
      }
    }
  }
}

Task<void> Drops::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

}  // namespace kvfs::client
