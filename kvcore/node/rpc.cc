#include "kvcore/node/rpc.h"

#include <algorithm>
#include <string>
#include <utility>

namespace kvfs::node {
namespace {

Status TimedOut(env::NodeId to) {
  return {Code::kOutcomeUnknown, "node " + std::to_string(to) + " has not answered in time"};
}
Status StartedAnew(env::NodeId to) {
  return {Code::kOutcomeUnknown, "node " + std::to_string(to) + " has started anew meanwhile"};
}
// The bytes of chunks do not hold up what is small.
env::Lane LaneOf(Rpc::Method method) {
  return method == Rpc::Method::kPutChunk || method == Rpc::Method::kReadChunk
             ? env::Lane::kBulk
             : env::Lane::kRequest;
}

// What anybody may ask, whatever he takes the cluster for.
bool NeedsLayout(Rpc::Method method) {
  return method != Rpc::Method::kMembers && method != Rpc::Method::kAdmin &&
         method != Rpc::Method::kTransfers;
}

ring::LayoutStage StageOf(const pb::RpcHeader& header) {
  return {{header.layout_number(), header.layout_hash()}, header.in_transition()};
}

Status Stopping() { return {Code::kOutcomeUnknown, "the node is stopping"}; }

}  // namespace

Rpc::Rpc(env::Env env, env::NodeId self, uint64_t life)
    : env_(env), self_(self), life_(life), calls_ended_(env.scheduler), tasks_(env.scheduler) {}

Rpc::~Rpc() = default;

void Rpc::Start(Handler handler, Notices notices) {
  handler_ = std::move(handler);
  notices_ = std::move(notices);
  env_.bus->SetHandler(self_, [this](env::Message message) { Receive(std::move(message)); });
}

void Rpc::SetLayout(const ring::LayoutStage& layout) {
  std::lock_guard lock(mutex_);
  layout_ = layout;
}

Status Rpc::CheckLayout(env::NodeId from, const pb::RpcHeader& header) const {
  const ring::LayoutStage theirs = StageOf(header);
  if (theirs.id.hash == 0 || layout_.id.hash == 0 || theirs == layout_) {
    return Status::Ok();
  }
  if (theirs.version() != layout_.version()) {
    return Status::Busy("the layout of the cluster has changed");
  }
  return Status::InvalidArgument(
      "node " + std::to_string(self_) + " and node " + std::to_string(from) +
      " were told of different members, zones, weights or replicas: every node must be given the "
      "same");
}

bool Rpc::HasMetSame() {
  std::lock_guard lock(mutex_);
  return has_met_same_;
}

void Rpc::SayLayout(pb::RpcHeader* header) const {
  header->set_layout_number(layout_.id.number);
  header->set_layout_hash(layout_.id.hash);
  header->set_in_transition(layout_.in_transition);
}

bool Rpc::IsNewer(const pb::RpcHeader& header) const {
  return newer_ && header.layout_hash() != 0 && layout_.id.hash != 0 &&
         StageOf(header).version() > layout_.version();
}

Task<void> Rpc::Close() {
  env_.bus->SetHandler(self_, {});
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& [number, call] : pending_) {
      env_.scheduler->Cancel(call.timer);
      call.done.Set(Stopping());
    }
    if (calls_ == 0) {
      calls_ended_.Set(true);
    }
  }
  (void)co_await calls_ended_.Get();
  co_await tasks_.Drain();
  // Whoever left last may only just be giving this up.
  std::lock_guard lock(mutex_);
}

void Rpc::Leave() {
  if (--calls_ == 0 && closing_) {
    calls_ended_.Set(true);
  }
}

env::Scheduler::TimerId Rpc::StartTimer(env::NodeId to, env::Completion<Result<Bytes>> done,
                                        int64_t micros) {
  return env_.scheduler->PostAfter(micros, env::Priority::kForeground,
                                   [to, done] { done.Set(TimedOut(to)); });
}

Task<void> Rpc::CallSelf(Task<Result<Bytes>> task, env::Completion<Result<Bytes>> done) {
  Result<Bytes> answer = co_await task;
  done.SetNext(std::move(answer));
}

Task<Result<Bytes>> Rpc::Call(env::NodeId to, Method method, Bytes body, int64_t timeout_micros) {
  env::Completion<Result<Bytes>> done(env_.scheduler);
  if (to == self_) {
    {
      std::lock_guard lock(mutex_);
      if (closing_) {
        co_return Status::Unavailable("the node is stopping");
      }
      ++calls_;
    }
    Task<Result<Bytes>> task = handler_(self_, method, std::move(body));
    if (task.IsDone()) {
      std::lock_guard lock(mutex_);
      Leave();
      co_return task.TakeValue();
    }
    const auto timer = StartTimer(to, done, timeout_micros);
    tasks_.Start(CallSelf(std::move(task), done));
    Result<Bytes> answer = co_await done.Get();
    env_.scheduler->Cancel(timer);
    std::lock_guard lock(mutex_);
    Leave();
    co_return answer;
  }
  uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    if (closing_) {
      co_return Status::Unavailable("the node is stopping");
    }
    number = ++last_number_;
    Pending& call = pending_
                        .emplace(number, Pending{to, method, std::move(body), done, 0, lives_[to],
                                                 env_.clock->MonotonicMicros() + timeout_micros, 0})
                        .first->second;
    call.timer = StartTimer(to, done, timeout_micros);
    const Status sent = Send(number, &call);
    if (!sent.ok()) {
      env_.scheduler->Cancel(call.timer);
      pending_.erase(number);
      co_return Status::Unavailable(sent.message());
    }
    ++calls_;
  }
  Result<Bytes> answer = co_await done.Get();
  std::lock_guard lock(mutex_);
  // Under whatever number it was sent last.
  std::erase_if(pending_, [&](const auto& entry) { return entry.second.done == done; });
  Leave();
  co_return answer;
}

void Rpc::GiveUp(env::NodeId to) {
  std::lock_guard lock(mutex_);
  for (const auto& [number, call] : pending_) {
    if (call.to == to) {
      env_.scheduler->Cancel(call.timer);
      call.done.Set(TimedOut(to));
    }
  }
}

Status Rpc::Tell(env::NodeId to, Method method, Bytes body) {
  pb::RpcHeader header;
  header.set_is_notice(true);
  header.set_sender_life(life_);
  header.set_method(static_cast<uint32_t>(method));
  env::Message message;
  message.from = self_;
  message.to = to;
  message.lane = LaneOf(method);
  message.header = header.SerializeAsString();
  message.data.push_back(std::move(body));
  return env_.bus->Send(std::move(message));
}

Status Rpc::Send(uint64_t number, Pending* call) {
  Pending& pending = *call;
  pb::RpcHeader header;
  header.set_number(number);
  header.set_sender_life(life_);
  header.set_receiver_life(pending.life);
  header.set_method(static_cast<uint32_t>(pending.method));
  if (NeedsLayout(pending.method)) {
    SayLayout(&header);
    pending.layout = layout_.id.hash == 0 ? 0 : layout_.version();
  }
  env::Message message;
  message.from = self_;
  message.to = pending.to;
  message.lane = LaneOf(pending.method);
  // Nobody waits for it any more after that; 0 would mean no deadline.
  message.remaining_millis = static_cast<uint32_t>(std::clamp<int64_t>(
      (pending.deadline_micros - env_.clock->MonotonicMicros()) / 1000, 1, UINT32_MAX));
  message.header = header.SerializeAsString();
  message.data.push_back(pending.body);
  return env_.bus->Send(std::move(message));
}

void Rpc::Receive(env::Message message) {
  pb::RpcHeader header;
  if (message.data.size() != 1 || !header.ParseFromString(message.header)) {
    return;
  }
  if (header.is_notice()) {
    if (notices_) {
      notices_(message.from, static_cast<Method>(header.method()), std::move(message.data[0]));
    }
    return;
  }
  bool is_newer = false;
  {
    std::lock_guard lock(mutex_);
    is_newer = !closing_ && IsNewer(header);
    has_met_same_ = has_met_same_ || (layout_.id.hash != 0 && StageOf(header) == layout_);
  }
  if (is_newer) {
    newer_(message.from);
  }
  if (header.is_reply()) {
    ReceiveReply(message.from, header, std::move(message.data[0]));
    return;
  }
  Status refused;
  {
    std::lock_guard lock(mutex_);
    if (closing_) {
      return;
    }
    refused = CheckLayout(message.from, header);
    if (header.receiver_life() == life_ &&
        !once_.IsFirst(message.from, header.sender_life(), header.number())) {
      return;
    }
  }
  if (header.receiver_life() != life_) {
    pb::RpcHeader reply;
    reply.set_wrong_life(true);
    Reply(message.from, header, std::move(reply), {});
    return;
  }
  if (!refused.ok()) {
    pb::RpcHeader reply;
    reply.set_code(static_cast<uint32_t>(refused.code()));
    reply.set_message(refused.message());
    Reply(message.from, header, std::move(reply), {});
    return;
  }
  tasks_.Start(Serve(message.from, std::move(header), std::move(message.data[0])));
}

void Rpc::ReceiveReply(env::NodeId from, const pb::RpcHeader& header, Bytes body) {
  if (header.receiver_life() != life_) {
    return;
  }
  std::lock_guard lock(mutex_);
  uint64_t& life = lives_[from];
  life = std::max(life, header.sender_life());
  const auto found = pending_.find(header.number());
  if (found == pending_.end() || found->second.to != from) {
    return;
  }
  if (header.wrong_life() && found->second.life != 0) {
    // The life it was for may have carried it out and died, and this be about a copy of it.
    env_.scheduler->Cancel(found->second.timer);
    found->second.done.SetNext(StartedAnew(from));
    return;
  }
  if (header.wrong_life()) {
    // It was for nobody, so this is no repetition.
    const uint64_t number = ++last_number_;
    auto node = pending_.extract(found);
    node.key() = number;
    node.mapped().life = life;
    const auto again = pending_.insert(std::move(node)).position;
    (void)Send(number, &again->second).ok();  // else the time-out tells
    return;
  }
  env_.scheduler->Cancel(found->second.timer);
  const auto code = static_cast<Code>(header.code());
  if (header.code() > static_cast<uint32_t>(Code::kOutcomeUnknown)) {
    found->second.done.SetNext(Status::InvalidArgument("reply of a peer: an unknown code"));
  } else if (code != Code::kOk) {
    found->second.done.SetNext(Status(code, header.message()));
  } else if (found->second.layout != 0 && header.layout_hash() != 0 &&
             StageOf(header).version() != found->second.layout) {
    // What it did it may have done after it had gone over to other layouts, by which others count.
    found->second.done.SetNext(
        Status(Code::kOutcomeUnknown, "the layout of the cluster has changed meanwhile"));
  } else {
    found->second.done.SetNext(std::move(body));
  }
}

Task<void> Rpc::Serve(env::NodeId from, pb::RpcHeader header, Bytes body) {
  Result<Bytes> answer =
      co_await handler_(from, static_cast<Method>(header.method()), std::move(body));
  pb::RpcHeader reply;
  if (!answer.ok()) {
    reply.set_code(static_cast<uint32_t>(answer.status().code()));
    reply.set_message(answer.status().message());
  }
  Reply(from, header, std::move(reply), answer.ok() ? std::move(*answer) : Bytes());
}

void Rpc::Reply(env::NodeId to, const pb::RpcHeader& request, pb::RpcHeader reply, Bytes body) {
  reply.set_is_reply(true);
  reply.set_number(request.number());
  reply.set_sender_life(life_);
  reply.set_receiver_life(request.sender_life());
  {
    std::lock_guard lock(mutex_);
    SayLayout(&reply);
  }
  env::Message message;
  message.from = self_;
  message.to = to;
  message.lane = LaneOf(static_cast<Method>(request.method()));
  message.header = reply.SerializeAsString();
  message.data.push_back(std::move(body));
  (void)env_.bus->Send(std::move(message)).ok();  // whoever asked has a time-out
}

}  // namespace kvfs::node
