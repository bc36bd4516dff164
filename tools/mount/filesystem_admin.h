// What a mounted daemon answers to kvfs-admin beyond what its store does: explain,
// the walk over the filesystem in a check, collecting garbage now. Thread-safe;
// borrowed by the admin service; borrows the node and the Vfs.
#pragma once

#include "fs/vfs/vfs.h"
#include "kvcore/client/client.h"
#include "kvcore/node/node.h"
#include "kvcore/ops/admin_service.h"

namespace kvfs::tools {

class FilesystemAdmin final : public ops::AdminHandler {
 public:
  // `store` answers the store's part of a check and compacts. It and `node` are null where the
  // store is a cluster: then only the filesystem is answered for.
  FilesystemAdmin(node::Node* node, client::Client* client, env::Env env, fs::Vfs* vfs,
                  ops::AdminHandler* store)
      : node_(node), client_(client), env_(env), vfs_(vfs), store_(store) {}

  // Takes kCheck over from the store's handler, if there is one, which must be registered before.
  void RegisterWith(ops::AdminService* service);

  Task<ops::AdminResponse> Handle(ops::AdminRequest request) override;

 private:
  Task<ops::AdminResponse> Explain(admin::ExplainRequest request);
  Task<ops::AdminResponse> Check(ops::AdminRequest request);
  Task<ops::AdminResponse> Collect();
  Task<ops::AdminResponse> Conflicts(admin::ConflictsRequest request);

  node::Node* const node_;
  client::Client* const client_;
  const env::Env env_;
  fs::Vfs* const vfs_;
  ops::AdminHandler* const store_;
};

}  // namespace kvfs::tools
