#include <cstdio>

#include "kvcore/base/bytes.h"
#include "tools/admin/render.h"

namespace kvfs::tools {

using nlohmann::json;

namespace {

// Names need not be UTF-8; bytes that are not are written as U+FFFD by the final dump.
json FilesystemJson(const admin::FilesystemStatus& filesystem) {
  return {{"mountpoint", filesystem.mountpoint()},
          {"options",
           std::vector<std::string>(filesystem.options().begin(), filesystem.options().end())},
          {"dirty_bytes", filesystem.dirty_bytes()},
          {"cached_bytes", filesystem.cached_bytes()},
          {"open_files", filesystem.open_files()},
          {"tracked_inodes", filesystem.tracked_inodes()},
          {"operations", filesystem.operations()},
          {"cache_hits", filesystem.cache_hits()},
          {"cache_misses", filesystem.cache_misses()},
          {"read_only", filesystem.read_only()}};
}

json StoreJson(const admin::StoreStatus& store) {
  return {{"cluster_id", ToHex(store.cluster_id())},
          {"storage_epoch", store.storage_epoch()},
          {"node_id", store.node_id()},
          {"partitions", store.partitions()},
          {"chunk_bytes", store.chunk_bytes()},
          {"capacity_bytes", store.capacity_bytes()},
          {"available_bytes", store.available_bytes()},
          {"used_bytes", store.used_bytes()},
          {"live_bytes", store.live_bytes()},
          {"due_work", store.due_work()},
          {"due_work_is_more", store.due_work_is_more()},
          {"read_only", store.read_only()},
          {"read_only_reason", store.read_only_reason()},
          {"commits", store.commits()},
          {"conflicts", store.conflicts()}};
}

}  // namespace

json ToJson(const admin::EngineStats& stats) {
  json levels = json::array();
  for (const auto& level : stats.levels()) {
    levels.push_back({{"tables", level.tables()}, {"bytes", level.bytes()}});
  }
  return {{"levels", levels},
          {"memtable_bytes", stats.memtable_bytes()},
          {"log_bytes", stats.log_bytes()},
          {"blob_files", stats.blob_files()},
          {"blob_bytes", stats.blob_bytes()},
          {"blob_garbage_bytes", stats.blob_garbage_bytes()},
          {"other_bytes", stats.other_bytes()},
          {"disk_bytes", stats.disk_bytes()},
          {"user_bytes_written", stats.user_bytes_written()},
          {"disk_bytes_written", stats.disk_bytes_written()},
          {"syncs", stats.syncs()},
          {"cache_bytes", stats.cache_bytes()},
          {"cache_hits", stats.cache_hits()},
          {"cache_misses", stats.cache_misses()},
          {"memory_bytes", stats.memory_bytes()},
          {"pending_compaction_bytes", stats.pending_compaction_bytes()},
          {"needed_blob_bytes", stats.needed_blob_bytes()},
          {"waiting_deletion_bytes", stats.waiting_deletion_bytes()},
          {"flushes", stats.flushes()},
          {"flushed_bytes", stats.flushed_bytes()},
          {"compactions", stats.compactions()},
          {"compaction_read_bytes", stats.compaction_read_bytes()},
          {"compaction_written_bytes", stats.compaction_written_bytes()},
          {"blob_rewrites", stats.blob_rewrites()},
          {"blob_rewritten_bytes", stats.blob_rewritten_bytes()},
          {"delays", stats.delays()},
          {"delay_micros", stats.delay_micros()},
          {"stalls", stats.stalls()},
          {"stall_micros", stats.stall_micros()},
          {"running_compactions", stats.running_compactions()},
          {"write_amplification", stats.write_amplification()},
          {"space_amplification", stats.space_amplification()},
          {"background_error", stats.background_error()}};
}

json ToJson(const admin::StatusResponse& status) {
  json nodes = json::array();
  for (const auto& node : status.nodes()) {
    nodes.push_back(NodeJson(node));
  }
  json out = {{"nodes", nodes}};
  if (status.has_process()) {
    out["process"] = {{"version", status.process().version()},
                      {"pid", status.process().pid()},
                      {"uptime_millis", status.process().uptime_millis()},
                      {"resident_bytes", status.process().resident_bytes()},
                      {"memory_limit_bytes", status.process().memory_limit_bytes()},
                      {"data_directory", status.process().data_directory()}};
  }
  if (status.has_store()) {
    out["store"] = StoreJson(status.store());
  }
  if (status.has_engine()) {
    out["engine"] = ToJson(status.engine());
  }
  if (status.has_cluster()) {
    out["cluster"] = ClusterJson(status.cluster());
  }
  if (status.has_filesystem()) {
    out["filesystem"] = FilesystemJson(status.filesystem());
  }
  return out;
}

json ToJson(const admin::ExplainResponse& explain) {
  json versions = json::array();
  for (const auto& version : explain.versions()) {
    versions.push_back({{"epoch", version.epoch()},
                        {"counter", version.counter()},
                        {"time_millis", version.time() >> 16},
                        {"tombstone", version.tombstone()}});
  }
  json chunks = json::array();
  for (const auto& chunk : explain.chunks()) {
    chunks.push_back(
        {{"index", chunk.index()},
         {"level", chunk.level()},
         {"hash", ToHex(chunk.hash())},
         {"raw_bytes", chunk.raw_bytes()},
         {"stored_bytes", chunk.stored_bytes()},
         {"references", chunk.references()},
         {"present", chunk.present()},
         {"nodes", std::vector<uint64_t>(chunk.nodes().begin(), chunk.nodes().end())}});
  }
  return {{"path", explain.path()},
          {"ino", explain.ino()},
          {"home", explain.home()},
          {"type", explain.type()},
          {"size", explain.size()},
          {"mode", explain.mode()},
          {"nlink", explain.nlink()},
          {"uid", explain.uid()},
          {"gid", explain.gid()},
          {"partition_key", ToHex(explain.partition_key())},
          {"partition", explain.partition()},
          {"versions", versions},
          {"content", explain.content()},
          {"tree_depth", explain.tree_depth()},
          {"overlay_blocks", explain.overlay_blocks()},
          {"chunks", chunks},
          {"chunk_count", explain.chunk_count()},
          {"raw_bytes", explain.raw_bytes()},
          {"stored_bytes", explain.stored_bytes()},
          {"exclusive_bytes", explain.exclusive_bytes()},
          {"dirty_bytes", explain.dirty_bytes()},
          {"nodes", std::vector<uint64_t>(explain.nodes().begin(), explain.nodes().end())},
          {"links", std::vector<std::string>(explain.links().begin(), explain.links().end())},
          {"epoch_number", explain.epoch_number()},
          {"epoch_node", explain.epoch_node()},
          {"seq", explain.seq()}};
}

json ToJson(const admin::CheckResponse& check) {
  json problems = json::array();
  for (const auto& problem : check.problems()) {
    problems.push_back({{"kind", problem.kind()},
                        {"message", problem.message()},
                        {"key", ToHex(problem.key())},
                        {"path", problem.path()},
                        {"repaired", problem.repaired()}});
  }
  return {{"problems", problems},
          {"problem_count", check.problem_count()},
          {"items", check.items()},
          {"chunks", check.chunks()},
          {"chunk_bytes", check.chunk_bytes()},
          {"references", check.references()},
          {"inodes", check.inodes()}};
}

json ToJson(const admin::ConflictsResponse& conflicts) {
  json out = json::array();
  for (const auto& conflict : conflicts.conflicts()) {
    json versions = json::array();
    for (const auto& version : conflict.versions()) {
      char dot[48];
      std::snprintf(dot, sizeof dot, "%016lx:%lu", version.epoch(), version.counter());
      versions.push_back({{"dot", dot},
                          {"time_millis", version.time() >> 16},
                          {"inode", version.ino()},
                          {"path", version.path()},
                          {"size", version.size()},
                          {"there", version.is_there()}});
    }
    out.push_back({{"kind", conflict.kind()},
                   {"time_millis", conflict.time() >> 16},
                   {"versions", versions}});
  }
  return {{"conflicts", out}};
}

}  // namespace kvfs::tools
