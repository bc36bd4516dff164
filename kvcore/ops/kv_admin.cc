#include "kvcore/ops/kv_admin.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::ops {
namespace {

constexpr uint32_t kMaxScanItems = 10'000;
// Of values in one answer; a page ends where it gets longer.
constexpr size_t kMaxScanBytes = kMaxAdminResponseBytes / 2;

// Of the filesystem: directories, and what concerns all of the cluster (doc/formats/filesystem.md).
bool IsReserved(ByteView pk) {
  constexpr size_t kDirectoryPkBytes = 9;
  return pk == "cluster" || (pk.size() == kDirectoryPkBytes && pk.front() == 'D');
}

size_t FillItem(const client::Item& item, admin::KvItem* out) {
  size_t bytes = item.ck.size();
  out->set_ck(item.ck);
  for (const client::Sibling& sibling : item.siblings) {
    admin::KvSibling* const line = out->add_siblings();
    line->set_value(sibling.value);
    line->set_tombstone(sibling.tombstone);
    line->set_epoch(sibling.dot.epoch);
    line->set_counter(sibling.dot.counter);
    line->set_time(sibling.time);
    bytes += sibling.value.size();
  }
  return bytes;
}

}  // namespace

void KvAdmin::RegisterWith(AdminService* service) {
  for (const AdminCommand command : {AdminCommand::kKvGet, AdminCommand::kKvPut,
                                     AdminCommand::kKvDelete, AdminCommand::kKvScan}) {
    service->Register(command, this);
  }
}

Task<AdminResponse> KvAdmin::Handle(AdminRequest request) {
  switch (request.command_case()) {
    case AdminCommand::kKvGet:
      return Get(request.kv_get());
    case AdminCommand::kKvScan:
      return Scan(request.kv_scan());
    case AdminCommand::kKvPut: {
      client::Write write{client::Write::Kind::kPut, request.kv_put().ck(),
                          request.kv_put().value()};
      return Write(request.kv_put().pk(), std::move(write), request.kv_put().force());
    }
    default: {
      client::Write write{client::Write::Kind::kErase, request.kv_delete().ck(), {}};
      return Write(request.kv_delete().pk(), std::move(write), request.kv_delete().force());
    }
  }
}

Task<AdminResponse> KvAdmin::Get(admin::KvGetRequest request) {
  const auto client = co_await client_();
  if (!client.ok()) {
    co_return ErrorResponse(client.status());
  }
  client::ItemKey key(request.pk(), request.ck());
  const auto item = co_await (*client)->Get(std::move(key));
  if (!item.ok()) {
    co_return ErrorResponse(item.status());
  }
  AdminResponse response;
  response.mutable_kv_get();
  if (item->has_value()) {
    FillItem(**item, response.mutable_kv_get()->mutable_item());
  }
  co_return response;
}

Task<AdminResponse> KvAdmin::Scan(admin::KvScanRequest request) {
  if (request.limit() < 1 || request.limit() > kMaxScanItems) {
    co_return ErrorResponse(Status::InvalidArgument("a page has 1 to 10,000 items"));
  }
  const auto client = co_await client_();
  if (!client.ok()) {
    co_return ErrorResponse(client.status());
  }
  const auto page =
      co_await (*client)->Scan(request.pk(), request.begin(), request.end(), request.limit());
  if (!page.ok()) {
    co_return ErrorResponse(page.status());
  }
  AdminResponse response;
  admin::KvScanResponse* const out = response.mutable_kv_scan();
  out->set_more(page->more);
  size_t bytes = 0;
  for (const client::Item& item : page->items) {
    if (bytes > kMaxScanBytes) {
      out->set_more(true);
      break;
    }
    bytes += FillItem(item, out->add_items());
  }
  co_return response;
}

Task<AdminResponse> KvAdmin::Write(Bytes pk, client::Write write, bool force) {
  if (IsReserved(pk) && !force) {
    co_return ErrorResponse(Status::InvalidArgument(
        "the filesystem keeps this partition key; changing it by hand can destroy files "
        "(--force does it all the same)"));
  }
  if (const Status valid = replication::CheckUserPk(pk); !valid.ok()) {
    co_return ErrorResponse(valid);
  }
  if (const Status valid = replication::CheckUserCk(write.ck); !valid.ok()) {
    co_return ErrorResponse(valid);
  }
  const auto client = co_await client_();
  if (!client.ok()) {
    co_return ErrorResponse(client.status());
  }
  const bool is_put = write.kind == client::Write::Kind::kPut;
  client::Txn txn;
  txn.pk = std::move(pk);
  txn.writes.push_back(std::move(write));
  client::Commit commit;
  commit.txns.push_back(std::move(txn));
  const auto result = co_await (*client)->Submit(std::move(commit));
  if (!result.status.ok()) {
    co_return ErrorResponse(result.status);
  }
  AdminResponse response;
  if (is_put) {
    response.mutable_kv_put();
  } else {
    response.mutable_kv_delete();
  }
  co_return response;
}

}  // namespace kvfs::ops
