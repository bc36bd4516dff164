#include <cstdio>
#include <ctime>

#include "kvcore/base/bytes.h"
#include "tools/admin/render.h"
#include "tools/common/size.h"
#include "tools/common/table.h"

namespace kvfs::tools {
namespace {

constexpr int kShownChunks = 16;
constexpr size_t kShownHashDigits = 16;

std::string Count(uint64_t value) { return std::to_string(value); }

std::string Share(uint64_t part, uint64_t whole) {
  if (whole == 0) {
    return "";
  }
  return " (" + Count((part * 100 + whole / 2) / whole) + " %)";
}

std::string Duration(uint64_t millis) {
  const uint64_t seconds = millis / 1000;
  char text[48];
  std::snprintf(text, sizeof(text), "%lud %02lu:%02lu:%02lu", seconds / 86400, seconds / 3600 % 24,
                seconds / 60 % 60, seconds % 60);
  return seconds >= 86400 ? text : std::string(text).substr(3);
}

std::string Octal(uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04o", mode);
  return text;
}

std::string Ratio(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f", value);
  return text;
}

std::string Seconds(uint64_t micros) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f s", static_cast<double>(micros) / 1e6);
  return text;
}

void AddEngine(const admin::EngineStats& stats, Facts* facts) {
  facts->Heading("Engine");
  facts->Add("on disk", FormatSize(stats.disk_bytes()));
  facts->Add("logs", FormatSize(stats.log_bytes()));
  facts->Add("blob files", Count(stats.blob_files()) + ", " + FormatSize(stats.blob_bytes()) +
                               ", of which garbage " + FormatSize(stats.blob_garbage_bytes()));
  facts->Add("memtables", FormatSize(stats.memtable_bytes()));
  facts->Add("memory", FormatSize(stats.memory_bytes()));
  facts->Add("block cache",
             FormatSize(stats.cache_bytes()) + ", hits " + Count(stats.cache_hits()) +
                 Share(stats.cache_hits(), stats.cache_hits() + stats.cache_misses()));
  facts->Add("written", FormatSize(stats.user_bytes_written()) + " by users, " +
                            FormatSize(stats.disk_bytes_written()) + " to the disk");
  facts->Add("fdatasync calls", Count(stats.syncs()));
  facts->Add("amplification", Ratio(stats.write_amplification()) + " times written, " +
                                  Ratio(stats.space_amplification()) + " times the space needed");
  facts->Add("flushes", Count(stats.flushes()) + ", " + FormatSize(stats.flushed_bytes()));
  facts->Add("compactions", Count(stats.compactions()) + ", " +
                                FormatSize(stats.compaction_read_bytes()) + " read, " +
                                FormatSize(stats.compaction_written_bytes()) + " written; " +
                                Count(stats.running_compactions()) + " under way");
  facts->Add("blob files rewritten",
             Count(stats.blob_rewrites()) + ", " + FormatSize(stats.blob_rewritten_bytes()));
  facts->Add("to be compacted", FormatSize(stats.pending_compaction_bytes()));
  facts->Add("to be deleted", FormatSize(stats.waiting_deletion_bytes()));
  facts->Add("writers held back",
             Count(stats.delays()) + " times, " + Seconds(stats.delay_micros()) + "; stopped " +
                 Count(stats.stalls()) + " times, " + Seconds(stats.stall_micros()));
  if (!stats.background_error().empty()) {
    facts->Add("STOPPED WRITING", stats.background_error());
  }
}

}  // namespace

std::string ToText(const admin::EngineStats& stats) {
  Facts facts;
  AddEngine(stats, &facts);
  std::vector<std::vector<std::string>> rows;
  for (int level = 0; level < stats.levels_size(); ++level) {
    if (stats.levels(level).tables() != 0) {
      rows.push_back({std::to_string(level), Count(stats.levels(level).tables()),
                      FormatSize(stats.levels(level).bytes())});
    }
  }
  std::string out = facts.Text();
  if (!rows.empty()) {
    out += "\n" + FormatTable({"LEVEL", "TABLES", "SIZE"}, rows);
  }
  return out;
}

std::string ToText(const admin::StatusResponse& status) {
  if (status.has_cluster()) {
    return ClusterText(status);
  }
  Facts facts;
  const auto& process = status.process();
  facts.Heading("Daemon");
  facts.Add("version", process.version());
  facts.Add("pid", std::to_string(process.pid()));
  facts.Add("up", Duration(process.uptime_millis()));
  facts.Add("memory", FormatSize(process.resident_bytes()) +
                          " resident; caches and buffers up to " +
                          FormatSize(process.memory_limit_bytes()));
  facts.Add("data directory", process.data_directory());
  if (status.has_filesystem()) {
    const auto& filesystem = status.filesystem();
    facts.Heading("Filesystem");
    facts.Add("mounted at",
              filesystem.mountpoint() + (filesystem.read_only() ? " (read-only)" : ""));
    std::string options;
    for (const std::string& option : filesystem.options()) {
      options += (options.empty() ? "" : ",") + option;
    }
    facts.Add("options", options);
    facts.Add("operations", Count(filesystem.operations()));
    facts.Add("open files", Count(filesystem.open_files()));
    facts.Add("known inodes", Count(filesystem.tracked_inodes()));
    facts.Add("not yet written back", FormatSize(filesystem.dirty_bytes()));
    facts.Add(
        "chunk cache",
        FormatSize(filesystem.cached_bytes()) + ", hits " + Count(filesystem.cache_hits()) +
            Share(filesystem.cache_hits(), filesystem.cache_hits() + filesystem.cache_misses()));
  }
  const auto& store = status.store();
  facts.Heading("Store");
  facts.Add("used", FormatSize(store.used_bytes()) + ", live " + FormatSize(store.live_bytes()));
  facts.Add("available",
            FormatSize(store.available_bytes()) + " of " + FormatSize(store.capacity_bytes()));
  facts.Add("commits", Count(store.commits()) + ", refused " + Count(store.conflicts()));
  facts.Add("work due", (store.due_work_is_more() ? "at least " : "") + Count(store.due_work()));
  facts.Add("state", store.read_only() ? "READ-ONLY: " + store.read_only_reason() : "writable");
  AddEngine(status.engine(), &facts);
  return facts.Text();
}

std::string ToText(const admin::ExplainResponse& explain) {
  Facts facts;
  facts.Heading(explain.path().empty() ? "inode " + Count(explain.ino()) : explain.path());
  facts.Add("inode", Count(explain.ino()) + ", born in directory " + Count(explain.home()));
  facts.Add("kind", explain.type() + ", mode " + Octal(explain.mode()) + ", owner " +
                        Count(explain.uid()) + ":" + Count(explain.gid()));
  facts.Add("size", Count(explain.size()) + " bytes");
  facts.Add("links", Count(explain.nlink()));
  for (const std::string& link : explain.links()) {
    facts.Add("", link);
  }
  facts.Add("partition", Count(explain.partition()) + ", epoch " + Count(explain.epoch_number()) +
                             " of node " + Count(explain.epoch_node()) + ", transaction " +
                             Count(explain.seq()));
  std::string nodes;
  for (uint64_t node : explain.nodes()) {
    nodes += (nodes.empty() ? "" : ", ") + Count(node);
  }
  facts.Add("on nodes", nodes);
  for (const auto& version : explain.versions()) {
    facts.Add("version", "[" + Count(version.epoch()) + ", " + Count(version.counter()) + "]" +
                             (version.tombstone() ? " deleted" : ""));
  }
  facts.Add("content", explain.content());
  if (explain.chunk_count() != 0) {
    facts.Add("chunks",
              Count(explain.chunk_count()) +
                  (explain.tree_depth() > 0 ? ", in a tree of depth " + Count(explain.tree_depth())
                                            : ""));
    facts.Add("before compression", FormatSize(explain.raw_bytes()));
    facts.Add("after compression", FormatSize(explain.stored_bytes()) +
                                       Share(explain.stored_bytes(), explain.raw_bytes()));
    facts.Add("not shared with others", FormatSize(explain.exclusive_bytes()));
  }
  if (explain.overlay_blocks() != 0) {
    facts.Add("overlay blocks", Count(explain.overlay_blocks()));
  }
  facts.Add("not yet written back", FormatSize(explain.dirty_bytes()));
  std::string out = facts.Text();
  std::vector<std::vector<std::string>> rows;
  for (const auto& chunk : explain.chunks()) {
    if (rows.size() == kShownChunks) {
      break;
    }
    rows.push_back({Count(chunk.index()), Count(chunk.level()),
                    chunk.hash().empty() ? "hole" : ToHex(chunk.hash()).substr(0, kShownHashDigits),
                    Count(chunk.raw_bytes()), Count(chunk.stored_bytes()),
                    Count(chunk.references()),
                    chunk.present() || chunk.hash().empty() ? "" : "MISSING"});
  }
  if (!rows.empty()) {
    out +=
        "\n" + FormatTable({"CHUNK", "LEVEL", "SHA-256", "RAW", "STORED", "REFERENCES", ""}, rows);
    if (explain.chunk_count() > rows.size()) {
      out += "... " + Count(explain.chunk_count() - rows.size()) + " more (--json has them)\n";
    }
  }
  return out;
}

std::string ToText(const admin::CheckResponse& check) {
  std::string out;
  for (const auto& problem : check.problems()) {
    out += problem.kind() + ": " + problem.message() +
           (problem.path().empty() ? "" : " (" + problem.path() + ")") +
           (problem.repaired() ? " [repaired]" : "") + "\n";
  }
  if (check.problem_count() > static_cast<uint64_t>(check.problems_size())) {
    out += "... and " +
           Count(check.problem_count() - static_cast<uint64_t>(check.problems_size())) + " more\n";
  }
  out += "checked " + Count(check.items()) + " items, " + Count(check.inodes()) + " inodes, " +
         Count(check.chunks()) + " chunks (" + FormatSize(check.chunk_bytes()) + "), " +
         Count(check.references()) + " references: ";
  out +=
      check.problem_count() == 0 ? "no problems\n" : Count(check.problem_count()) + " problems\n";
  return out;
}

std::string ToText(const admin::ConflictsResponse& conflicts) {
  constexpr int kMillisBits = 16;
  std::string out;
  for (const auto& conflict : conflicts.conflicts()) {
    out += conflict.kind() + "\n";
    for (int i = 0; i < conflict.versions_size(); ++i) {
      const auto& version = conflict.versions(i);
      const auto seconds = static_cast<std::time_t>((version.time() >> kMillisBits) / 1000);
      std::tm utc{};
      gmtime_r(&seconds, &utc);
      char when[32];
      std::strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &utc);
      char dot[48];
      std::snprintf(dot, sizeof dot, "%016lx:%lu", version.epoch(), version.counter());
      out += std::string("  ") + (i == 0 ? "stays " : "other ") + " " + when + " UTC  " +
             (version.path().empty() ? "-" : version.path()) + "  (inode " + Count(version.ino()) +
             ", " + Count(version.size()) + " bytes, version " + dot +
             (version.is_there() || version.path().empty() ? ")" : ", no longer there)") + "\n";
    }
  }
  return out.empty() ? "no conflicts\n" : out;
}

}  // namespace kvfs::tools
