// What becomes of the items of a pk when a branch is merged into its trunk, and how the two look
// together before that (doc/replication.md, "Without a majority"). Pure but for the reads asked
// of an ItemSource.
#pragma once

#include <map>
#include <optional>

#include "kvcore/replication/branch_note.h"
#include "kvcore/replication/item_source.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/merged_work.h"
#include "kvcore/replication/outcome.h"
#include "kvcore/versioning/version.h"

namespace kvfs::replication {

// A whole branch of a pk, as some home holds it.
struct Branch {
  BranchCounts held;
  std::map<Bytes, versioning::VersionedValue> items;  // of users and lines of work, by ck
  std::map<Bytes, Outcome> outcomes;                  // by BranchOutcomeCk; none is a conflict
};

// Dots of a branch that stand for what was also written under another dot: the same operation,
// carried out twice.
using SameDots = std::map<versioning::Dot, versioning::Dot>;

// An item that the trunk holds as `trunk` and the branch as `branch`, where the trunk has taken in
// `merged` of the branches: with tombstones, if the branch's count. Nothing: there is none.
std::optional<versioning::VersionedValue> MergeItem(
    const std::optional<versioning::VersionedValue>& trunk,
    const versioning::VersionedValue& branch, const BranchCounts& merged, const SameDots& same);

// What two homes hold together of one branch.
void JoinInto(Branch* branch, const Branch& other);

struct MergeContext {
  versioning::Dot dot;  // minted for the line of work
  versioning::HybridTime time = 0;
  int64_t now_millis = 0;
};
struct MergePlan {
  bool is_merged = false;  // everything has been taken in before; nothing to write
  std::vector<StoreWrite> writes;
  MergedWork work;  // of which there is a line among the writes, unless it is empty
};
Result<MergePlan> PlanMerge(const Branch& branch, ByteView pk, const MergeContext& context,
                            ItemSource* trunk);

// How much of each branch has been merged into the pk.
Result<BranchCounts> MergedOf(ItemSource* trunk, ByteView pk);

}  // namespace kvfs::replication
