#include "kvcore/replication/pusher.h"

#include <utility>

#include "kvcore/replication/messages.h"

namespace kvfs::replication {

void Tail::Add(Entry entry, size_t limit) {
  std::lock_guard lock(mutex_);
  if (!entries_.empty() && (FromProto(entries_.back()->next()) != FromProto(entry->previous()) ||
                            FromProto(entries_.back()->epoch()) != FromProto(entry->epoch()))) {
    entries_.clear();
  }
  entries_.push_back(std::move(entry));
  if (entries_.size() > limit) {
    entries_.pop_front();
  }
}

std::vector<Tail::Entry> Tail::Behind(const PkState& state) const {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (FromProto(entries_[i]->previous()) == state) {
      return {entries_.begin() + static_cast<ptrdiff_t>(i), entries_.end()};
    }
  }
  return {};
}

Pusher::Pusher(const PusherOptions& options, env::NodeId self, Peers* peers,
               env::Scheduler* scheduler, Denied denied, Missed missed, Hopeless hopeless)
    : options_(options),
      self_(self),
      peers_(peers),
      scheduler_(scheduler),
      denied_(std::move(denied)),
      missed_(std::move(missed)),
      hopeless_(std::move(hopeless)),
      tasks_(scheduler) {}

Task<Result<pb::HomeReply>> Pusher::Call(env::NodeId home, Method method, Bytes body,
                                         int64_t timeout) {
  KVFS_CO_ASSIGN_OR_RETURN(const Bytes answer,
                           co_await peers_->Call(home, method, std::move(body), timeout));
  co_return Parse<pb::HomeReply>(answer);
}

void Pusher::Answer(env::NodeId home, const Reign& reign, const pb::HomeReply& reply,
                    Round* round) {
  if (!reply.granted()) {
    denied_(reign, FromProto(reply.promised()));
  }
  round->Answer(home, reply);
}

Task<void> Pusher::AskOne(env::NodeId home, Reign reign, Method method,
                          std::shared_ptr<const Bytes> body, std::shared_ptr<Round> round) {
  const auto reply = co_await Call(home, method, *body, options_.call_timeout_micros);
  if (reply.ok()) {
    Answer(home, reign, *reply, round.get());
  } else {
    round->Fail(home);
  }
}

Task<Quorum::Verdict> Pusher::Ask(std::vector<env::NodeId> homes, Reign reign, Method method,
                                  Bytes body, std::shared_ptr<Round> round) {
  const auto shared = std::make_shared<const Bytes>(std::move(body));
  for (const env::NodeId home : homes) {
    tasks_.Start(AskOne(home, reign, method, shared, round));
  }
  const Quorum::Verdict verdict = co_await round->Wait();
  co_return verdict;
}

Task<Quorum::Verdict> Pusher::Push(std::vector<env::NodeId> homes, Reign reign, Tail::Entry entry,
                                   std::shared_ptr<Tail> tail, std::shared_ptr<Round> round) {
  tail->Add(entry, options_.tail);
  uint64_t push = 0;
  {
    std::lock_guard lock(mutex_);
    if (closing_) {
      co_return Quorum::Verdict::kOpen;
    }
    push = ++last_push_;
    rounds_[push] = round;
  }
  pb::HomeReply own;
  own.set_granted(true);
  round->Answer(self_, own);
  for (const env::NodeId home : homes) {
    if (home != self_) {
      tasks_.Start(PushTo(home, reign, entry, tail, round));
    }
  }
  const Quorum::Verdict verdict = co_await round->Wait();
  std::lock_guard lock(mutex_);
  rounds_.erase(push);
  co_return verdict;
}

Task<void> Pusher::PushTo(env::NodeId home, Reign reign, Tail::Entry entry,
                          std::shared_ptr<const Tail> tail, std::shared_ptr<Round> round) {
  const Bytes body = entry->SerializeAsString();
  // A large one, as of a merge, takes its time: 8 MB a second is little.
  const int64_t timeout = options_.call_timeout_micros + static_cast<int64_t>(body.size() / 8);
  while (!round->IsDecided()) {
    Bytes copy = body;
    auto reply = co_await Call(home, Method::kApply, std::move(copy), timeout);
    if (reply.ok() && reply->granted() && !reply->applied()) {
      const PkState state = FromProto(reply->state());
      reply = co_await CatchUp(home, entry, tail, state);
    }
    if (reply.ok() && (!reply->granted() || reply->applied())) {
      Answer(home, reign, *reply, round.get());
      co_return;
    }
    if (hopeless_ && hopeless_(reign.partition)) {
      round->GiveUp();
    } else if (!round->IsDecided()) {
      co_await env::SleepFor(scheduler_, options_.retry_micros);
    }
  }
  if (missed_) {
    missed_(home, entry->pk());
  }
}

Task<Result<pb::HomeReply>> Pusher::CatchUp(env::NodeId home, Tail::Entry entry,
                                            std::shared_ptr<const Tail> tail, PkState state) {
  const std::vector<Tail::Entry> missed = tail->Behind(state);
  for (const Tail::Entry& one : missed) {
    Bytes body = one->SerializeAsString();
    auto reply = co_await Call(home, Method::kApply, std::move(body), options_.call_timeout_micros);
    if (!reply.ok() || !reply->granted() || !reply->applied()) {
      co_return reply;
    }
    if (one == entry) {
      co_return reply;
    }
  }
  pb::InstallRequest install;
  install.set_pk(entry->pk());
  *install.mutable_epoch() = entry->epoch();
  *install.mutable_state() = entry->next();
  install.set_sync(entry->sync());
  Bytes body = install.SerializeAsString();
  co_return co_await Call(home, Method::kInstall, std::move(body), options_.install_timeout_micros);
}

Task<void> Pusher::Repair(std::vector<env::NodeId> homes, Reign reign, Bytes pk, PkState state,
                          std::function<bool()> are_homes) {
  pb::StateRequest ask;
  ask.set_pk(pk);
  *ask.mutable_epoch() = ToProto(reign.epoch);
  pb::InstallRequest install;
  install.set_pk(pk);
  *install.mutable_epoch() = ToProto(reign.epoch);
  *install.mutable_state() = ToProto(state);
  for (const env::NodeId home : homes) {
    if (home == self_) {
      continue;
    }
    Bytes body = ask.SerializeAsString();
    auto reply = co_await Call(home, Method::kState, std::move(body), options_.call_timeout_micros);
    if (!are_homes()) {
      co_return;
    }
    if (reply.ok() && reply->granted() && FromProto(reply->state()) < state) {
      body = install.SerializeAsString();
      reply =
          co_await Call(home, Method::kInstall, std::move(body), options_.install_timeout_micros);
    }
    if (reply.ok() && !reply->granted()) {
      denied_(reign, FromProto(reply->promised()));
      co_return;
    }
  }
}

Task<void> Pusher::Close() {
  std::map<uint64_t, std::shared_ptr<Round>> rounds;
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    rounds = rounds_;
  }
  for (const auto& [push, round] : rounds) {
    round->GiveUp();
  }
  co_await tasks_.Drain();
}

}  // namespace kvfs::replication
