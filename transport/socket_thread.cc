#include "transport/socket_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cassert>
#include <utility>

#include "kvcore/base/coding.h"
#include "transport/zap.h"

namespace kvfs::transport {
namespace {

// Messages taken from one socket before the others have their turn.
constexpr int kBurst = 64;
constexpr long kIdleMillis = 1000;
constexpr long kFullMillis = 1;  // before answers that found no room are tried again
constexpr int kHeartbeatMillis = 2'000;
constexpr int kConnectMillis = 2'000;
constexpr int kHeartbeatTimeoutMillis = 10'000;
constexpr int kHandshakeMillis = 5'000;

size_t Index(env::Lane lane) { return static_cast<size_t>(lane); }

ByteView AsBytes(const std::array<uint8_t, 32>& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// False: no room now, nothing was sent. The data leave `message` only when it is on its way.
bool SendParts(const Socket& socket, const Bytes* routing_id, Outgoing* message) {
  if (routing_id != nullptr) {
    Part part{ByteView(*routing_id)};
    if (!part.Send(socket, true)) {
      return false;
    }
  }
  Part header{ByteView(message->header)};
  if (!header.Send(socket, true)) {
    return false;
  }
  // Once the first part is taken the rest is, or the connection went away and libzmq drops it.
  const size_t count = message->data.size();
  Part body{std::move(message->body)};
  (void)body.Send(socket, count > 0);
  for (size_t i = 0; i < count; ++i) {
    Part part{std::move(message->data[i])};
    (void)part.Send(socket, i + 1 < count);
  }
  return true;
}

}  // namespace

SocketThread::SocketThread(const BusOptions& options, Switchboard* switchboard,
                           std::shared_ptr<Inbox> inbox, env::Clock* clock, uint64_t session)
    : options_(options),
      switchboard_(switchboard),
      inbox_(std::move(inbox)),
      clock_(clock),
      session_(session) {}

SocketThread::~SocketThread() {
  stopping_ = true;
  if (thread_.joinable()) {
    Wake();
    thread_.join();
  }
  links_.clear();
  router_ = Socket();
  zap_ = Socket();
  if (context_ != nullptr) {
    zmq_ctx_term(context_);
  }
  if (wake_fd_ >= 0) {
    close(wake_fd_);
  }
}

Status SocketThread::Start() {
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  context_ = zmq_ctx_new();
  if (wake_fd_ < 0 || context_ == nullptr) {
    return Status::IoError("cannot set up sockets: " + std::string(std::strerror(errno)));
  }
  // 4,096 peers with a socket for each lane.
  zmq_ctx_set(context_, ZMQ_MAX_SOCKETS, 3 * 4096 + 16);
  if (options_.keys != nullptr) {
    zap_ = Socket(context_, ZMQ_REP);
    if (!zap_ || zmq_bind(zap_.get(), kZapEndpoint) != 0) {
      return Status::IoError("cannot set up authentication");
    }
  }
  if (!options_.listen.empty()) {
    KVFS_RETURN_IF_ERROR(Listen());
  }
  thread_ = std::thread([this] { Loop(); });
  return Status::Ok();
}

void SocketThread::Wake() {
  const uint64_t one = 1;
  // Full means that the thread is woken already.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void SocketThread::SetUp(const std::string& address, Socket* socket) const {
  socket->Set(ZMQ_LINGER, 0);
  socket->Set(ZMQ_IPV6, address.starts_with('[') ? 1 : 0);
  socket->Set(ZMQ_SNDHWM, options_.high_water_mark);
  socket->Set(ZMQ_RCVHWM, options_.high_water_mark);
  socket->Set64(ZMQ_MAXMSGSIZE, static_cast<int64_t>(options_.max_message_bytes));
  socket->Set(ZMQ_HANDSHAKE_IVL, kHandshakeMillis);
  socket->Set(ZMQ_HEARTBEAT_IVL, kHeartbeatMillis);
  socket->Set(ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatTimeoutMillis);
  // What waits for a network that is gone is given up, and so is an attempt to reach it: TCP by
  // itself repeats ever more rarely, and finds a network that is whole again a minute too late.
  socket->Set(ZMQ_TCP_MAXRT, kHeartbeatTimeoutMillis);
  socket->Set(ZMQ_CONNECT_TIMEOUT, kConnectMillis);
  if (options_.keys != nullptr) {
    socket->Set(ZMQ_CURVE_SECRETKEY, AsBytes(options_.keys->secret_key));
    socket->Set(ZMQ_CURVE_PUBLICKEY, AsBytes(options_.keys->public_key));
  }
}

Status SocketThread::Listen() {
  router_ = Socket(context_, ZMQ_ROUTER);
  if (!router_) {
    return Status::IoError("cannot make a socket");
  }
  SetUp(options_.listen, &router_);
  router_.Set(ZMQ_ROUTER_MANDATORY, 1);
  router_.Set(ZMQ_ROUTER_HANDOVER, 1);  // a peer that comes again takes its place over
  if (options_.keys != nullptr) {
    router_.Set(ZMQ_CURVE_SERVER, 1);
    router_.Set(ZMQ_ZAP_DOMAIN, ByteView(kZapDomain));
  }
  if (zmq_bind(router_.get(), ("tcp://" + options_.listen).c_str()) != 0) {
    const int error = errno;
    const std::string message = "cannot listen on " + options_.listen + ": " + zmq_strerror(error);
    return error == EADDRINUSE ? Status::Busy(message) : Status::InvalidArgument(message);
  }
  listen_address_ = router_.GetString(ZMQ_LAST_ENDPOINT).substr(sizeof("tcp://") - 1);
  return Status::Ok();
}

void SocketThread::Connect(const LinkKey& key, const Switchboard::Connection& connection) {
  Link link;
  link.generation = connection.generation;
  for (int lane = 0; lane < env::kLaneCount; ++lane) {
    Socket dealer(context_, ZMQ_DEALER);
    if (!dealer) {
      return;  // out of descriptors: its messages expire
    }
    SetUp(connection.address.address, &dealer);
    dealer.Set(ZMQ_IMMEDIATE, 1);
    dealer.Set(ZMQ_RECONNECT_IVL, options_.reconnect_millis);
    dealer.Set(ZMQ_RECONNECT_IVL_MAX, options_.most_reconnect_millis);
    Bytes id = "kvfs";
    PutFixed64(&id, options_.self);
    PutFixed64(&id, session_);
    PutFixed64(&id, connection.generation);
    id.push_back(static_cast<char>(lane));
    dealer.Set(ZMQ_ROUTING_ID, id);
    if (options_.keys != nullptr) {
      dealer.Set(ZMQ_CURVE_SERVERKEY, AsBytes(connection.address.public_key));
    }
    // An address that is none stays unconnected; its messages expire.
    (void)zmq_connect(dealer.get(), ("tcp://" + connection.address.address).c_str());
    link.dealers[static_cast<size_t>(lane)] = std::move(dealer);
  }
  links_[key] = std::move(link);
}

void SocketThread::Loop() {
  while (!stopping_) {
    for (const LinkKey& key : switchboard_->TakeChanged()) {
      Follow(key);
    }
    const std::set<LinkKey> full = full_visitors_;
    for (const LinkKey& key : full) {
      FlushVisitor(key);
    }
    Poll();
  }
}

// A link that came, went, moved, or has something to send.
void SocketThread::Follow(const LinkKey& key) {
  const auto connection = switchboard_->ConnectionOf(key);
  if (!connection) {
    links_.erase(key);
    FlushVisitor(key);
    return;
  }
  auto at = links_.find(key);
  if (at == links_.end() || at->second.generation != connection->generation) {
    Connect(key, *connection);
    at = links_.find(key);
  }
  if (at != links_.end()) {
    for (int lane = 0; lane < env::kLaneCount; ++lane) {
      Flush(key, &at->second, static_cast<env::Lane>(lane));
    }
  }
}

void SocketThread::Flush(const LinkKey& key, Link* link, env::Lane lane) {
  const size_t index = Index(lane);
  while (auto message = switchboard_->Pop(key, lane, clock_->MonotonicMicros())) {
    link->blocked[index] = !SendParts(link->dealers[index], nullptr, &*message);
    if (link->blocked[index]) {
      switchboard_->PutBack(key, lane, std::move(*message));
      return;
    }
    switchboard_->Count(&BusStats::sent);
  }
  link->blocked[index] = false;
}

// Answers to who came to us. What finds no room waits: a burst of answers is more than libzmq takes
// at a time, and the ROUTER does not say when there is room again.
void SocketThread::FlushVisitor(const LinkKey& key) {
  bool is_full = false;
  for (int i = 0; i < env::kLaneCount; ++i) {
    const auto lane = static_cast<env::Lane>(i);
    const auto routing_id = switchboard_->RoutingId(key.node, lane);
    while (auto message = switchboard_->Pop(key, lane, clock_->MonotonicMicros())) {
      const bool sent = routing_id && router_ && SendParts(router_, &*routing_id, &*message);
      if (!sent && routing_id && router_ && zmq_errno() == EAGAIN) {
        switchboard_->PutBack(key, lane, std::move(*message));
        is_full = true;
        break;
      }
      switchboard_->Count(sent ? &BusStats::sent : &BusStats::undeliverable);
    }
  }
  if (is_full) {
    full_visitors_.insert(key);
  } else {
    full_visitors_.erase(key);
  }
}

void SocketThread::Poll() {
  std::vector<zmq_pollitem_t> items;
  struct Owner {
    const LinkKey* key = nullptr;
    Link* link = nullptr;
    env::Lane lane = env::Lane::kControl;
  };
  std::vector<Owner> owners;
  const auto add = [&](void* socket, int fd, short events, Owner owner) {
    items.push_back({socket, fd, events, 0});
    owners.push_back(owner);
  };
  add(nullptr, wake_fd_, ZMQ_POLLIN, {});
  if (zap_) {
    add(zap_.get(), 0, ZMQ_POLLIN, {});
  }
  const size_t router_at = items.size();
  if (router_) {
    add(router_.get(), 0, ZMQ_POLLIN, {});
  }
  const size_t first_dealer = items.size();
  for (auto& [key, link] : links_) {
    for (int i = 0; i < env::kLaneCount; ++i) {
      const auto lane = static_cast<env::Lane>(i);
      const bool blocked = link.blocked[Index(lane)];
      add(link.dealers[Index(lane)].get(), 0,
          static_cast<short>(ZMQ_POLLIN | (blocked ? ZMQ_POLLOUT : 0)), {&key, &link, lane});
    }
  }
  const long millis = full_visitors_.empty() ? kIdleMillis : kFullMillis;
  if (zmq_poll(items.data(), static_cast<int>(items.size()), millis) <= 0) {
    return;
  }
  if ((items[0].revents & ZMQ_POLLIN) != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof(count));
  }
  if (zap_) {
    AnswerZap(zap_, switchboard_);
  }
  if (router_ && (items[router_at].revents & ZMQ_POLLIN) != 0) {
    ReceiveFrom(router_, true);
  }
  for (size_t i = first_dealer; i < items.size(); ++i) {
    const Owner& owner = owners[i];
    if ((items[i].revents & ZMQ_POLLIN) != 0) {
      ReceiveFrom(owner.link->dealers[Index(owner.lane)], false);
    }
    if ((items[i].revents & ZMQ_POLLOUT) != 0) {
      Flush(*owner.key, owner.link, owner.lane);
    }
  }
}

void SocketThread::ReceiveFrom(const Socket& socket, bool is_router) {
  for (int i = 0; i < kBurst; ++i) {
    std::vector<std::unique_ptr<Part>> parts;
    size_t bytes = 0;
    bool too_large = false;
    bool more = true;
    while (more) {
      auto part = std::make_unique<Part>();
      if (!part->Receive(socket)) {
        return;
      }
      more = part->HasMore();
      bytes += part->view().size();
      too_large =
          too_large || bytes > options_.max_message_bytes || parts.size() > 3 + kMaxDataFrames;
      if (!too_large) {
        parts.push_back(std::move(part));
      }
    }
    if (too_large) {
      switchboard_->Count(&BusStats::oversized);
    } else {
      Take(std::move(parts), is_router);
    }
  }
}

void SocketThread::Take(std::vector<std::unique_ptr<Part>> parts, bool is_router) {
  Bytes routing_id;
  if (is_router) {
    routing_id = parts.front()->view();
    parts.erase(parts.begin());
  }
  std::vector<ByteView> views;
  views.reserve(parts.size());
  for (const auto& part : parts) {
    views.push_back(part->view());
  }
  const auto header = DecodeHeader(views, options_.cluster);
  if (!header.ok()) {
    switch (header.error()) {
      case FrameError::kMalformed:
        return switchboard_->Count(&BusStats::malformed);
      case FrameError::kChecksum:
        return switchboard_->Count(&BusStats::bad_checksum);
      case FrameError::kOtherCluster:
        return switchboard_->Count(&BusStats::other_cluster);
      case FrameError::kVersion:
        switchboard_->Count(&BusStats::other_version);
        return is_router ? RefuseVersion(routing_id) : void();
    }
  }
  if (is_router && options_.keys != nullptr &&
      !MaySpeakFor(parts.front()->UserId(), header->sender)) {
    return switchboard_->Count(&BusStats::impostors);
  }
  if (is_router) {
    switchboard_->Visited(header->sender, header->lane, routing_id);
  }
  env::Message message;
  message.from = header->sender;
  message.to = options_.self;
  message.header = Bytes(views[1]);
  for (size_t i = 2; i < views.size(); ++i) {
    message.data.emplace_back(views[i]);
  }
  message.lane = header->lane;
  message.type = header->type;
  message.request_id = header->request_id;
  message.layout_number = header->layout_number;
  message.remaining_millis = header->remaining_millis;
  message.storage_epoch = header->storage_epoch;
  switchboard_->Count(inbox_->Deliver(std::move(message)) ? &BusStats::received
                                                          : &BusStats::overload);
}

// Says in the own version that the other's is not understood; whoever speaks both may use it.
void SocketThread::RefuseVersion(const Bytes& routing_id) {
  Outgoing answer;
  answer.body = "this node speaks protocol version " + std::to_string(kProtocolVersion);
  answer.header = EncodeHeader({.lane = env::Lane::kControl,
                                .type = env::kVersionRefused,
                                .cluster = options_.cluster,
                                .sender = options_.self,
                                .storage_epoch = options_.storage_epoch},
                               answer.body, {});
  (void)SendParts(router_, &routing_id, &answer);
}

}  // namespace kvfs::transport
