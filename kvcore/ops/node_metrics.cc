#include "kvcore/ops/node_metrics.h"

#include <array>
#include <map>

namespace kvfs::ops {
namespace {

using replication::Method;

constexpr size_t kMostUnmerged = 10'000;  // counted

struct NamedMethod {
  Method method;
  const char* name;
};
constexpr std::array kNamedMethods =
    std::to_array<NamedMethod>({{Method::kSubmit, "submit"},
                                {Method::kRead, "read"},
                                {Method::kPutChunk, "put_chunk"},
                                {Method::kReadChunk, "read_chunk"},
                                {Method::kDropChunk, "drop_chunk"},
                                {Method::kChunkInfo, "chunk_info"},
                                {Method::kSync, "sync"},
                                {Method::kApply, "apply"},
                                {Method::kPromise, "promise"},
                                {Method::kState, "state"},
                                {Method::kInstall, "install"},
                                {Method::kPage, "page"},
                                {Method::kList, "list"},
                                {Method::kRepair, "repair"},
                                {Method::kBranchPush, "branch_push"},
                                {Method::kBranchInstall, "branch_install"},
                                {Method::kBranchPage, "branch_page"},
                                {Method::kMerge, "merge"},
                                {Method::kMergeNow, "merge_now"},
                                {Method::kListChunks, "list_chunks"},
                                {Method::kDueWork, "due_work"},
                                {Method::kSpace, "space"},
                                {Method::kSums, "sums"},
                                {Method::kPlaces, "places"},
                                {Method::kMembers, "members"},
                                {Method::kWatch, "watch"},
                                {Method::kAdmin, "admin"}});

void AddRequests(const node::RequestMeters& requests, MetricList* list) {
  for (const auto& [method, name] : kNamedMethods) {
    list->Histogram("kvfs_request_seconds",
                    "Requests carried out by this node, by kind, with what they waited for others.",
                    requests.Of(method), {{"method", name}});
  }
  for (const auto& [method, name] : kNamedMethods) {
    list->Counter("kvfs_request_failures_total", "Those that ended with an error.",
                  static_cast<double>(requests.Of(method).failures), {{"method", name}});
  }
}

void AddMembers(const membership::View& view, MetricList* list) {
  std::map<std::string, int> counts{{"up", 0}, {"suspect", 0}, {"down", 0}, {"left", 0}};
  for (const auto& [node, status] : view.peers()) {
    switch (status.state) {
      case membership::State::kAlive:
        ++counts["up"];
        break;
      case membership::State::kSuspect:
        ++counts["suspect"];
        break;
      case membership::State::kDead:
        ++counts["down"];
        break;
      case membership::State::kLeft:
        ++counts["left"];
        break;
    }
  }
  for (const auto& [state, count] : counts) {
    list->Gauge("kvfs_members", "Nodes by what this one believes of them, itself included.", count,
                {{"state", state}});
  }
}

}  // namespace

Result<admin::HintsResponse> DescribeHints(node::ClusterNode* node) {
  admin::HintsResponse hints;
  KVFS_ASSIGN_OR_RETURN(const uint64_t chunks, node->chunks()->HintCount());
  KVFS_ASSIGN_OR_RETURN(const auto unmerged, node->home()->BranchedPks({}, kMostUnmerged));
  hints.set_chunks(chunks);
  hints.set_chunks_bound(node->chunks()->max_hints());
  hints.set_unmerged_keys(unmerged.size());
  hints.set_unmerged_is_more(unmerged.size() == kMostUnmerged);
  for (const auto& [home, count] : node->primary()->Hints()) {
    admin::HomeBehind* const line = hints.add_behind();
    line->set_node_id(home);
    line->set_keys(count);
  }
  return hints;
}

void AddNodeMetrics(node::ClusterNode* node, MetricList* list) {
  AddRequests(node->requests(), list);
  if (const auto view = node->view(); view != nullptr) {
    AddMembers(*view, list);
  }
  if (const auto hints = DescribeHints(node); hints.ok()) {
    list->Gauge("kvfs_hinted_chunks", "Chunks put here without a majority, to be handed over.",
                static_cast<double>(hints->chunks()));
    list->Gauge("kvfs_unmerged_keys",
                "Partition keys written without a majority, counted to 10,000.",
                static_cast<double>(hints->unmerged_keys()));
    double behind = 0;
    for (const auto& home : hints->behind()) {
      behind += static_cast<double>(home.keys());
    }
    list->Gauge("kvfs_lagging_keys", "Partition keys that another home is known to have missed.",
                behind);
  }
  if (const auto suspects = node->home()->Suspects(); suspects.ok()) {
    list->Gauge("kvfs_rebuilding_partitions", "Partitions that are rebuilt from the other homes.",
                static_cast<double>(suspects->size()));
  }
  const antientropy::AntiEntropy::Counts rounds = node->anti_entropy()->GetCounts();
  list->Counter("kvfs_antientropy_rounds_total", "Comparisons with all other homes.",
                static_cast<double>(rounds.rounds));
  list->Counter("kvfs_antientropy_calm_rounds_total", "Those in which nothing differed.",
                static_cast<double>(rounds.calm_rounds));
  list->Counter("kvfs_antientropy_healed_total", "Partition keys and chunks brought up to date.",
                static_cast<double>(rounds.healed));
  list->Counter("kvfs_antientropy_failures_total", "Those that could not be, yet.",
                static_cast<double>(rounds.failed));
  list->Counter("kvfs_antientropy_unheard_total", "Homes that did not answer a comparison.",
                static_cast<double>(rounds.unheard));
  if (rounds.last_calm_micros != 0) {
    list->Gauge(
        "kvfs_antientropy_calm_age_seconds", "Since the last comparison in which nothing differed.",
        static_cast<double>(node->env().clock->MonotonicMicros() - rounds.last_calm_micros) / 1e6);
  }
}

}  // namespace kvfs::ops
