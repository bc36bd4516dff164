#include "kvcore/ops/store_admin.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kvcore/node/store_check.h"
#include "kvcore/replication/keys.h"

namespace kvfs::ops {
namespace {

constexpr uint32_t kMaxDueWork = 10'000;  // counted for `status`

}  // namespace

void FillEngineStats(const engine::Stats& stats, admin::EngineStats* out) {
  for (const engine::LevelStats& level : stats.levels) {
    admin::EngineStats::Level* line = out->add_levels();
    line->set_tables(level.tables);
    line->set_bytes(level.bytes);
  }
  out->set_memtable_bytes(stats.memtable_bytes);
  out->set_log_bytes(stats.log_bytes);
  out->set_blob_files(stats.blob_files);
  out->set_blob_bytes(stats.blob_bytes);
  out->set_blob_garbage_bytes(stats.blob_garbage_bytes);
  out->set_other_bytes(stats.other_bytes);
  out->set_disk_bytes(stats.DiskBytes());
  out->set_user_bytes_written(stats.user_bytes_written);
  out->set_disk_bytes_written(stats.disk_bytes_written);
  out->set_syncs(stats.syncs);
  out->set_cache_bytes(stats.cache_bytes);
  out->set_cache_hits(stats.cache_hits);
  out->set_cache_misses(stats.cache_misses);
  out->set_memory_bytes(stats.memory_bytes);
  out->set_pending_compaction_bytes(stats.pending_compaction_bytes);
  out->set_needed_blob_bytes(stats.needed_blob_bytes);
  out->set_waiting_deletion_bytes(stats.waiting_deletion_bytes);
  out->set_flushes(stats.flushes);
  out->set_flushed_bytes(stats.flushed_bytes);
  out->set_compactions(stats.compactions);
  out->set_compaction_read_bytes(stats.compaction_read_bytes);
  out->set_compaction_written_bytes(stats.compaction_written_bytes);
  out->set_blob_rewrites(stats.blob_rewrites);
  out->set_blob_rewritten_bytes(stats.blob_rewritten_bytes);
  out->set_delays(stats.delays);
  out->set_delay_micros(stats.delay_micros);
  out->set_stalls(stats.stalls);
  out->set_stall_micros(stats.stall_micros);
  out->set_running_compactions(stats.running_compactions);
  out->set_write_amplification(stats.WriteAmplification());
  out->set_space_amplification(stats.SpaceAmplification());
  if (!stats.background_error.ok()) {
    out->set_background_error(stats.background_error.ToString());
  }
}

Status FillPlaces(node::Node* node, admin::ExplainResponse* explain) {
  const uint64_t here = node->identity().node_id;
  explain->add_nodes(here);
  for (admin::ExplainChunk& chunk : *explain->mutable_chunks()) {
    if (chunk.present()) {
      chunk.add_nodes(here);
    }
  }
  const auto value =
      node->store()->Get(replication::PkPrefix(explain->partition_key()) + replication::kStateCk);
  if (value.status().code() == Code::kNotFound) {
    return Status::Ok();  // emptied meanwhile
  }
  KVFS_RETURN_IF_ERROR(value.status());
  KVFS_ASSIGN_OR_RETURN(const auto state, replication::DecodePkState(*value));
  explain->set_epoch_number(state.epoch.number);
  explain->set_epoch_node(state.epoch.node);
  explain->set_seq(state.seq);
  return Status::Ok();
}

void StoreAdmin::RegisterWith(AdminService* service) {
  for (const AdminCommand command :
       {AdminCommand::kEngineStats, AdminCommand::kChunkInfo, AdminCommand::kCheckpoint,
        AdminCommand::kCompact, AdminCommand::kVerify, AdminCommand::kCheck}) {
    service->Register(command, this);
  }
  service->RegisterStatus(this);
  service->RegisterMetrics(this);
}

void StoreAdmin::AddMetrics(MetricList* list) {
  admin::EngineStats engine;
  FillEngineStats(node_->db()->GetStats(), &engine);
  AddEngineMetrics(engine, list);
  const replication::Primary::Stats commits = node_->GetCommitStats();
  list->Counter("kvfs_commits_total", "Transactions.", static_cast<double>(commits.commits));
  list->Counter("kvfs_commit_conflicts_total", "Those refused because an assert did not hold.",
                static_cast<double>(commits.conflicts));
}

Task<AdminResponse> StoreAdmin::Handle(AdminRequest request) {
  AdminResponse response;
  switch (request.command_case()) {
    case AdminCommand::kEngineStats:
      FillEngineStats(node_->db()->GetStats(), response.mutable_engine_stats()->mutable_stats());
      break;
    case AdminCommand::kChunkInfo:
      response = co_await ChunkInfo(request.chunk_info());
      break;
    case AdminCommand::kCheckpoint:
      response = co_await Checkpoint(request.checkpoint());
      break;
    case AdminCommand::kCompact:
      response = co_await Compact();
      break;
    case AdminCommand::kVerify:
      response = co_await Verify();
      break;
    case AdminCommand::kCheck:
      response = CheckStoreOf(node_->identity(), request.check(), false, node_->store());
      break;
    default:
      response = ErrorResponse(Status::InvalidArgument("not a command of the store"));
  }
  co_return response;
}

Task<Status> StoreAdmin::Contribute(admin::StatusResponse* status) {
  const node::Identity& identity = node_->identity();
  const engine::Stats stats = node_->db()->GetStats();
  FillEngineStats(stats, status->mutable_engine());

  admin::StoreStatus* store = status->mutable_store();
  store->set_cluster_id(identity.cluster_id);
  store->set_storage_epoch(identity.storage_epochs.back());
  store->set_node_id(identity.node_id);
  store->set_partitions(1u << identity.partition_bits);
  store->set_chunk_bytes(identity.chunk_bytes);
  store->set_used_bytes(stats.DiskBytes());
  uint64_t live = stats.blob_bytes - std::min(stats.blob_bytes, stats.blob_garbage_bytes);
  for (const engine::LevelStats& level : stats.levels) {
    live += level.bytes;
  }
  store->set_live_bytes(live);
  if (!stats.background_error.ok()) {
    store->set_read_only(true);
    store->set_read_only_reason(stats.background_error.ToString());
  }
  const replication::Primary::Stats commits = node_->GetCommitStats();
  store->set_commits(commits.commits);
  store->set_conflicts(commits.conflicts);

  client::Client* client = node_->client();
  const auto space = co_await client->Space();
  KVFS_CO_RETURN_IF_ERROR(space.status());
  store->set_capacity_bytes(space->total_bytes);
  store->set_available_bytes(space->available_bytes);
  const int64_t now = versioning::MillisOf(client->Now());
  const auto due = co_await client->DueWork(now, kMaxDueWork);
  KVFS_CO_RETURN_IF_ERROR(due.status());
  store->set_due_work(due->size());
  store->set_due_work_is_more(due->size() == kMaxDueWork);

  admin::NodeStatus* node = status->add_nodes();
  node->set_node_id(identity.node_id);
  node->set_state("up");
  node->set_capacity_bytes(space->total_bytes);
  node->set_used_bytes(stats.DiskBytes());
  node->set_partitions(store->partitions());
  co_return Status::Ok();
}

Task<AdminResponse> StoreAdmin::ChunkInfo(admin::ChunkInfoRequest request) {
  client::ChunkId id;
  if (request.hash().size() != id.size()) {
    co_return ErrorResponse(Status::InvalidArgument("the hash of a chunk has 32 bytes"));
  }
  std::memcpy(id.data(), request.hash().data(), id.size());
  const auto info = co_await node_->client()->GetChunkInfo(id);
  if (!info.ok()) {
    co_return ErrorResponse(info.status());
  }
  AdminResponse response;
  admin::ChunkInfoResponse* answer = response.mutable_chunk_info();
  answer->set_present(info->present);
  answer->set_raw_bytes(info->raw_bytes);
  answer->set_stored_bytes(info->stored_bytes);
  answer->set_references(info->references);
  if (info->present) {
    answer->add_nodes(node_->identity().node_id);
  }
  co_return response;
}

Task<AdminResponse> StoreAdmin::Checkpoint(admin::CheckpointRequest request) {
  if (!request.directory().starts_with('/')) {
    co_return ErrorResponse(Status::InvalidArgument("the directory must be an absolute path"));
  }
  Status done = co_await node_->Checkpoint(request.directory());
  if (!done.ok()) {
    co_return ErrorResponse(done);
  }
  AdminResponse response;
  response.mutable_checkpoint();
  co_return response;
}

Task<AdminResponse> StoreAdmin::Compact() {
  AdminResponse response;
  response.mutable_compact()->set_disk_bytes_before(node_->db()->GetStats().DiskBytes());
  Status done = co_await node_->db()->CompactAll();
  if (!done.ok()) {
    co_return ErrorResponse(done);
  }
  response.mutable_compact()->set_disk_bytes_after(node_->db()->GetStats().DiskBytes());
  co_return response;
}

Task<AdminResponse> StoreAdmin::Verify() { co_return co_await VerifyStore(node_->db()); }

Task<AdminResponse> VerifyStore(engine::Db* db) {
  Status done = co_await db->Verify();
  if (!done.ok()) {
    co_return ErrorResponse(done);
  }
  AdminResponse response;
  response.mutable_verify();
  co_return response;
}

AdminResponse CheckStoreOf(const node::Identity& identity, const admin::CheckRequest& request,
                           bool is_shared, replication::LocalStore* store) {
  const auto report = node::CheckStore(
      identity, {.skip_chunk_bytes = request.skip_chunk_bytes(), .is_shared = is_shared}, store);
  if (!report.ok()) {
    return ErrorResponse(report.status());
  }
  AdminResponse response;
  admin::CheckResponse* answer = response.mutable_check();
  for (const node::StoreProblem& problem : report->problems) {
    admin::Problem* line = answer->add_problems();
    line->set_kind(problem.kind);
    line->set_message(problem.message);
    line->set_key(problem.key);
  }
  answer->set_problem_count(report->problem_count);
  answer->set_items(report->items);
  answer->set_chunks(report->chunks);
  answer->set_chunk_bytes(report->chunk_bytes);
  answer->set_references(report->references);
  return response;
}

}  // namespace kvfs::ops
