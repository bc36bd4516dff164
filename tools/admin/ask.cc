#include "tools/admin/ask.h"

#include "tools/common/admin_channel.h"

namespace kvfs::tools {

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

}  // namespace kvfs::tools
