#include "tools/admin/cluster_commands.h"

#include <utility>

#include "kvcore/ring/layout.h"
#include "kvcore/ring/plan.h"
#include "tools/admin/ask.h"
#include "tools/admin/key_text.h"
#include "tools/admin/print.h"

namespace kvfs::tools {
namespace {

using nlohmann::json;

// Of these commands: a store that is mounted has no other nodes.
Status NeedsPeer(const AdminFlags& flags) {
  if (flags.peer.empty() && flags.store.empty()) {
    return Status::InvalidArgument("which cluster? --peer HOST:PORT names one of its nodes");
  }
  return Status::Ok();
}

Result<ops::AdminResponse> AskOnce(const AdminFlags& flags, const ops::AdminRequest& request) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  return asker->Ask(request);
}

int PrintDone(const AdminFlags& flags, const char* what) {
  if (flags.json) {
    PrintJson({{"done", what}});
  }
  return kExitOk;
}

}  // namespace

Result<int> MembersCommand(const AdminFlags& flags) {
  KVFS_RETURN_IF_ERROR(NeedsPeer(flags));
  ops::AdminRequest request;
  request.mutable_members();
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  return Print(flags, response.members());
}

Result<int> RingCommand(const AdminFlags& flags) {
  KVFS_RETURN_IF_ERROR(NeedsPeer(flags));
  ops::AdminRequest request;
  request.mutable_ring();
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  KVFS_ASSIGN_OR_RETURN(const ring::Layout layout, ring::DecodeLayout(response.ring().layout()));
  if (flags.json) {
    PrintJson(LayoutJson(layout));
  } else {
    std::fputs(ring::Picture(layout).c_str(), stdout);
  }
  return kExitOk;
}

Result<int> ExplainKey(const AdminFlags& flags, const Bytes& pk) {
  ops::AdminRequest request;
  request.mutable_explain_key()->set_pk(pk);
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  return Print(flags, response.explain_key());
}

Result<int> KvGetCommand(const AdminFlags& flags, const KvFlags& kv) {
  ops::AdminRequest request;
  KVFS_ASSIGN_OR_RETURN(*request.mutable_kv_get()->mutable_pk(), ParseKey(kv.pk));
  KVFS_ASSIGN_OR_RETURN(*request.mutable_kv_get()->mutable_ck(), ParseKey(kv.ck));
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  if (!response.kv_get().has_item()) {
    return Status::NotFound("there is no item " + kv.ck + " of " + kv.pk);
  }
  return Print(flags, response.kv_get().item());
}

Result<int> KvPutCommand(const AdminFlags& flags, const KvFlags& kv) {
  ops::AdminRequest request;
  admin::KvPutRequest* const put = request.mutable_kv_put();
  KVFS_ASSIGN_OR_RETURN(*put->mutable_pk(), ParseKey(kv.pk));
  KVFS_ASSIGN_OR_RETURN(*put->mutable_ck(), ParseKey(kv.ck));
  put->set_value(kv.value);
  put->set_force(kv.force);
  KVFS_RETURN_IF_ERROR(AskOnce(flags, request).status());
  return PrintDone(flags, "put");
}

Result<int> KvDeleteCommand(const AdminFlags& flags, const KvFlags& kv) {
  ops::AdminRequest request;
  KVFS_ASSIGN_OR_RETURN(*request.mutable_kv_delete()->mutable_pk(), ParseKey(kv.pk));
  KVFS_ASSIGN_OR_RETURN(*request.mutable_kv_delete()->mutable_ck(), ParseKey(kv.ck));
  request.mutable_kv_delete()->set_force(kv.force);
  KVFS_RETURN_IF_ERROR(AskOnce(flags, request).status());
  return PrintDone(flags, "delete");
}

Result<int> KvScanCommand(const AdminFlags& flags, const KvFlags& kv) {
  ops::AdminRequest request;
  admin::KvScanRequest* const scan = request.mutable_kv_scan();
  KVFS_ASSIGN_OR_RETURN(*scan->mutable_pk(), ParseKey(kv.pk));
  KVFS_ASSIGN_OR_RETURN(*scan->mutable_begin(), ParseKey(kv.begin));
  KVFS_ASSIGN_OR_RETURN(*scan->mutable_end(), ParseKey(kv.end));
  scan->set_limit(kv.limit);
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  return Print(flags, response.kv_scan());
}

}  // namespace kvfs::tools
