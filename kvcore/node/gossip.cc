#include "kvcore/node/gossip.h"

#include <algorithm>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/node/bus_fork.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

// Time-outs are some hundred milliseconds; a tick that is late by this does no harm.
constexpr int64_t kMostWaitMicros = 50'000;
constexpr int64_t kLeastWaitMicros = 1'000;
constexpr int64_t kPersistAgainMicros = 1'000'000;
// Nobody waits for an older message.
constexpr uint32_t kMessageMillis = 2'000;
// Outputs that wait for the disk; the messages of those beyond are lost, as any message may be.
constexpr size_t kMaxWaiting = 1024;

Bytes IncarnationKey() { return replication::NodeLocalKey("incarnation"); }

membership::Peer WithIncarnation(membership::Peer peer, uint64_t incarnation) {
  peer.incarnation = incarnation;
  return peer;
}

}  // namespace

Gossip::Gossip(GossipOptions options, env::Env env, replication::LocalStore* store,
               AddressBook* addresses, uint64_t incarnation)
    : options_(std::move(options)),
      env_(env),
      store_(store),
      addresses_(addresses),
      membership_(WithIncarnation(options_.self, incarnation), options_.membership,
                  env.random->Next()),
      view_(std::make_shared<const membership::View>()),
      tasks_(env.scheduler) {}

Result<std::unique_ptr<Gossip>> Gossip::Open(GossipOptions options, env::Env env,
                                             replication::LocalStore* store,
                                             AddressBook* addresses) {
  uint64_t incarnation = 0;
  const Result<Bytes> note = store->Get(IncarnationKey());
  if (note.ok()) {
    ByteView in(*note);
    if (!GetFixed64(&in, &incarnation) || !in.empty()) {
      return Status::Corruption("note of the node's incarnation: malformed");
    }
  } else if (note.status().code() != Code::kNotFound) {
    return note.status();
  }
  return std::unique_ptr<Gossip>(
      new Gossip(std::move(options), env, store, addresses, incarnation));
}

void Gossip::Start() {
  env_.bus->SetHandler(options_.self.node,
                       [this](const env::Message& message) { Receive(message); });
  {
    const std::lock_guard lock(mutex_);
    // True: a start has something to carry out, and nothing else has come yet.
    (void)Add(membership_.Start(options_.known, options_.seeds, env_.clock->MonotonicMicros()));
  }
  tasks_.Start(Deliver());
  tasks_.Start(Run());
}

std::shared_ptr<const membership::View> Gossip::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

void Gossip::Receive(const env::Message& message) {
  const auto decoded = membership::DecodeMessage(message.header);
  // Whose word it is says the bus, which knows the keys.
  if (!decoded.ok() || decoded->sender.node != message.from) {
    return;
  }
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    start = Add(membership_.Step(*decoded, env_.clock->MonotonicMicros()));
  }
  if (start) {
    tasks_.Start(Deliver());
  }
}

bool Gossip::Add(Output out) {
  const membership::View& now = membership_.view();
  if (now.version() != view_->version()) {
    view_ = std::make_shared<const membership::View>(now);
    for (const auto& [node, status] : now.peers()) {
      std::string& reached = reached_[node];
      if (node != options_.self.node && reached != status.peer.address) {
        reached = status.peer.address;
        addresses_->SetPeer(node, reached);
      }
    }
  }
  if (outputs_.size() >= kMaxWaiting) {
    out.messages.clear();
  }
  if (out.persist_incarnation.has_value() || !out.messages.empty() || !out.events.empty()) {
    outputs_.push_back(std::move(out));
  }
  return !outputs_.empty() && !std::exchange(delivering_, true);
}

Task<void> Gossip::Deliver() {
  while (true) {
    Output out;
    {
      const std::lock_guard lock(mutex_);
      if (outputs_.empty()) {
        delivering_ = false;
        co_return;
      }
      out = std::move(outputs_.front());
      outputs_.pop_front();
    }
    if (out.persist_incarnation.has_value()) {
      co_await Persist(*out.persist_incarnation);
    }
    for (auto& envelope : out.messages) {
      Send(std::move(envelope));
    }
    if (options_.on_event) {
      for (const auto& event : out.events) {
        options_.on_event(event);
      }
    }
  }
}

// Goes on until it is done: a node that cannot write says nothing, and is soon taken for one that
// is away, which is how it is to be treated.
Task<void> Gossip::Persist(uint64_t incarnation) {
  while (!closing_) {
    std::vector<replication::StoreWrite> writes(1);
    writes[0].key = IncarnationKey();
    PutFixed64(&writes[0].value, incarnation);
    const auto applied = store_->Apply(std::move(writes), {.will_sync = true});
    if (applied.ok()) {
      const Status synced = co_await store_->Sync(*applied);
      if (synced.ok()) {
        co_return;
      }
    }
    co_await env::SleepFor(env_.scheduler, kPersistAgainMicros);
  }
}

void Gossip::Send(membership::Membership::Envelope envelope) {
  if (closing_) {
    return;  // perhaps under an incarnation that is not durable
  }
  env::Message message;
  message.from = options_.self.node;
  message.to = envelope.to;
  message.lane = env::Lane::kControl;
  message.type = kMembershipType;
  message.remaining_millis = kMessageMillis;
  message.header = membership::Encode(envelope.message);
  // Whoever is not reached is found out by not answering.
  const Status sent = envelope.to == 0 ? addresses_->SendTo(envelope.address, std::move(message))
                                       : env_.bus->Send(std::move(message));
  (void)sent.ok();
}

Task<void> Gossip::Run() {
  while (!closing_) {
    int64_t wait = kMostWaitMicros;
    bool start = false;
    {
      const std::lock_guard lock(mutex_);
      const int64_t now = env_.clock->MonotonicMicros();
      if (now >= membership_.NextTick()) {
        start = Add(membership_.Tick(now));
      }
      wait = std::clamp(membership_.NextTick() - now, kLeastWaitMicros, kMostWaitMicros);
    }
    if (start) {
      tasks_.Start(Deliver());
    }
    co_await env::SleepFor(env_.scheduler, wait);
  }
}

void Gossip::Leave() {
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    start = Add(membership_.Leave(env_.clock->MonotonicMicros()));
  }
  if (start) {
    tasks_.Start(Deliver());
  }
}

Task<void> Gossip::Close() {
  closing_ = true;
  return tasks_.Drain();
}

}  // namespace kvfs::node
