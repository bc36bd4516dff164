// BranchView: a pk as a home sees it that has taken something in without a majority: its branch
// over its copy of the trunk. What the pure core of transactions plans on then.
//
// Borrowed store; the caller holds the lock of the pk's partition.
#pragma once

#include <map>
#include <optional>

#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/branch_merge.h"
#include "kvcore/replication/item_source.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::replication {

class BranchView final : public ItemSource {
 public:
  static Result<BranchView> Of(LocalStore* store, ByteView pk);

  // Keys of the trunk's space, within the pk. Tombstones are read too: whoever writes there has to
  // know what they have seen.
  Result<std::optional<Bytes>> Read(ByteView key) override;
  Result<bool> Contains(ByteView key) override;
  Result<bool> AnyKey(ByteView begin, ByteView end,
                      const std::function<bool(ByteView)>& accept) override;

  // As ReadRange of pk_items.h.
  Status ReadRange(const pb::Range& range, uint64_t max_bytes, pb::Page* page);

  // What is there by ck, and what the branch alone has.
  Result<std::optional<versioning::VersionedValue>> Item(ByteView ck);
  Result<std::optional<versioning::VersionedValue>> Own(ByteView ck);
  const BranchCounts& held() const { return held_; }
  const Bytes& trunk_prefix() const { return trunk_; }
  const Bytes& branch_prefix() const { return branch_; }

 private:
  BranchView(LocalStore* store, ByteView pk);
  Bytes ToBranch(ByteView key) const { return branch_ + Bytes(key.substr(trunk_.size())); }
  Result<std::optional<versioning::VersionedValue>> Merged(const std::optional<Bytes>& trunk,
                                                           const std::optional<Bytes>& own) const;

  LocalStore* store_;
  Bytes trunk_;  // prefixes
  Bytes branch_;
  BranchCounts held_;
  BranchCounts merged_;  // into this home's copy of the trunk
};

// One of its entries, but the state. kCorruption.
Status AddToBranch(const Bytes& ck, ByteView value, Branch* branch);
// The whole branch of a pk, as it lies here.
Result<Branch> ReadBranch(LocalStore* store, ByteView pk);
// The write that puts one item, or what became of an operation, into a branch.
StoreWrite BranchWrite(ByteView pk, ByteView ck, Bytes value);

}  // namespace kvfs::replication
