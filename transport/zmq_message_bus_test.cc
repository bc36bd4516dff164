// Real sockets over loopback. Waits have deadlines; nothing sleeps.
#include "transport/zmq_message_bus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "kvcore/env/posix/posix_env.h"
#include "transport/socket.h"

namespace kvfs::transport {
namespace {

using env::Lane;
using env::Message;
using std::chrono::steady_clock;

constexpr ClusterId kCluster = {'t', 'e', 's', 't'};
constexpr auto kDeadline = std::chrono::seconds(20);

struct World {
  env::posix::PosixEnv posix{4};
  env::Env env() { return posix.env(); }
};

// Until it is so; false if it does not become so in time.
bool Eventually(const std::function<bool()>& condition) {
  const auto end = steady_clock::now() + kDeadline;
  while (!condition()) {
    if (steady_clock::now() > end) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

// A bus and what it received.
class Node {
 public:
  Node(World* world, BusOptions options) {
    options.cluster = options.cluster == ClusterId{} ? kCluster : options.cluster;
    auto bus = ZmqMessageBus::Open(options, world->env());
    EXPECT_TRUE(bus.ok()) << bus.status().ToString();
    bus_ = std::move(*bus);
    bus_->SetHandler(options.self, [this](Message message) {
      const std::lock_guard lock(mutex_);
      received_.push_back(std::move(message));
      changed_.notify_all();
    });
  }
  ~Node() { bus_ = nullptr; }

  ZmqMessageBus* operator->() { return bus_.get(); }
  PeerAddress address(const PublicKey& key = {}) { return {bus_->listen_address(), key}; }
  // The first message received for which it holds.
  std::optional<Message> Wait(const std::function<bool(const Message&)>& wanted) {
    std::unique_lock lock(mutex_);
    std::optional<Message> found;
    changed_.wait_until(lock, steady_clock::now() + kDeadline, [&] {
      const auto at = std::find_if(received_.begin(), received_.end(), wanted);
      if (at != received_.end()) {
        found = *at;
      }
      return found.has_value();
    });
    return found;
  }
  std::optional<Message> WaitFor(uint64_t request_id) {
    return Wait([=](const Message& m) { return m.request_id == request_id; });
  }
  size_t Count() {
    const std::lock_guard lock(mutex_);
    return received_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Message> received_;
  std::unique_ptr<ZmqMessageBus> bus_;
};

BusOptions Listening(env::NodeId self) { return {.self = self, .listen = "127.0.0.1:0"}; }

Message To(env::NodeId to, uint64_t request_id, Bytes body = "body", Lane lane = Lane::kRequest) {
  Message message;
  message.to = to;
  message.header = std::move(body);
  message.lane = lane;
  message.type = 7;
  message.request_id = request_id;
  return message;
}

// ---- delivery --------------------------------------------------------------

TEST(ZmqMessageBus, CarriesEverythingOnEveryLane) {
  World world;
  BusOptions options = Listening(1);
  options.storage_epoch = 99;
  Node a(&world, options);
  Node b(&world, Listening(2));
  a->SetPeer(2, b.address());
  for (int lane = 0; lane < env::kLaneCount; ++lane) {
    Message message = To(2, 10 + static_cast<uint64_t>(lane), "hello", static_cast<Lane>(lane));
    message.data = {Bytes(200'000, 'x'), "", "end"};
    message.layout_number = 5;
    message.remaining_millis = 30'000;
    ASSERT_TRUE(a->Send(message).ok());
    const auto got = b.WaitFor(message.request_id);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->from, 1u);
    EXPECT_EQ(got->to, 2u);
    EXPECT_EQ(got->header, "hello");
    EXPECT_EQ(got->data, message.data);
    EXPECT_EQ(got->lane, static_cast<Lane>(lane));
    EXPECT_EQ(got->type, 7);
    EXPECT_EQ(got->layout_number, 5u);
    EXPECT_EQ(got->remaining_millis, 30'000u);
    EXPECT_EQ(got->storage_epoch, 99u);
  }
}

TEST(ZmqMessageBus, AClientIsAnsweredOnItsOwnConnection) {
  World world;
  Node server(&world, Listening(1));
  Node client(&world, {.self = 50});
  client->SetPeer(1, server.address());
  ASSERT_TRUE(client->Send(To(1, 1)).ok());
  ASSERT_TRUE(server.WaitFor(1));
  ASSERT_TRUE(server->Send(To(50, 2, "answer")).ok());
  const auto answer = client.WaitFor(2);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header, "answer");
  EXPECT_EQ(server->Send(To(51, 3)).code(), Code::kUnavailable) << "never came";
}

// As to a mount that has asked for many things at once.
TEST(ZmqMessageBus, ABurstOfAnswersToAClientArrivesWhole) {
  World world;
  Node server(&world, Listening(1));
  Node client(&world, {.self = 50});
  client->SetPeer(1, server.address());
  ASSERT_TRUE(client->Send(To(1, 1)).ok());
  ASSERT_TRUE(server.WaitFor(1));
  constexpr size_t kAnswers = 200;  // libzmq takes 16 at a time
  for (size_t i = 0; i < kAnswers; ++i) {
    ASSERT_TRUE(server->Send(To(50, 2 + i, Bytes(1000, 'a'))).ok());
  }
  EXPECT_TRUE(Eventually([&] { return client.Count() == kAnswers; })) << client.Count();
  EXPECT_EQ(server->GetStats().undeliverable, 0u);
}

TEST(ZmqMessageBus, AnAddressIsEnough) {
  World world;
  Node a(&world, Listening(1));
  Node b(&world, Listening(2));
  ASSERT_TRUE(a->SendTo(b.address(), To(0, 5)).ok());
  ASSERT_TRUE(b.WaitFor(5));
  // And whoever came without being known can be answered.
  ASSERT_TRUE(b->Send(To(1, 6)).ok());
  EXPECT_TRUE(a.WaitFor(6));
}

TEST(ZmqMessageBus, APeerThatComesBackElsewhereIsReached) {
  World world;
  Node a(&world, Listening(1));
  {
    Node b(&world, Listening(2));
    a->SetPeer(2, b.address());
    ASSERT_TRUE(a->Send(To(2, 1)).ok());
    ASSERT_TRUE(b.WaitFor(1));
  }
  Node b(&world, Listening(2));
  a->SetPeer(2, b.address());
  ASSERT_TRUE(a->Send(To(2, 2)).ok());
  EXPECT_TRUE(b.WaitFor(2));
}

TEST(ZmqMessageBus, APeerThatRestartsAtItsAddressIsReached) {
  World world;
  Node a(&world, Listening(1));
  auto b = std::make_unique<Node>(&world, Listening(2));
  BusOptions again = Listening(2);
  again.listen = (*b)->listen_address();
  a->SetPeer(2, b->address());
  ASSERT_TRUE(a->Send(To(2, 1)).ok());
  ASSERT_TRUE(b->WaitFor(1));
  b = nullptr;
  b = std::make_unique<Node>(&world, again);
  uint64_t id = 1;
  EXPECT_TRUE(Eventually([&] {
    (void)a->Send(To(2, ++id)).ok();
    return b->Count() > 0;
  }));
}

// ---- nobody waits for a slow one -------------------------------------------

TEST(ZmqMessageBus, AStoppedPeerFillsItsOwnOutboxOnly) {
  World world;
  BusOptions options = Listening(1);
  options.outbox_bytes = {64u << 10, 64u << 10, 1u << 20};
  Node a(&world, options);
  Node b(&world, Listening(2));
  // Listens and never reads: as a process that was stopped.
  void* context = zmq_ctx_new();
  {
    Socket stopped(context, ZMQ_ROUTER);
    stopped.Set(ZMQ_RCVHWM, 1);
    stopped.Set(ZMQ_RCVBUF, 4096);
    stopped.Set(ZMQ_LINGER, 0);
    ASSERT_EQ(zmq_bind(stopped.get(), "tcp://127.0.0.1:*"), 0);
    a->SetPeer(3, {stopped.GetString(ZMQ_LAST_ENDPOINT).substr(6), {}});
    a->SetPeer(2, b.address());
    Message bulk = To(3, 0, "", Lane::kBulk);
    bulk.data = {Bytes(100'000, 'x')};
    // What the outbox, ZeroMQ and the kernel take is bounded.
    Status status;
    size_t taken = 0;
    ASSERT_TRUE(Eventually([&] {
      status = a->Send(bulk);
      taken += status.ok() ? 1 : 0;
      return !status.ok() && a->GetStats().refused_full > 100;
    }));
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_LT(taken, 1000u);
    // Neither others nor its other lanes wait.
    ASSERT_TRUE(a->Send(To(2, 77)).ok());
    EXPECT_TRUE(b.WaitFor(77));
    EXPECT_TRUE(a->Send(To(3, 78, "", Lane::kControl)).ok());
  }
  zmq_ctx_term(context);
}

TEST(ZmqMessageBus, WhatWaitsForAnAbsentPeerExpires) {
  World world;
  BusOptions options = Listening(1);
  options.send_micros = 10'000;
  Node a(&world, options);
  a->SetPeer(2, {"127.0.0.1:1", {}});
  ASSERT_TRUE(a->Send(To(2, 1)).ok());
  EXPECT_TRUE(Eventually([&] {
    (void)a->Send(To(2, 2)).ok();
    return a->GetStats().expired > 0;
  }));
  EXPECT_EQ(a->GetStats().sent, 0u);
}

TEST(ZmqMessageBus, ASenderThatIsTooFastIsDroppedNotHoarded) {
  World world;
  Node a(&world, Listening(1));
  BusOptions options = Listening(2);
  options.cluster = kCluster;
  options.inbox_bytes = 1u << 20;
  std::mutex busy;
  std::atomic<int> handled{0};
  auto b = ZmqMessageBus::Open(options, world.env());
  ASSERT_TRUE(b.ok());
  {
    const std::lock_guard hold(busy);
    (*b)->SetHandler(2, [&](Message) {
      const std::lock_guard lock(busy);
      ++handled;
    });
    a->SetPeer(2, {(*b)->listen_address(), {}});
    Message bulk = To(2, 0, "", Lane::kBulk);
    bulk.data = {Bytes(300'000, 'x')};
    EXPECT_TRUE(Eventually([&] {
      (void)a->Send(bulk).ok();
      return (*b)->GetStats().overload > 0;
    }));
    EXPECT_LE((*b)->GetStats().received, 4u + 4u);
  }
  EXPECT_TRUE(Eventually([&] { return handled > 0; }));
  (*b)->SetHandler(2, {});
}

TEST(ZmqMessageBus, NoHandlerRunsAfterItWasTakenAway) {
  World world;
  Node a(&world, Listening(1));
  BusOptions options = Listening(2);
  options.cluster = kCluster;
  auto b = ZmqMessageBus::Open(options, world.env());
  ASSERT_TRUE(b.ok());
  a->SetPeer(2, {(*b)->listen_address(), {}});
  for (int round = 0; round < 20; ++round) {
    auto alive = std::make_shared<std::atomic<bool>>(true);
    auto count = std::make_shared<std::atomic<int>>(0);
    (*b)->SetHandler(2, [alive, count](Message) {
      EXPECT_TRUE(*alive);
      ++*count;
    });
    ASSERT_TRUE(Eventually([&] {
      (void)a->Send(To(2, 1)).ok();
      return *count > 0;
    }));
    (*b)->SetHandler(2, {});
    *alive = false;
  }
}

// ---- hostile input ---------------------------------------------------------

// A socket that says whatever it likes to a bus.
class Stranger {
 public:
  explicit Stranger(const std::string& address) : context_(zmq_ctx_new()) {
    socket_ = Socket(context_, ZMQ_DEALER);
    socket_.Set(ZMQ_LINGER, 0);
    EXPECT_EQ(zmq_connect(socket_.get(), ("tcp://" + address).c_str()), 0);
  }
  ~Stranger() {
    socket_ = Socket();
    zmq_ctx_term(context_);
  }
  void Say(const std::vector<Bytes>& parts) {
    for (size_t i = 0; i < parts.size(); ++i) {
      // Blocks only until the connection is there.
      ASSERT_GE(zmq_send(socket_.get(), parts[i].data(), parts[i].size(),
                         i + 1 < parts.size() ? ZMQ_SNDMORE : 0),
                0);
    }
  }
  std::vector<Bytes> Hear() {
    const int timeout = 20'000;
    zmq_setsockopt(socket_.get(), ZMQ_RCVTIMEO, &timeout, sizeof(timeout));
    std::vector<Bytes> parts;
    zmq_msg_t part;
    do {
      zmq_msg_init(&part);
      if (zmq_msg_recv(&part, socket_.get(), 0) < 0) {
        return parts;
      }
      parts.emplace_back(static_cast<char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
    } while (zmq_msg_more(&part) != 0);
    return parts;
  }

 private:
  void* context_;
  Socket socket_;
};

FrameHeader Header() { return {.type = 7, .cluster = kCluster, .sender = 9, .request_id = 1}; }

TEST(ZmqMessageBus, HostileFramesAreCountedAndDropped) {
  World world;
  BusOptions options = Listening(1);
  options.max_message_bytes = 64u << 10;
  Node a(&world, options);
  Stranger stranger(a->listen_address());
  stranger.Say({"garbage"});
  stranger.Say({"", "", ""});
  stranger.Say({Bytes(kHeaderBytes, '\0'), "body"});
  const Bytes good = EncodeHeader(Header(), "body", {});
  stranger.Say({good.substr(0, 40), "body"});
  stranger.Say({good});
  EXPECT_TRUE(Eventually([&] { return a->GetStats().malformed == 5; }));
  stranger.Say({good, "b0dy"});
  EXPECT_TRUE(Eventually([&] { return a->GetStats().bad_checksum == 1; }));
  FrameHeader other = Header();
  other.cluster[0] = 'x';
  stranger.Say({EncodeHeader(other, "", {}), ""});
  EXPECT_TRUE(Eventually([&] { return a->GetStats().other_cluster == 1; }));
  // Each part small enough, all together too much; then endless parts.
  stranger.Say({good, Bytes(40'000, 'x'), Bytes(40'000, 'x')});
  stranger.Say(std::vector<Bytes>(2000, "x"));
  EXPECT_TRUE(Eventually([&] { return a->GetStats().oversized == 2; }));
  // It goes on working, for this very connection too.
  stranger.Say({good, "body"});
  EXPECT_TRUE(a.WaitFor(1));
  EXPECT_EQ(a.Count(), 1u);
  EXPECT_TRUE(Eventually([&] { return a->GetStats().received == 1; }));  // counted once delivered
}

TEST(ZmqMessageBus, AFrameAboveTheLimitCutsItsConnectionOnly) {
  World world;
  BusOptions options = Listening(1);
  options.max_message_bytes = 64u << 10;
  Node a(&world, options);
  Stranger stranger(a->listen_address());
  stranger.Say({Bytes(1u << 20, 'x')});
  Stranger other(a->listen_address());
  other.Say({EncodeHeader(Header(), "body", {}), "body"});
  EXPECT_TRUE(a.WaitFor(1));
  EXPECT_TRUE(Eventually([&] { return a->GetStats().received == 1; }));  // counted once delivered
}

TEST(ZmqMessageBus, AnotherVersionIsToldSo) {
  World world;
  Node a(&world, Listening(1));
  Stranger stranger(a->listen_address());
  FrameHeader header = Header();
  header.version = 2;
  stranger.Say({EncodeHeader(header, "", {}) + "more of it", "", "and so on"});
  const auto answer = stranger.Hear();
  ASSERT_EQ(answer.size(), 2u);
  const auto decoded = DecodeHeader({answer[0], answer[1]}, kCluster);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->type, env::kVersionRefused);
  EXPECT_EQ(answer[1], "this node speaks protocol version 1");
  EXPECT_TRUE(Eventually([&] { return a->GetStats().other_version == 1; }));
}

TEST(ZmqMessageBus, RefusesToSendWhatNobodyWouldTake) {
  World world;
  BusOptions options = Listening(1);
  options.max_message_bytes = 64u << 10;
  Node a(&world, options);
  a->SetPeer(2, {"127.0.0.1:1", {}});
  EXPECT_EQ(a->Send(To(2, 1, Bytes(70'000, 'x'))).code(), Code::kInvalidArgument);
  Message many = To(2, 1);
  many.data.resize(kMaxDataFrames);
  EXPECT_EQ(a->Send(many).code(), Code::kInvalidArgument);
  EXPECT_EQ(a->Send(To(3, 1)).code(), Code::kUnavailable);
}

// ---- who may come ----------------------------------------------------------

struct Keyed {
  std::shared_ptr<const KeyPair> keys = std::make_shared<const KeyPair>(NewKeyPair());
  BusOptions Options(env::NodeId self, const std::map<PublicKey, env::NodeId>& allowed) const {
    BusOptions options = Listening(self);
    options.keys = keys;
    options.allowed = allowed;
    return options;
  }
};

TEST(ZmqMessageBus, OnlyAllowedKeysMayCome) {
  World world;
  const Keyed one;
  const Keyed two;
  const Keyed three;
  const std::map<PublicKey, env::NodeId> allowed = {{one.keys->public_key, 1},
                                                    {two.keys->public_key, 2}};
  Node a(&world, one.Options(1, allowed));
  Node b(&world, two.Options(2, allowed));
  Node c(&world, three.Options(3, allowed));
  b->SetPeer(1, a.address(one.keys->public_key));
  ASSERT_TRUE(b->Send(To(1, 1)).ok());
  EXPECT_TRUE(a.WaitFor(1));
  c->SetPeer(1, a.address(one.keys->public_key));
  ASSERT_TRUE(c->Send(To(1, 2)).ok());
  EXPECT_TRUE(Eventually([&] { return a->GetStats().unauthorized > 0; }));
  // Without any keys.
  Stranger stranger(a->listen_address());
  stranger.Say({EncodeHeader(Header(), "body", {}), "body"});
  ASSERT_TRUE(b->Send(To(1, 3)).ok());
  EXPECT_TRUE(a.WaitFor(3));
  EXPECT_EQ(a.Count(), 2u);
  // And with the wrong idea of who listens.
  b->SetPeer(1, a.address(three.keys->public_key));
  ASSERT_TRUE(b->Send(To(1, 4)).ok());
  // Let in later.
  auto more = allowed;
  more[three.keys->public_key] = 3;
  a->SetAllowed(more);
  EXPECT_TRUE(Eventually([&] {
    (void)c->Send(To(1, 5)).ok();
    return a.Count() > 2;
  }));
  EXPECT_EQ(a.WaitFor(5)->from, 3u);
}

TEST(ZmqMessageBus, AKeySpeaksForItsOwnNodeOnly) {
  World world;
  const Keyed one;
  const Keyed two;
  const std::map<PublicKey, env::NodeId> allowed = {{one.keys->public_key, 1},
                                                    {two.keys->public_key, 2}};
  Node a(&world, one.Options(1, allowed));
  Node liar(&world, two.Options(7, allowed));
  liar->SetPeer(1, a.address(one.keys->public_key));
  ASSERT_TRUE(liar->Send(To(1, 1)).ok());
  EXPECT_TRUE(Eventually([&] { return a->GetStats().impostors > 0; }));
  EXPECT_EQ(a.Count(), 0u);
}

TEST(ZmqMessageBus, AClientsKeySpeaksForItsOwnNumbersOnly) {
  World world;
  const Keyed one;
  const Keyed two;
  const std::map<PublicKey, env::NodeId> allowed = {{one.keys->public_key, 1},
                                                    {two.keys->public_key, kClientKey}};
  Node a(&world, one.Options(1, allowed));
  const PublicKey& key = two.keys->public_key;
  for (const uint64_t random : {uint64_t{0}, ~uint64_t{0}}) {
    BusOptions options = two.Options(ClientNumber(key, random), allowed);
    options.listen = "";
    Node client(&world, options);
    client->SetPeer(1, a.address(one.keys->public_key));
    ASSERT_TRUE(client->Send(To(1, 1 + (random & 1))).ok());
    EXPECT_TRUE(a.WaitFor(1 + (random & 1)));
  }
  EXPECT_EQ(a->GetStats().impostors, 0u);
  // Neither for a node nor for the clients of other keys.
  for (const env::NodeId number : {env::NodeId{2}, ClientNumber(key, 0) ^ uint64_t{1} << 40}) {
    const uint64_t before = a->GetStats().impostors;
    BusOptions options = two.Options(number, allowed);
    options.listen = "";
    Node liar(&world, options);
    liar->SetPeer(1, a.address(one.keys->public_key));
    ASSERT_TRUE(liar->Send(To(1, 9)).ok());
    EXPECT_TRUE(Eventually([&] { return a->GetStats().impostors > before; }));
  }
}

TEST(ZmqMessageBus, ListensToTheWorldOnlyWithKeysOrWhenToldTo) {
  World world;
  BusOptions options{.self = 1, .cluster = kCluster, .listen = "0.0.0.0:0"};
  EXPECT_EQ(ZmqMessageBus::Open(options, world.env()).status().code(), Code::kInvalidArgument);
  options.insecure = true;
  EXPECT_TRUE(ZmqMessageBus::Open(options, world.env()).ok());
  options.insecure = false;
  options.keys = std::make_shared<const KeyPair>(NewKeyPair());
  EXPECT_TRUE(ZmqMessageBus::Open(options, world.env()).ok());
}

TEST(ZmqMessageBus, SaysWhyItCannotListen) {
  World world;
  Node a(&world, Listening(1));
  BusOptions options{.self = 2, .cluster = kCluster, .listen = a->listen_address()};
  EXPECT_EQ(ZmqMessageBus::Open(options, world.env()).status().code(), Code::kBusy);
  options.listen = "127.0.0.1";
  EXPECT_EQ(ZmqMessageBus::Open(options, world.env()).status().code(), Code::kInvalidArgument);
  options.listen = "";
  options.self = 0;
  EXPECT_EQ(ZmqMessageBus::Open(options, world.env()).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace kvfs::transport
