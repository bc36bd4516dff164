#include "tools/admin/ask.h"

#include <utility>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "tools/admin/locate.h"
#include "tools/cluster/connection.h"
#include "tools/common/admin_channel.h"
#include "tools/common/members.h"
#include "tools/common/mounts.h"

namespace kvfs::tools {
namespace {

constexpr int kThreads = 2;
constexpr int64_t kFindMillis = 5'000;
constexpr int64_t kAnswerMicros = 60'000'000;
constexpr int64_t kLongAnswerMicros = 610'000'000;  // reads everything a node keeps

bool TakesLong(const ops::AdminRequest& request) {
  return request.has_verify() || request.has_check() || request.has_relay();
}

// Where only a running daemon can answer.
class SocketAsker final : public Asker {
 public:
  explicit SocketAsker(std::string data) : data_(std::move(data)) {}

  Result<ops::AdminResponse> Ask(const ops::AdminRequest& request) override {
    auto response = tools::Ask(data_, request);
    if (!response.ok() && response.error().code() == Code::kNotFound &&
        !MountOfData(ReadMounts(), data_).has_value()) {
      return Status::NotFound("no daemon serves " + data_ +
                              ": it is not mounted (kvfs mount --data " + data_ + " MOUNTPOINT)");
    }
    return response;
  }

 private:
  const std::string data_;
};

class PeerAsker final : public Asker {
 public:
  PeerAsker() : env_(kThreads) {}
  ~PeerAsker() override {
    if (connection_ != nullptr) {
      connection_->Close();
    }
  }

  Status Open(const AdminFlags& flags) {
    ConnectionOptions options;
    KVFS_ASSIGN_OR_RETURN(options.peers, ParsePeers(flags.peer));
    options.cluster = flags.cluster;
    KVFS_ASSIGN_OR_RETURN(options.security, LoadSecurity(flags.key, flags.allow));
    options.find_millis = kFindMillis;
    KVFS_ASSIGN_OR_RETURN(connection_, ClusterConnection::Connect(std::move(options), env_.env()));
    return Status::Ok();
  }

  Result<ops::AdminResponse> Ask(const ops::AdminRequest& request) override {
    const env::NodeId node = connection_->found().begin()->first;
    const Result<Bytes> answer = env::posix::BlockingWait(
        connection_->peers()->Call(node, replication::Method::kAdmin, request.SerializeAsString(),
                                   TakesLong(request) ? kLongAnswerMicros : kAnswerMicros));
    KVFS_RETURN_IF_ERROR(answer.status());
    ops::AdminResponse response;
    if (!response.ParseFromString(*answer)) {
      return Status::IoError("node " + std::to_string(node) + " sent no sense");
    }
    KVFS_RETURN_IF_ERROR(ops::StatusOf(response));
    return response;
  }

 private:
  env::posix::PosixEnv env_;
  std::unique_ptr<ClusterConnection> connection_;
};

}  // namespace

Result<ops::AdminResponse> Ask(const std::string& data_directory,
                               const ops::AdminRequest& request) {
  KVFS_ASSIGN_OR_RETURN(Socket socket, ConnectInDirectory(data_directory));
  KVFS_RETURN_IF_ERROR(SendFrame(socket.fd(), request.SerializeAsString()));
  Result<Bytes> answer = ReceiveFrame(socket.fd(), ops::kMaxAdminResponseBytes);
  if (!answer.ok()) {
    return Status::IoError(
        "the daemon of " + data_directory +
        " gave no answer (only root and its own user are heard): " + answer.error().message());
  }
  ops::AdminResponse response;
  if (!response.ParseFromString(*answer)) {
    return Status::IoError("the daemon of " + data_directory + " sent no sense");
  }
  KVFS_RETURN_IF_ERROR(ops::StatusOf(response));
  return response;
}

Result<std::unique_ptr<Asker>> Asker::Open(const AdminFlags& flags) {
  if (flags.peer.empty()) {
    KVFS_ASSIGN_OR_RETURN(const std::string data, LocateStore(flags.store));
    return std::unique_ptr<Asker>(std::make_unique<SocketAsker>(data));
  }
  auto asker = std::make_unique<PeerAsker>();
  if (const Status opened = asker->Open(flags); !opened.ok()) {
    return opened.code() == Code::kInvalidArgument ? opened.Annotate("--peer") : opened;
  }
  return std::unique_ptr<Asker>(std::move(asker));
}

}  // namespace kvfs::tools
