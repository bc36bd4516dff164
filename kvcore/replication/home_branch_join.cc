// The part of Home that brings branches from home to home, and ends them: doc/replication.md.
#include <utility>

#include "kvcore/replication/home.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/pk_items.h"
#include "kvcore/replication/store_items.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {

using versioning::VersionedValue;

Status Home::MakeRoom(ByteView pk, const std::vector<StoreWrite>& writes) {
  uint64_t bytes = 0;
  for (const StoreWrite& write : writes) {
    bytes += BytesOf(write.key, write.value);
  }
  OwnBranch& own = At(PartitionAt(pk)).branches[Bytes(pk)];
  if (own.bytes == 0 || own.bytes + bytes > options_.max_branch_bytes) {
    own.bytes = 0;
    const Bytes prefix = BranchPrefix(pk);
    const auto entries = store_->Scan(prefix, PrefixEnd(prefix));
    for (; entries->Valid(); entries->Next()) {
      own.bytes += BytesOf(entries->key(), entries->value());
    }
    KVFS_RETURN_IF_ERROR(entries->status());
    if (own.bytes + bytes > options_.max_branch_bytes) {
      return Status::NoSpace(
          "no majority answers, and the directory has taken in as much as it "
          "may without one (max_branch_bytes)");
    }
  }
  own.bytes += bytes;
  return Status::Ok();
}

Status Home::JoinIn(ByteView pk, const Branch& other, bool sync, Position* position) {
  std::vector<StoreWrite> writes;
  StoreItems items(store_);
  const Bytes prefix = BranchPrefix(pk);
  for (const auto& [ck, value] : other.items) {
    KVFS_ASSIGN_OR_RETURN(const auto stored, items.Read(prefix + ck));
    VersionedValue joined = value;
    if (stored.has_value()) {
      KVFS_ASSIGN_OR_RETURN(const VersionedValue own, versioning::Decode(*stored));
      joined = versioning::Merge(own, value);
      if (joined == own) {
        continue;
      }
    }
    Bytes encoded;
    versioning::Encode(joined, &encoded);
    writes.push_back(BranchWrite(pk, ck, std::move(encoded)));
  }
  for (const auto& [ck, outcome] : other.outcomes) {
    writes.push_back(BranchWrite(pk, ck, EncodeOutcome(outcome)));
  }
  KVFS_ASSIGN_OR_RETURN(const auto note, items.Read(prefix + kStateCk));
  BranchCounts held;
  if (note.has_value()) {
    KVFS_ASSIGN_OR_RETURN(held, DecodeCounts(*note));
  }
  JoinInto(&held, other.held);
  writes.push_back(BranchWrite(pk, ByteView(&kStateCk, 1), EncodeCounts(held)));
  KVFS_RETURN_IF_ERROR(MakeRoom(pk, writes));
  KVFS_ASSIGN_OR_RETURN(*position, Write(PartitionAt(pk), {}, std::move(writes), sync));
  return Status::Ok();
}

Task<Result<pb::BranchReply>> Home::Join(pb::BranchPushRequest request) {
  const uint32_t partition = PartitionAt(request.pk());
  Status admitted = co_await store_->Admit(static_cast<uint64_t>(request.ByteSizeLong()));
  KVFS_CO_RETURN_IF_ERROR(admitted);
  pb::BranchReply reply;
  Position position = 0;
  {
    auto guard = co_await At(partition).mutex.Lock();
    KVFS_CO_RETURN_IF_ERROR(Load(partition).status());
    KVFS_CO_ASSIGN_OR_RETURN(const BranchView view, BranchView::Of(store_, request.pk()));
    const uint64_t count = CountOf(view.held(), request.actor());
    position = store_->LastPosition();
    reply.set_held(count >= request.count());
    if (!reply.held() && count + 1 == request.count() && request.entries_size() > 0) {
      Branch one;
      one.held[request.actor()] = request.count();
      for (const pb::Entry& entry : request.entries()) {
        KVFS_CO_RETURN_IF_ERROR(AddToBranch(entry.ck(), entry.value(), &one));
      }
      KVFS_CO_RETURN_IF_ERROR(JoinIn(request.pk(), one, request.sync(), &position));
      reply.set_held(true);
    }
  }
  Status safe = co_await Acknowledge(partition, position, request.sync());
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

Task<Result<pb::BranchReply>> Home::JoinWhole(Bytes pk, env::NodeId source, bool sync) {
  const uint32_t partition = PartitionAt(pk);
  auto fetched = co_await FetchBranch(peers_, pk, source, 2 * options_.max_branch_bytes,
                                      options_.page_timeout_micros);
  if (fetched.status().code() == Code::kNotFound) {
    fetched = Branch();
  }
  if (!fetched.ok()) {
    co_return fetched.status();
  }
  Position position = store_->LastPosition();
  if (!fetched->held.empty()) {
    auto guard = co_await At(partition).mutex.Lock();
    KVFS_CO_RETURN_IF_ERROR(Load(partition).status());
    KVFS_CO_RETURN_IF_ERROR(JoinIn(pk, *fetched, sync, &position));
  }
  Status safe = co_await Acknowledge(partition, position, sync);
  KVFS_CO_RETURN_IF_ERROR(safe);
  pb::BranchReply reply;
  reply.set_held(true);
  co_return reply;
}

Task<Result<pb::BranchPageReply>> Home::BranchPage(pb::BranchPageRequest request) {
  pb::BranchPageReply reply;
  const uint32_t partition = PartitionAt(request.pk());
  Position position = 0;
  {
    auto guard = co_await At(partition).mutex.Lock();
    KVFS_CO_RETURN_IF_ERROR(Load(partition).status());
    KVFS_CO_ASSIGN_OR_RETURN(const BranchView view, BranchView::Of(store_, request.pk()));
    ToProto(view.held(), reply.mutable_held());
    reply.set_valid(request.after().empty() || view.held() == FromProto(request.held()));
    if (!reply.valid() || view.held().empty()) {
      co_return reply;
    }
    bool more = false;
    KVFS_CO_RETURN_IF_ERROR(ReadAll(store_, BranchPrefix(request.pk()), request.after(),
                                    options_.page_bytes, reply.mutable_entries(), &more));
    reply.set_more(more);
    position = store_->LastPosition();
  }
  Status safe = co_await Acknowledge(partition, position, false);
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

Task<Result<Branch>> FetchBranch(Peers* peers, Bytes pk, env::NodeId source, uint64_t max_bytes,
                                 int64_t page_timeout_micros) {
  Branch branch;
  uint64_t bytes = 0;
  pb::BranchPageRequest request;
  request.set_pk(pk);
  while (true) {
    Bytes body = request.SerializeAsString();
    KVFS_CO_ASSIGN_OR_RETURN(
        const Bytes answer,
        co_await peers->Call(source, Method::kBranchPage, std::move(body), page_timeout_micros));
    KVFS_CO_ASSIGN_OR_RETURN(const pb::BranchPageReply page, Parse<pb::BranchPageReply>(answer));
    if (!page.valid()) {
      co_return Status::Unavailable("the branch has grown while it was fetched");
    }
    if (page.held().empty()) {
      co_return Status::NotFound("no branch");
    }
    branch.held = FromProto(page.held());
    for (const pb::Entry& entry : page.entries()) {
      if (entry.ck() <= request.after()) {
        co_return Status::InvalidArgument("message of a peer: a page out of order");
      }
      bytes += BytesOf(entry);
      request.set_after(entry.ck());
      KVFS_CO_RETURN_IF_ERROR(AddToBranch(entry.ck(), entry.value(), &branch));
    }
    if (bytes > max_bytes) {
      co_return Status::NoSpace("a branch of more than " + std::to_string(max_bytes) + " bytes");
    }
    if (!page.more() || page.entries().empty()) {
      co_return branch;
    }
    *request.mutable_held() = page.held();
  }
}

Task<Result<bool>> Home::ForgetBranch(Bytes pk, PkState merged_in, bool is_home) {
  const uint32_t partition = PartitionAt(pk);
  auto guard = co_await At(partition).mutex.Lock();
  KVFS_CO_RETURN_IF_ERROR(LoadSound(partition).status());
  KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(pk));
  StoreItems items(store_);
  KVFS_CO_ASSIGN_OR_RETURN(const BranchCounts merged, MergedOf(&items, pk));
  KVFS_CO_ASSIGN_OR_RETURN(const BranchView view, BranchView::Of(store_, pk));
  if (is_home && (state < merged_in || !CoversAll(merged, view.held()))) {
    co_return false;
  }
  std::vector<StoreWrite> writes;
  const Bytes prefix = BranchPrefix(pk);
  const auto entries = store_->Scan(prefix, PrefixEnd(prefix));
  for (; entries->Valid(); entries->Next()) {
    StoreWrite& erase = writes.emplace_back();
    erase.kind = StoreWrite::Kind::kDelete;
    erase.key = Bytes(entries->key());
  }
  KVFS_CO_RETURN_IF_ERROR(entries->status());
  if (!writes.empty()) {
    KVFS_CO_RETURN_IF_ERROR(Write(partition, {}, std::move(writes), false).status());
  }
  At(partition).branches.erase(pk);
  co_return true;
}

Result<std::vector<Bytes>> Home::BranchedPks(ByteView after, size_t limit) {
  std::vector<Bytes> pks;
  auto [at, end] = BranchRange();
  if (!after.empty()) {
    at = PrefixEnd(BranchPrefix(after));
  }
  while (pks.size() < limit) {
    const auto entries = store_->Scan(at, end);
    KVFS_RETURN_IF_ERROR(entries->status());
    if (!entries->Valid()) {
      break;
    }
    KVFS_ASSIGN_OR_RETURN(const ParsedKey parsed, ParseKey(entries->key(), false));
    pks.emplace_back(parsed.pk);
    at = PrefixEnd(BranchPrefix(parsed.pk));
  }
  return pks;
}

}  // namespace kvfs::replication
