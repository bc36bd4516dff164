#include "transport/zmq_message_bus.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "transport/socket_thread.h"

namespace kvfs::transport {
namespace {

Status Invalid(const std::string& what) { return Status::InvalidArgument("transport: " + what); }

bool IsLoopback(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" || host.rfind("127.", 0) == 0;
}

Status Check(const BusOptions& options) {
  const auto is_size = [](size_t bytes) { return bytes >= (64u << 10) && bytes <= (1u << 30); };
  if (options.self == 0) {
    return Invalid("a node has a number other than 0");
  }
  if (!is_size(options.max_message_bytes) || !is_size(options.inbox_bytes) ||
      !std::all_of(options.outbox_bytes.begin(), options.outbox_bytes.end(), is_size)) {
    return Invalid("sizes lie between 64 KiB and 1 GiB");
  }
  if (options.high_water_mark < 1 || options.high_water_mark > 1000) {
    return Invalid("the high-water mark lies between 1 and 1,000");
  }
  if (options.send_micros < 10'000 || options.send_micros > 600'000'000) {
    return Invalid("messages wait between 10 ms and 10 minutes");
  }
  if (options.reconnect_millis < 1 || options.most_reconnect_millis < options.reconnect_millis ||
      options.most_reconnect_millis > 60'000) {
    return Invalid("the time between attempts lies between 1 ms and 1 minute");
  }
  if (options.max_visitors < 1 || options.max_visitors > 100'000) {
    return Invalid("between 1 and 100,000 visitors");
  }
  if (!options.listen.empty() && options.keys == nullptr && !options.insecure &&
      !IsLoopback(options.listen)) {
    return Invalid(options.listen +
                   " can be reached by others: give it keys, or say that it may be insecure");
  }
  return Status::Ok();
}

}  // namespace

KeyPair NewKeyPair() {
  char public_text[41];
  char secret_text[41];
  KeyPair keys;
  if (zmq_curve_keypair(public_text, secret_text) != 0 ||
      zmq_z85_decode(keys.public_key.data(), public_text) == nullptr ||
      zmq_z85_decode(keys.secret_key.data(), secret_text) == nullptr) {
    std::abort();  // a libzmq without CURVE
  }
  return keys;
}

env::NodeId ClientNumber(const PublicKey& key, uint64_t random) {
  constexpr int kHalf = 32;
  uint32_t of_key = 0;
  std::memcpy(&of_key, key.data(), sizeof(of_key));
  return ClientNumber(uint64_t{of_key} << kHalf | random >> kHalf);
}

class ZmqMessageBus::Core {
 public:
  Core(BusOptions options, const env::Env& env)
      : options_(std::move(options)),
        clock_(env.clock),
        switchboard_(options_),
        inbox_(std::make_shared<Inbox>(env.scheduler, options_.inbox_bytes)),
        thread_(options_, &switchboard_, inbox_, env.clock, env.random->Next()) {}
  ~Core() { inbox_->SetHandler({}); }

  Status Start() { return thread_.Start(); }
  Inbox* inbox() { return inbox_.get(); }
  Switchboard* switchboard() { return &switchboard_; }
  SocketThread* thread() { return &thread_; }
  const BusOptions& options() const { return options_; }

  // Checks and encodes on the caller's thread, and hands over to the socket's.
  template <typename Push>
  Status Send(env::Message message, const Push& push) {
    size_t bytes = kHeaderBytes + message.header.size();
    for (const Bytes& part : message.data) {
      bytes += part.size();
    }
    if (message.data.size() >= kMaxDataFrames || bytes > options_.max_message_bytes) {
      return Invalid("a message of " + std::to_string(bytes) + " bytes in " +
                     std::to_string(message.data.size()) + " frames is too large");
    }
    const int64_t now = clock_->MonotonicMicros();
    Outgoing out;
    out.header = EncodeHeader({.lane = message.lane,
                               .type = message.type,
                               .cluster = options_.cluster,
                               .sender = options_.self,
                               .storage_epoch = options_.storage_epoch,
                               .request_id = message.request_id,
                               .layout_number = message.layout_number,
                               .remaining_millis = message.remaining_millis},
                              message.header, message.data);
    out.expires_micros =
        now + (message.remaining_millis == 0 ? options_.send_micros
                                             : int64_t{message.remaining_millis} * 1000);
    out.body = std::move(message.header);
    out.data = std::move(message.data);
    const Status status = push(message.lane, std::move(out), now);
    if (status.ok()) {
      thread_.Wake();
    }
    return status;
  }

 private:
  const BusOptions options_;
  env::Clock* const clock_;
  Switchboard switchboard_;
  const std::shared_ptr<Inbox> inbox_;
  SocketThread thread_;  // last: it ends first
};

ZmqMessageBus::ZmqMessageBus(std::unique_ptr<Core> core) : core_(std::move(core)) {}
ZmqMessageBus::~ZmqMessageBus() = default;

Result<std::unique_ptr<ZmqMessageBus>> ZmqMessageBus::Open(BusOptions options,
                                                           const env::Env& env) {
  KVFS_RETURN_IF_ERROR(Check(options));
  auto core = std::make_unique<Core>(std::move(options), env);
  KVFS_RETURN_IF_ERROR(core->Start());
  return std::unique_ptr<ZmqMessageBus>(new ZmqMessageBus(std::move(core)));
}

void ZmqMessageBus::SetHandler(env::NodeId self, Handler handler) {
  if (self == core_->options().self) {
    core_->inbox()->SetHandler(std::move(handler));
  }
}

Status ZmqMessageBus::Send(env::Message message) {
  const env::NodeId to = message.to;
  return core_->Send(std::move(message), [&](env::Lane lane, Outgoing out, int64_t now) {
    return core_->switchboard()->Push(to, lane, std::move(out), now);
  });
}

Status ZmqMessageBus::SendTo(const PeerAddress& peer, env::Message message) {
  return core_->Send(std::move(message), [&](env::Lane lane, Outgoing out, int64_t now) {
    return core_->switchboard()->PushTo(peer, lane, std::move(out), now);
  });
}

void ZmqMessageBus::SetPeer(env::NodeId node, PeerAddress address) {
  core_->switchboard()->SetPeer(node, std::move(address));
  core_->thread()->Wake();
}

void ZmqMessageBus::RemovePeer(env::NodeId node) {
  core_->switchboard()->RemovePeer(node);
  core_->thread()->Wake();
}

void ZmqMessageBus::SetAllowed(std::map<PublicKey, env::NodeId> allowed) {
  core_->switchboard()->SetAllowed(std::move(allowed));
}

const std::string& ZmqMessageBus::listen_address() const {
  return core_->thread()->listen_address();
}

BusStats ZmqMessageBus::GetStats() const { return core_->switchboard()->GetStats(); }

}  // namespace kvfs::transport
