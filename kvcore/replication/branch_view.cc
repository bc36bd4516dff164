#include "kvcore/replication/branch_view.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/pk_items.h"
#include "kvcore/replication/store_items.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {
namespace {

using versioning::VersionedValue;

Result<std::optional<VersionedValue>> Decoded(const std::optional<Bytes>& stored) {
  std::optional<VersionedValue> value;
  if (stored.has_value()) {
    KVFS_ASSIGN_OR_RETURN(value, versioning::Decode(*stored));
  }
  return value;
}

}  // namespace

BranchView::BranchView(LocalStore* store, ByteView pk)
    : store_(store), trunk_(PkPrefix(pk)), branch_(BranchPrefix(pk)) {}

Result<BranchView> BranchView::Of(LocalStore* store, ByteView pk) {
  BranchView view(store, pk);
  StoreItems items(store);
  KVFS_ASSIGN_OR_RETURN(view.merged_, MergedOf(&items, pk));
  KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> note, items.Read(view.branch_ + kStateCk));
  if (note.has_value()) {
    KVFS_ASSIGN_OR_RETURN(view.held_, DecodeCounts(*note));
  }
  return view;
}

Result<std::optional<VersionedValue>> BranchView::Merged(const std::optional<Bytes>& trunk,
                                                         const std::optional<Bytes>& own) const {
  KVFS_ASSIGN_OR_RETURN(std::optional<VersionedValue> value, Decoded(trunk));
  if (own.has_value()) {
    KVFS_ASSIGN_OR_RETURN(const VersionedValue over, versioning::Decode(*own));
    value = MergeItem(value, over, merged_, {});
  }
  return value;
}

Result<std::optional<VersionedValue>> BranchView::Own(ByteView ck) {
  KVFS_ASSIGN_OR_RETURN(const auto stored, StoreItems(store_).Read(branch_ + Bytes(ck)));
  return Decoded(stored);
}

Result<std::optional<VersionedValue>> BranchView::Item(ByteView ck) {
  StoreItems items(store_);
  KVFS_ASSIGN_OR_RETURN(const auto trunk, items.Read(trunk_ + Bytes(ck)));
  KVFS_ASSIGN_OR_RETURN(const auto own, items.Read(branch_ + Bytes(ck)));
  return Merged(trunk, own);
}

Result<std::optional<Bytes>> BranchView::Read(ByteView key) {
  StoreItems items(store_);
  KVFS_ASSIGN_OR_RETURN(std::optional<Bytes> trunk, items.Read(key));
  if (key.substr(trunk_.size()) == ByteView(&kStateCk, 1)) {
    return trunk;
  }
  KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> own, items.Read(ToBranch(key)));
  if (!own.has_value()) {
    return trunk;
  }
  KVFS_ASSIGN_OR_RETURN(const std::optional<VersionedValue> value, Merged(trunk, own));
  std::optional<Bytes> encoded;
  if (value.has_value()) {
    versioning::Encode(*value, &encoded.emplace());
  }
  return encoded;
}

Result<bool> BranchView::Contains(ByteView key) {
  KVFS_ASSIGN_OR_RETURN(const std::optional<VersionedValue> value, Item(key.substr(trunk_.size())));
  return value.has_value() && !IsAbsent(*value);
}

Result<bool> BranchView::AnyKey(ByteView begin, ByteView end,
                                const std::function<bool(ByteView)>& accept) {
  const auto own = store_->Scan(ToBranch(begin), ToBranch(end));
  for (; own->Valid(); own->Next()) {
    const Bytes key = trunk_ + Bytes(own->key().substr(branch_.size()));
    KVFS_ASSIGN_OR_RETURN(const bool there, Contains(key));
    if (there && accept(key)) {
      return true;
    }
  }
  KVFS_RETURN_IF_ERROR(own->status());
  const auto trunk = store_->Scan(begin, end);
  for (; trunk->Valid(); trunk->Next()) {
    KVFS_ASSIGN_OR_RETURN(const bool seen, store_->Contains(ToBranch(trunk->key())));
    if (!seen && accept(trunk->key())) {
      return true;
    }
  }
  KVFS_RETURN_IF_ERROR(trunk->status());
  return false;
}

Status BranchView::ReadRange(const pb::Range& range, uint64_t max_bytes, pb::Page* page) {
  const auto cks = UserRange(range);
  if (cks.empty()) {
    return Status::Ok();
  }
  uint64_t bytes = 0;
  const auto trunk = store_->Scan(trunk_ + cks.begin, trunk_ + cks.end);
  const auto own = store_->Scan(branch_ + cks.begin, branch_ + cks.end);
  while (trunk->Valid() || own->Valid()) {
    if (static_cast<uint32_t>(page->entries_size()) >= range.limit() ||
        (bytes >= max_bytes && page->entries_size() > 0)) {
      page->set_more(true);
      break;
    }
    const ByteView trunk_ck = trunk->Valid() ? trunk->key().substr(trunk_.size()) : ByteView();
    const ByteView own_ck = own->Valid() ? own->key().substr(branch_.size()) : ByteView();
    const bool in_trunk = trunk->Valid() && (!own->Valid() || trunk_ck <= own_ck);
    const bool in_own = own->Valid() && (!trunk->Valid() || own_ck <= trunk_ck);
    const Bytes ck(in_trunk ? trunk_ck : own_ck);
    std::optional<Bytes> trunk_value;
    std::optional<Bytes> own_value;
    if (in_trunk) {
      trunk_value = Bytes(trunk->value());
      trunk->Next();
    }
    if (in_own) {
      own_value = Bytes(own->value());
      own->Next();
    }
    KVFS_ASSIGN_OR_RETURN(const auto value, Merged(trunk_value, own_value));
    if (!value.has_value() || IsAbsent(*value)) {
      continue;
    }
    pb::Entry* const entry = page->add_entries();
    entry->set_ck(ck);
    versioning::Encode(*value, entry->mutable_value());
    bytes += entry->ck().size() + entry->value().size();
  }
  KVFS_RETURN_IF_ERROR(trunk->status());
  return own->status();
}

Status AddToBranch(const Bytes& ck, ByteView value, Branch* branch) {
  if (IsBranchOutcomeCk(ck)) {
    KVFS_ASSIGN_OR_RETURN(branch->outcomes[ck], DecodeOutcome(value));
  } else {
    KVFS_ASSIGN_OR_RETURN(branch->items[ck], versioning::Decode(value));
  }
  return Status::Ok();
}

Result<Branch> ReadBranch(LocalStore* store, ByteView pk) {
  Branch branch;
  const Bytes prefix = BranchPrefix(pk);
  const auto entries = store->Scan(prefix, PrefixEnd(prefix));
  for (; entries->Valid(); entries->Next()) {
    const Bytes ck(entries->key().substr(prefix.size()));
    if (ck == ByteView(&kStateCk, 1)) {
      KVFS_ASSIGN_OR_RETURN(branch.held, DecodeCounts(entries->value()));
    } else {
      KVFS_RETURN_IF_ERROR(AddToBranch(ck, entries->value(), &branch));
    }
  }
  KVFS_RETURN_IF_ERROR(entries->status());
  return branch;
}

StoreWrite BranchWrite(ByteView pk, ByteView ck, Bytes value) {
  StoreWrite write;
  write.key = BranchPrefix(pk) + Bytes(ck);
  write.value = std::move(value);
  return write;
}

}  // namespace kvfs::replication
