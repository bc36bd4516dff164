#include "kvcore/replication/branch_merge.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {
namespace {

using versioning::Dot;
using versioning::Sibling;
using versioning::VersionedValue;

// A longer list of items to look at says less than it costs.
constexpr size_t kMaxWorkBytes = 1u << 20;

const Sibling* Find(const std::optional<VersionedValue>& value, const Dot& dot) {
  if (value.has_value()) {
    for (const Sibling& sibling : value->siblings) {
      if (sibling.dot == dot) {
        return &sibling;
      }
    }
  }
  return nullptr;
}

void Insert(std::vector<Sibling>* siblings, const Sibling& sibling) {
  const auto at =
      std::lower_bound(siblings->begin(), siblings->end(), sibling,
                       [](const Sibling& a, const Sibling& b) { return a.dot < b.dot; });
  if (at == siblings->end() || at->dot != sibling.dot) {
    siblings->insert(at, sibling);
  }
}

Result<std::optional<VersionedValue>> ReadItem(ItemSource* trunk, ByteView key) {
  KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, trunk->Read(key));
  std::optional<VersionedValue> value;
  if (stored.has_value()) {
    KVFS_ASSIGN_OR_RETURN(value, versioning::Decode(*stored));
  }
  return value;
}

// Everything of one merge.
class Merger {
 public:
  Merger(const Branch& branch, ByteView pk, const MergeContext& context, ItemSource* trunk)
      : branch_(branch), prefix_(PkPrefix(pk)), pk_(pk), context_(context), trunk_(trunk) {}

  Result<MergePlan> Plan() {
    KVFS_ASSIGN_OR_RETURN(merged_, MergedOf(trunk_, pk_));
    plan_.is_merged = CoversAll(merged_, branch_.held);
    if (plan_.is_merged) {
      return std::move(plan_);
    }
    KVFS_RETURN_IF_ERROR(Operations());
    for (const auto& [ck, value] : branch_.items) {
      KVFS_RETURN_IF_ERROR(Item(ck, value));
    }
    BranchCounts now = merged_;
    JoinInto(&now, branch_.held);
    Put(kMergedCk, EncodeCounts(now));
    if (!plan_.work.empty()) {
      KVFS_RETURN_IF_ERROR(Line());
    }
    return std::move(plan_);
  }

 private:
  void Put(ByteView ck, Bytes value) {
    StoreWrite& write = plan_.writes.emplace_back();
    write.key = prefix_ + Bytes(ck);
    write.value = std::move(value);
  }

  // Finds out which operations the trunk knows too, and lets it know the others.
  Status Operations() {
    struct Done {
      std::vector<Dot> dots;
      const Outcome* outcome = nullptr;  // of the least
    };
    std::map<Bytes, Done> done;  // by OutcomeCk
    for (const auto& [ck, outcome] : branch_.outcomes) {
      const Dot dot{outcome.version.high, outcome.version.low};
      Done& one = done[OutcomeCk(DecodeBranchOutcomeCk(ck).first)];
      if (one.dots.empty() || dot < *std::min_element(one.dots.begin(), one.dots.end())) {
        one.outcome = &outcome;
      }
      one.dots.push_back(dot);
    }
    for (const auto& [ck, one] : done) {
      KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, trunk_->Read(prefix_ + ck));
      Outcome counts = *one.outcome;
      bool is_recorded = false;
      if (stored.has_value()) {
        KVFS_ASSIGN_OR_RETURN(const Outcome recorded, DecodeOutcome(*stored));
        is_recorded = !recorded.conflict;  // who was told that it happened has been told last
        counts = is_recorded ? recorded : counts;
      }
      if (!is_recorded) {
        Put(ck, EncodeOutcome(counts));
      }
      for (const Dot& dot : one.dots) {
        if (const Dot other{counts.version.high, counts.version.low}; dot != other) {
          same_[dot] = other;
        }
      }
    }
    return Status::Ok();
  }

  Status Item(const Bytes& ck, const VersionedValue& value) {
    KVFS_ASSIGN_OR_RETURN(const std::optional<VersionedValue> before,
                          ReadItem(trunk_, prefix_ + ck));
    std::optional<VersionedValue> after = MergeItem(before, value, merged_, same_);
    if (after == before) {
      return Status::Ok();
    }
    const bool has_tombstone =
        after.has_value() && std::any_of(after->siblings.begin(), after->siblings.end(),
                                         [](const Sibling& one) { return one.tombstone; });
    if (after.has_value()) {
      std::erase_if(after->siblings, [](const Sibling& one) { return one.tombstone; });
    }
    if (!after.has_value() || after->siblings.empty()) {
      if (before.has_value()) {
        StoreWrite& erase = plan_.writes.emplace_back();
        erase.kind = StoreWrite::Kind::kDelete;
        erase.key = prefix_ + ck;
      }
      return Status::Ok();
    }
    uint8_t why = 0;
    why |= after->siblings.size() > 1 ? MergedItem::kSiblings : 0;
    why |= !before.has_value() && WasInTrunk(value) ? MergedItem::kCameBack : 0;
    why |= before.has_value() && has_tombstone ? MergedItem::kKept : 0;
    if (why != 0 && !ck.starts_with(kPkWorkCk)) {
      plan_.work.items.push_back({ck, why});
    }
    Bytes encoded;
    versioning::Encode(*after, &encoded);
    Put(ck, std::move(encoded));
    return Status::Ok();
  }

  // Whether the branch has changed something that it found in the trunk.
  bool WasInTrunk(const VersionedValue& value) const {
    return std::any_of(value.context.begin(), value.context.end(),
                       [&](const Dot& seen) { return !branch_.held.contains(seen.epoch); });
  }

  Status Line() {
    WorkKey key;
    key.due_millis = context_.now_millis;
    key.kind = kMergedWork;
    key.id = Bytes(pk_);
    while (true) {  // an earlier merge of the same moment has its own
      KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> taken,
                            trunk_->Read(prefix_ + kPkWorkCk + WorkCk(key)));
      if (!taken.has_value()) {
        break;
      }
      ++key.due_millis;
    }
    Bytes value = EncodeMergedWork(plan_.work);
    if (value.size() > kMaxWorkBytes) {
      plan_.work = MergedWork();
      plan_.work.all = true;
      value = EncodeMergedWork(plan_.work);
    }
    Bytes encoded;
    versioning::EncodeLone(context_.dot, context_.time, value, &encoded);
    Put(kPkWorkCk + WorkCk(key), std::move(encoded));
    return Status::Ok();
  }

  const Branch& branch_;
  const Bytes prefix_;
  const ByteView pk_;
  const MergeContext context_;
  ItemSource* const trunk_;
  BranchCounts merged_;
  SameDots same_;
  MergePlan plan_;
};

}  // namespace

std::optional<VersionedValue> MergeItem(const std::optional<VersionedValue>& trunk,
                                        const VersionedValue& branch, const BranchCounts& merged,
                                        const SameDots& same) {
  const std::optional<VersionedValue> own = branch;
  // Whether the branch holds a copy of what `original` names, or held one and replaced it.
  const auto copied = [&](const Dot& original, bool is_held) {
    return std::any_of(same.begin(), same.end(), [&](const auto& entry) {
      return entry.second == original && Covers(branch.context, entry.first) &&
             (Find(own, entry.first) != nullptr) == is_held;
    });
  };
  VersionedValue counts;
  counts.context = branch.context;
  for (const Sibling& sibling : branch.siblings) {
    if (!same.contains(sibling.dot) && !copied(sibling.dot, false) &&
        (!Has(merged, sibling.dot) || Find(trunk, sibling.dot) != nullptr)) {
      Insert(&counts.siblings, sibling);
    }  // else it was taken in before, and deleted or replaced since; or it is somebody's copy
  }
  bool changes = !counts.siblings.empty();
  for (const Sibling& held : trunk.has_value() ? trunk->siblings : std::vector<Sibling>()) {
    // Of an operation that was carried out twice, the trunk's version goes where a copy of it was
    // replaced, and else does not go because the branch has seen it.
    if (copied(held.dot, false)) {
      counts.context = versioning::Join(counts.context, {held.dot});
      changes = true;
    } else if (copied(held.dot, true)) {
      Insert(&counts.siblings, held);
    }
  }
  if (!changes) {
    return trunk;
  }
  if (!trunk.has_value()) {
    return counts;
  }
  for (const Sibling& sibling : counts.siblings) {
    counts.context = versioning::Join(counts.context, {sibling.dot});
  }
  VersionedValue result = versioning::Merge(*trunk, counts);
  if (result.siblings.empty()) {
    return std::nullopt;
  }
  return result;
}

void JoinInto(Branch* branch, const Branch& other) {
  JoinInto(&branch->held, other.held);
  for (const auto& [ck, value] : other.items) {
    const auto [at, is_new] = branch->items.emplace(ck, value);
    if (!is_new) {
      at->second = versioning::Merge(at->second, value);
    }
  }
  branch->outcomes.insert(other.outcomes.begin(), other.outcomes.end());
}

Result<MergePlan> PlanMerge(const Branch& branch, ByteView pk, const MergeContext& context,
                            ItemSource* trunk) {
  return Merger(branch, pk, context, trunk).Plan();
}

Result<BranchCounts> MergedOf(ItemSource* trunk, ByteView pk) {
  KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, trunk->Read(PkPrefix(pk) + kMergedCk));
  return stored.has_value() ? DecodeCounts(*stored) : BranchCounts();
}

}  // namespace kvfs::replication
