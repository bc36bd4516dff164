// KvAdmin: serves what kvfs-admin asks of single items: a door for debugging. What the filesystem
// keeps is changed only by force. Borrows the client it is given; thread-safe.
#pragma once

#include <functional>

#include "kvcore/client/client.h"
#include "kvcore/ops/admin_service.h"

namespace kvfs::ops {

class KvAdmin final : public AdminHandler {
 public:
  // Asked for at each command: a node opens one when it is first needed.
  using ClientSource = std::function<Task<Result<client::Client*>>()>;

  explicit KvAdmin(ClientSource client) : client_(std::move(client)) {}
  void RegisterWith(AdminService* service);

  Task<AdminResponse> Handle(AdminRequest request) override;

 private:
  Task<AdminResponse> Get(admin::KvGetRequest request);
  Task<AdminResponse> Scan(admin::KvScanRequest request);
  Task<AdminResponse> Write(Bytes pk, client::Write write, bool force);

  const ClientSource client_;
};

}  // namespace kvfs::ops
