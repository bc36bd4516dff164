#include "kvcore/node/store_check.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/replication/keys.h"
#include "kvcore/versioning/version.h"

namespace kvfs::node {
namespace {

using replication::KeyKind;
using replication::ParsedKey;
using replication::StoreWrite;

bool IsKnownNote(ByteView name) {
  constexpr std::array kNames =
      std::to_array<ByteView>({"identity", "dots", "inodes", "lives", "incarnation", "new-store"});
  constexpr std::array kPrefixes =
      std::to_array<ByteView>({"promise", "unsynced", "chunk-hint", "merkle-", "layout"});
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](ByteView prefix) { return name.starts_with(prefix); });
}

class Checker {
 public:
  Checker(const Identity& identity, const StoreCheckOptions& options,
          replication::LocalStore* store)
      : identity_(identity), options_(options), store_(store) {}

  Result<StoreReport> Run() {
    // Read before the walk: what is written during it is not looked at.
    KVFS_RETURN_IF_ERROR(ReadReservedDots());
    const auto entries = store_->Scan(Bytes(), Bytes());
    for (; entries->Valid(); entries->Next()) {
      const Result<ParsedKey> parsed = replication::ParseKey(entries->key(), true);
      if (!parsed.ok()) {
        Report("bad-key", parsed.status().message(), Bytes(entries->key()));
        continue;
      }
      if (parsed->pk != pk_ || parsed->place != place_) {
        KVFS_RETURN_IF_ERROR(FinishPk());
        pk_ = Bytes(parsed->pk);
        place_ = parsed->place;
      }
      KVFS_RETURN_IF_ERROR(Check(*parsed, *entries));
    }
    if (!entries->status().ok()) {
      Report("unreadable", "the walk ends here: " + entries->status().ToString(), Bytes());
      return std::move(report_);
    }
    KVFS_RETURN_IF_ERROR(FinishPk());
    return std::move(report_);
  }

 private:
  Status ReadReservedDots() {
    const Result<Bytes> stored = store_->Get(replication::NodeLocalKey("dots"));
    if (stored.ok() && stored->size() == sizeof(uint64_t)) {
      reserved_dots_ = DecodeFixed64(stored->data());
    } else if (!stored.ok() && stored.status().code() != Code::kNotFound) {
      return stored.status();
    }
    return Status::Ok();
  }

  Status Check(const ParsedKey& parsed, const replication::StoreIterator& entry) {
    const Bytes key(entry.key());
    switch (parsed.kind) {
      case KeyKind::kNodeLocal:
        if (!IsKnownNote(parsed.ck)) {
          Report("unknown-note", "a note of an unknown name", key);
        }
        break;
      case KeyKind::kItem:
        ++report_.items;
        ++items_of_pk_;
        CheckVersions(key, entry.value());
        break;
      case KeyKind::kState: {
        state_key_ = key;
        const auto state = replication::DecodePkState(entry.value());
        if (!state.ok()) {
          Report("bad-state", state.status().message(), key);
        }
        break;
      }
      case KeyKind::kWork: {
        ++report_.work_items;
        const auto work = replication::DecodeWorkCk(parsed.ck);
        if (!work.ok()) {
          Report("bad-key", work.status().message(), key);
        } else if (work->kind == replication::kSweepWork) {
          to_be_swept_.insert(work->id);
        }
        CheckPlaceOfIndex(parsed, key);
        CheckVersions(key, entry.value());
        break;
      }
      case KeyKind::kOutcome:
      case KeyKind::kExpired:
      case KeyKind::kMerged:
      case KeyKind::kStrong:
      case KeyKind::kBranchNote:
      case KeyKind::kBranchItem:
      case KeyKind::kBranchOutcome:
        break;  // of stores with several homes, whose dots come from elsewhere too
      case KeyKind::kPkWork:
        CheckVersions(key, entry.value());
        break;
      case KeyKind::kChunkData:
        chunk_key_ = key;
        ++report_.chunks;
        if (!options_.skip_chunk_bytes) {
          CheckChunkBytes(key, replication::ChunkIdOfPk(parsed.pk));
        }
        break;
      case KeyKind::kChunkRef: {
        ++report_.references;
        ++references_of_pk_;
        const auto ref = replication::DecodeRefCk(parsed.ck);
        if (!ref.ok()) {
          Report("bad-key", ref.status().message(), key);
        } else if (chunk_key_.empty()) {
          Report("missing-chunk",
                 "inode " + std::to_string(ref->ino) + " (home " + std::to_string(ref->home) +
                     ") needs chunk " + ToHex(AsBytes(replication::ChunkIdOfPk(parsed.pk))) +
                     " at level " + std::to_string(ref->level) + ", position " +
                     std::to_string(ref->position),
                 key);
        }
        CheckVersions(key, entry.value());
        break;
      }
    }
    return Status::Ok();
  }

  void CheckVersions(const Bytes& key, ByteView stored) {
    const auto value = versioning::Decode(stored);
    if (!value.ok()) {
      Report("bad-item", value.status().message(), key);
      return;
    }
    for (const versioning::Dot& dot : value->context) {
      const auto& epochs = identity_.storage_epochs;
      if (std::find(epochs.begin(), epochs.end(), dot.epoch) == epochs.end()) {
        if (options_.is_shared) {
          continue;
        }
        Report("unknown-epoch", "a version of a storage epoch this store never had", key);
      } else if (dot.epoch == epochs.back() && dot.counter >= reserved_dots_) {
        Report("unreserved-dot", "a version whose number was not reserved", key);
      }
    }
  }

  void CheckPlaceOfIndex(const ParsedKey& parsed, const Bytes& key) {
    const uint32_t partition = replication::PartitionOf(parsed.place, identity_.partition_bits);
    if (replication::FirstPlace(partition, identity_.partition_bits) != parsed.place) {
      Report("bad-key", "key: not at the beginning of its partition", key);
    }
  }

  void CheckChunkBytes(const Bytes& key, const replication::ChunkId& id) {
    const Result<Bytes> bytes = store_->Get(key);
    if (!bytes.ok()) {
      if (bytes.status().code() != Code::kNotFound) {  // else dropped since the walk began
        Report("damaged-chunk", bytes.status().ToString(), key);
      }
      return;
    }
    report_.chunk_bytes += bytes->size();
    if (Sha256(*bytes) != id) {
      Report("damaged-chunk", "chunk " + ToHex(AsBytes(id)) + " does not have its hash", key);
    }
  }

  // Everything of one partition key has been seen.
  Status FinishPk() {
    if (!chunk_key_.empty() && references_of_pk_ == 0 && !options_.is_shared) {
      KVFS_RETURN_IF_ERROR(Repairable("unreferenced-chunk",
                                      "nothing refers to chunk " + ToHex(ByteView(pk_).substr(1)),
                                      StoreWrite::Kind::kDeleteLarge, chunk_key_));
    }
    // A partition's work index comes before the rest of it.
    if (!state_key_.empty() && items_of_pk_ == 0 && !to_be_swept_.contains(pk_) &&
        !options_.is_shared) {
      KVFS_RETURN_IF_ERROR(Repairable("leftover-state",
                                      "the state of a key without items that no sweep will find",
                                      StoreWrite::Kind::kDelete, state_key_));
    }
    chunk_key_.clear();
    state_key_.clear();
    references_of_pk_ = 0;
    items_of_pk_ = 0;
    return Status::Ok();
  }

  Status Repairable(std::string kind, std::string message, StoreWrite::Kind write_kind,
                    const Bytes& key) {
    Report(std::move(kind), std::move(message), key);
    if (!options_.repair) {
      return Status::Ok();
    }
    std::vector<StoreWrite> writes(1);
    writes[0].kind = write_kind;
    writes[0].key = key;
    KVFS_RETURN_IF_ERROR(store_->Apply(std::move(writes), {.may_use_reserve = true}).status());
    if (report_.problem_count == report_.problems.size()) {
      report_.problems.back().repaired = true;
    }
    return Status::Ok();
  }

  void Report(std::string kind, std::string message, Bytes key) {
    ++report_.problem_count;
    if (report_.problems.size() < options_.max_problems) {
      report_.problems.push_back({std::move(kind), std::move(message), std::move(key), false});
    }
  }

  const Identity& identity_;
  const StoreCheckOptions options_;
  replication::LocalStore* const store_;
  StoreReport report_;
  uint64_t reserved_dots_ = 0;
  std::set<Bytes> to_be_swept_;  // partition keys whose state the work index knows to look at
  // Of the partition key the walk is in.
  Bytes pk_;
  uint16_t place_ = 0;
  Bytes chunk_key_;  // empty = no bytes
  Bytes state_key_;
  uint64_t references_of_pk_ = 0;
  uint64_t items_of_pk_ = 0;
};

}  // namespace

Result<StoreReport> CheckStore(const Identity& identity, const StoreCheckOptions& options,
                               replication::LocalStore* store) {
  return Checker(identity, options, store).Run();
}

Result<std::vector<Bytes>> ListPartitionKeys(replication::LocalStore* store) {
  std::vector<Bytes> pks;
  const auto entries = store->Scan(Bytes(), Bytes());
  for (; entries->Valid(); entries->Next()) {
    const Result<ParsedKey> parsed = replication::ParseKey(entries->key(), true);
    if (parsed.ok() && parsed->kind == KeyKind::kItem &&
        (pks.empty() || pks.back() != parsed->pk)) {
      pks.emplace_back(parsed->pk);
    }
  }
  KVFS_RETURN_IF_ERROR(entries->status());
  return pks;
}

}  // namespace kvfs::node
