#include "kvcore/replication/majority_watch.h"

#include <algorithm>
#include <utility>

#include "kvcore/env/completion.h"
#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

constexpr int64_t kPauseMicros = 100'000;

}  // namespace

// One question to the homes of a partition, shared by who waits and who brings the answers.
struct MajorityWatch::Asking {
  Asking(Electorate its_electorate, env::NodeId its_self, env::Scheduler* scheduler)
      : electorate(std::move(its_electorate)),
        self(its_self),
        open(electorate.homes.size() - (electorate.Includes(self) ? 1 : 0)),
        over(scheduler) {}

  const Electorate electorate;
  const env::NodeId self;
  std::mutex mutex;  // guards the two below
  size_t open;       // that have not answered
  std::set<env::NodeId> sound;
  const env::Completion<bool> over;

  void Add(env::NodeId home, bool is_sound) {
    std::lock_guard lock(mutex);
    --open;
    if (is_sound) {
      sound.insert(home);
    }
    if (open == 0 || electorate.HasMajority(
                         [&](env::NodeId one) { return one == self || sound.contains(one); })) {
      over.Set(true);
    }
  }
};

MajorityWatch::MajorityWatch(const MajorityWatchOptions& options, const Placement* placement,
                             Peers* peers, env::Clock* clock, env::Scheduler* scheduler)
    : options_(options),
      placement_(placement),
      peers_(peers),
      clock_(clock),
      scheduler_(scheduler),
      reach_(options.reach),
      tasks_(scheduler) {}

Task<Result<Bytes>> MajorityWatch::CallAndNote(env::NodeId to, Method method, Bytes body,
                                               int64_t timeout_micros) {
  const int64_t began = Now();
  auto answer = co_await peers_->Call(to, method, std::move(body), timeout_micros);
  const Code code = answer.status().code();
  const int64_t now = Now();
  bool is_news = false;
  {
    std::lock_guard lock(mutex_);
    const bool was_silent = reach_.IsSilent(to, now);
    // One that says that it has started anew has answered; one that was given up has not. Where it
    // cannot be done now, the peer has said so, or it could not be sent; but to these questions no
    // peer says so.
    const bool is_silence =
        code == Code::kOutcomeUnknown && (was_silent || now - began >= timeout_micros);
    if (is_silence ||
        (code == Code::kUnavailable && (method == Method::kList || method == Method::kMembers))) {
      reach_.Failed(to, began, now);
      is_news = !was_silent && reach_.IsSilent(to, now);
    } else if (code != Code::kUnavailable) {
      reach_.Answered(to, now);
    }
  }
  if (is_news) {
    peers_->GiveUp(to);  // what has more time for its work would wait on
  }
  co_return answer;
}

Task<Result<Bytes>> MajorityWatch::Call(env::NodeId to, Method method, Bytes body,
                                        int64_t timeout_micros) {
  if (to == options_.self) {
    return peers_->Call(to, method, std::move(body), timeout_micros);
  }
  bool is_silent = false;
  bool is_try_due = false;
  {
    std::lock_guard lock(mutex_);
    is_silent = reach_.IsSilent(to, Now());
    is_try_due = is_silent && !closing_ && reach_.MayTry(to, Now());
  }
  if (is_try_due) {
    tasks_.Start(Try(to));
  }
  if (is_silent) {
    return [](env::NodeId node) -> Task<Result<Bytes>> {
      co_return Status::Unavailable("node " + std::to_string(node) + " has not answered lately");
    }(to);
  }
  return CallAndNote(to, method, std::move(body), timeout_micros);
}

Task<void> MajorityWatch::Try(env::NodeId to) {
  Bytes nothing;
  // Which it answers whatever it knows of the cluster.
  const auto answer =
      co_await CallAndNote(to, Method::kMembers, std::move(nothing), options_.ask_micros);
  (void)answer.ok();
}

Task<void> MajorityWatch::AskOne(env::NodeId home, uint32_t partition,
                                 std::shared_ptr<Asking> asking) {
  pb::ListRequest request;
  request.set_partition(partition);
  request.set_promised_only(true);
  Bytes body = request.SerializeAsString();
  const auto answer =
      co_await CallAndNote(home, Method::kList, std::move(body), options_.ask_micros);
  const auto reply =
      answer.ok() ? Parse<pb::ListReply>(*answer) : Result<pb::ListReply>(answer.status());
  asking->Add(home, reply.ok() && !reply->suspect());
}

Task<bool> MajorityWatch::AskHomes(uint32_t partition) {
  const Electorate electorate = placement_->ElectorateOf(partition);
  if (electorate.homes.size() < 2) {
    co_return true;
  }
  const int64_t began = Now();
  const auto asking = std::make_shared<Asking>(electorate, options_.self, scheduler_);
  for (const env::NodeId home : electorate.homes) {
    if (home != options_.self) {
      tasks_.Start(AskOne(home, partition, asking));
    }
  }
  (void)co_await asking->over.Get();
  std::set<env::NodeId> sound;
  {
    std::lock_guard lock(asking->mutex);
    sound = asking->sound;
  }
  std::lock_guard lock(mutex_);
  co_return reach_.Asked(partition, electorate, options_.self, sound, began, Now());
}

Task<void> MajorityWatch::AskInBackground(uint32_t partition) {
  (void)co_await AskHomes(partition);
  std::lock_guard lock(mutex_);
  asking_.erase(partition);
}

bool MajorityWatch::KnowsOfNone(uint32_t partition) {
  const Electorate electorate = placement_->ElectorateOf(partition);
  bool ask = false;
  {
    std::lock_guard lock(mutex_);
    if (!reach_.IsWithout(partition, electorate, options_.self, Now())) {
      return false;
    }
    ask = !closing_ && reach_.IsDue(partition, Now()) && asking_.insert(partition).second;
  }
  if (ask) {
    tasks_.Start(AskInBackground(partition));
  }
  return true;
}

Task<bool> MajorityWatch::IsWithout(uint32_t partition) {
  const int64_t deadline = Now() + 2 * options_.reach.degrade_after_micros;
  while (!closing_ && Now() < deadline) {
    if (KnowsOfNone(partition)) {
      co_return true;
    }
    const bool has_one = co_await AskHomes(partition);
    if (has_one) {
      co_return false;
    }
    if (KnowsOfNone(partition)) {
      co_return true;
    }
    co_await env::SleepFor(scheduler_, kPauseMicros);
  }
  co_return false;
}

Task<void> MajorityWatch::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

}  // namespace kvfs::replication
