// What peers say about transactions, one after the other: each message is a byte (the method of a
// request, or 0 for the frame of a request or reply of any kind) and a length-prefixed body. A
// node that is its partition's only home, and so its primary, carries out what it can read; whom
// it calls answers with the next message. Nothing a peer sends may leave a key that cannot be.
#include "kvcore/antientropy/service.h"
#include "kvcore/base/coding.h"
#include "kvcore/client/watch_message.h"
#include "kvcore/node/rpc.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/placement.h"
#include "kvcore/replication/rebuilder.h"
#include "kvcore/replication/service.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::fuzz {
namespace {

using replication::Method;

struct Part {
  uint8_t method = 0;
  ByteView body;
};
bool Next(ByteView* input, Part* part) {
  if (input->empty()) {
    return false;
  }
  part->method = static_cast<uint8_t>((*input)[0]);
  input->remove_prefix(1);
  return GetLengthPrefixed(input, &part->body);
}

struct OnlyHome final : replication::Placement {
  std::vector<env::NodeId> HomesOf(uint32_t) const override { return {1}; }
};

class FuzzPeers final : public replication::Peers {
 public:
  explicit FuzzPeers(ByteView* input) : input_(input) {}
  void SetSelf(replication::Service* self) { self_ = self; }
  Task<Result<Bytes>> Call(env::NodeId to, Method method, Bytes body, int64_t) override {
    if (to == 1) {
      co_return co_await self_->Handle(1, method, std::move(body));
    }
    Part part;
    if (!Next(input_, &part)) {
      co_return Status::Unavailable("nobody answers");
    }
    co_return Bytes(part.body);
  }

 private:
  ByteView* const input_;
  replication::Service* self_ = nullptr;
};

// Remembers who listens; sends nothing.
class DeafBus final : public env::MessageBus {
 public:
  void SetHandler(env::NodeId, Handler handler) override { handler_ = std::move(handler); }
  Status Send(env::Message) override { return Status::Ok(); }
  void Deliver(env::Message message) { handler_(std::move(message)); }

 private:
  Handler handler_;
};

template <typename Message>
void TryParse(ByteView body) {
  const auto parsed = replication::Parse<Message>(body);
  FUZZ_CHECK(parsed.ok() || parsed.status().code() == Code::kInvalidArgument);
}

class Node {
 public:
  explicit Node(ByteView* input)
      : peers_(input),
        dots_(replication::NumberSource::Open(
                  {.key = replication::NodeLocalKey("dots"), .block = 1000}, &merkle_, &env_)
                  .value()),
        home_({.partition_bits = 0, .page_bytes = 100, .boot_id = "boot"}, &merkle_, &peers_,
              &env_),
        primary_({.self = 1, .partition_bits = 0, .storage_epoch = 7},
                 {.placement = &only_home_,
                  .home = &home_,
                  .peers = &peers_,
                  .store = &merkle_,
                  .dots = dots_.get(),
                  .hybrid_clock = &hybrid_clock_,
                  .clock = &env_,
                  .scheduler = &env_}),
        service_(&home_, &primary_),
        rpc_(Env(), 1, 3) {
    peers_.SetSelf(&service_);
    rpc_.Start([this](env::NodeId from, Method method, Bytes body) {
      return service_.Handle(from, method, std::move(body));
    });
  }
  ~Node() {
    env_.Await(Closed());
    CheckSums();
    for (const auto& [key, value] : store_.Contents()) {
      FUZZ_CHECK(replication::ParseKey(key, true).ok());
    }
  }

  void Take(const Part& part) {
    if (part.method == 0) {
      ByteView rest = part.body;
      ByteView header;
      if (GetLengthPrefixed(&rest, &header)) {
        env::Message message;
        message.from = 2;
        message.to = 1;
        message.header = Bytes(header);
        message.data.emplace_back(rest);
        bus_.Deliver(std::move(message));
        env_.RunReady();
      }
      return;
    }
    const auto method = static_cast<Method>(part.method);
    if (antientropy::Service::Serves(method)) {
      (void)sums_.Handle(method, part.body).ok();
    } else {
      (void)env_.Await(service_.Handle(2, method, Bytes(part.body))).ok();
    }
    if (method == Method::kSubmit) {
      auto request = replication::Parse<replication::pb::SubmitRequest>(part.body);
      if (request.ok() && request->degraded()) {
        (void)env_.Await(home_.TakeIn(std::move(*request), 9, 1)).ok();
      }
    }
    TryReadAnswers(part.body);
    TryParse<replication::pb::HomeReply>(part.body);
    TryParse<replication::pb::BranchReply>(part.body);
    TryParse<replication::pb::BranchPageReply>(part.body);
    TryParse<replication::pb::MergeReply>(part.body);
    TryParse<replication::pb::PageReply>(part.body);
    TryParse<replication::pb::ListReply>(part.body);
    TryParse<replication::pb::SubmitReply>(part.body);
    TryParse<replication::pb::ReadReply>(part.body);
    (void)client::ParseWatchRequest(part.body, 8).ok();
    (void)client::ParseChangedNotice(part.body).ok();
  }

 private:
  // Of anti-entropy.
  static void TryReadAnswers(ByteView body) {
    (void)antientropy::SumsOf(body).ok();
    const auto places = antientropy::Parse<antientropy::pb::PlacesReply>(body);
    if (places.ok()) {
      (void)antientropy::KeysOf(*places).ok();
      (void)antientropy::ReferencesOf(*places).ok();
    }
  }
  // Whatever was written, the sums are those of what is there.
  void CheckSums() {
    const std::vector<antientropy::PlaceRange> all{{0, 65'536, 65'536}};
    testing::MemoryLocalStore copy;
    std::vector<replication::StoreWrite> writes;
    for (auto& [key, value] : store_.Contents()) {
      if (key[0] == '\x01') {
        replication::StoreWrite& write = writes.emplace_back();
        write.key = key;
        write.value = value;
      }
    }
    FUZZ_CHECK(copy.Apply(std::move(writes), {}).ok());
    antientropy::MerkleStore anew(0, "cluster", &copy);
    for (const auto tree : antientropy::kTrees) {
      FUZZ_CHECK(*merkle_.Sums(tree, all) == *anew.Sums(tree, all));
    }
  }
  Task<bool> Closed() {
    co_await primary_.Close();
    co_await rpc_.Close();
    co_return true;
  }
  env::Env Env() {
    env::Env env = env_.env();
    env.bus = &bus_;
    return env;
  }

  testing::StepEnv env_;
  DeafBus bus_;
  testing::MemoryLocalStore store_;
  antientropy::MerkleStore merkle_{0, "cluster", &store_};
  antientropy::Service sums_{&merkle_};
  OnlyHome only_home_;
  FuzzPeers peers_;
  versioning::HybridClock hybrid_clock_{60'000};
  std::unique_ptr<replication::NumberSource> dots_;
  replication::Home home_;
  replication::ReplicatedPrimary primary_;
  replication::Service service_;
  node::Rpc rpc_;
};

}  // namespace

void FuzzReplication(const uint8_t* data, size_t size) {
  ByteView input(reinterpret_cast<const char*>(data), size);
  Node node(&input);
  Part part;
  while (Next(&input, &part)) {
    node.Take(part);
  }
}

}  // namespace kvfs::fuzz
