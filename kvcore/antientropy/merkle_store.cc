#include "kvcore/antientropy/merkle_store.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/keys.h"

namespace kvfs::antientropy {
namespace {

using replication::KeyKind;
using replication::LocalStore;
using replication::ParsedKey;
using replication::StoreWrite;

constexpr uint32_t kPlaces = 65'536;

Bytes SumPrefix(Tree tree) {
  return replication::NodeLocalKey("merkle-sum") + static_cast<char>(tree);
}

Bytes SumKey(Tree tree, uint32_t place) {
  Bytes key = SumPrefix(tree);
  PutBigEndian16(&key, static_cast<uint16_t>(place));
  return key;
}

// That there are sums of the partition.
Bytes SummedKey(uint32_t partition) {
  Bytes key = replication::NodeLocalKey("merkle-of");
  PutBigEndian16(&key, static_cast<uint16_t>(partition));
  return key;
}

// Most writes are of users' items, and told from the others by a glance.
bool MayBeCompared(ByteView key) {
  constexpr size_t kPkAt = 4;
  if (key.size() <= kPkAt || key[0] != '\x01') {
    return false;
  }
  const size_t ck_at = kPkAt + static_cast<unsigned char>(key[3]);
  return (key.size() == ck_at + 1 && key[ck_at] == replication::kStateCk) ||
         key[kPkAt] == replication::kChunkPk;
}

bool IsCompared(const ParsedKey& key) {
  return key.kind == KeyKind::kState || key.kind == KeyKind::kChunkRef;
}

bool Takes(const StoreWrite& write) {
  return write.kind == StoreWrite::Kind::kDelete || write.kind == StoreWrite::Kind::kDeleteLarge;
}

// The first key behind the pk that `key` belongs to.
Bytes BehindPk(const ParsedKey& key) {
  return replication::PrefixEnd(replication::PkPrefix(key.place, key.pk));
}

}  // namespace

struct MerkleStore::Partition {
  std::mutex mutex;  // guards the rest
  bool loaded = false;
  // Of each tree, by place from the partition's first on.
  std::vector<Sum> sums[std::size(kTrees)];
};

MerkleStore::MerkleStore(uint32_t partition_bits, ByteView cluster_id, LocalStore* store)
    : partition_bits_(partition_bits), digester_(cluster_id), store_(store) {
  assert(partition_bits <= 16);
  for (size_t i = 0; i < size_t{1} << partition_bits; ++i) {
    partitions_.push_back(std::make_unique<Partition>());
  }
}

MerkleStore::~MerkleStore() = default;

MerkleStore::Partition& MerkleStore::Of(uint16_t place) {
  return *partitions_[replication::PartitionOf(place, partition_bits_)];
}

Status MerkleStore::AddDigest(ByteView key, ByteView value, bool takes_away,
                              Changes* changes) const {
  KVFS_ASSIGN_OR_RETURN(const ParsedKey parsed, replication::ParseKey(key, false));
  Sum digest;
  Tree tree = Tree::kKeys;
  if (parsed.kind == KeyKind::kState) {
    KVFS_ASSIGN_OR_RETURN(const auto state, replication::DecodePkState(value));
    digest = digester_.OfKey(parsed.pk, state);
  } else {
    assert(parsed.kind == KeyKind::kChunkRef);
    tree = Tree::kChunks;
    KVFS_ASSIGN_OR_RETURN(const auto ref, replication::DecodeRefCk(parsed.ck));
    KVFS_ASSIGN_OR_RETURN(const auto stamp, replication::StampOf(value));
    digest = digester_.OfReference(replication::ChunkIdOfPk(parsed.pk), ref, stamp);
  }
  Sum& sum = (*changes)[{tree, parsed.place}];
  if (takes_away) {
    sum -= digest;
  } else {
    sum += digest;
  }
  return Status::Ok();
}

// ---- what there was before --------------------------------------------------

Status MerkleStore::SumUp(uint32_t partition, Changes* sums) {
  const uint32_t first = replication::FirstPlace(partition, partition_bits_);
  const auto add_key = [&](uint16_t place, ByteView pk, const auto& state) {
    (*sums)[{Tree::kKeys, place}] += digester_.OfKey(pk, state);
    return Status::Ok();
  };
  const auto add_chunks = [&](uint16_t place) {
    return ForEachReference(store_, place, [&](const auto& id, const auto& ref, const auto& stamp) {
      (*sums)[{Tree::kChunks, place}] += digester_.OfReference(id, ref, stamp);
      return Status::Ok();
    });
  };
  return WalkPlaces(store_, first, kPlaces >> partition_bits_, add_key, add_chunks);
}

Status MerkleStore::Load(uint32_t partition) {
  Partition& here = *partitions_[partition];
  if (here.loaded) {
    return Status::Ok();
  }
  const uint32_t first = replication::FirstPlace(partition, partition_bits_);
  const uint32_t count = kPlaces >> partition_bits_;
  for (auto& sums : here.sums) {
    sums.assign(count, Sum{});
  }
  KVFS_ASSIGN_OR_RETURN(const bool is_summed, store_->Contains(SummedKey(partition)));
  if (!is_summed) {
    Changes sums;
    KVFS_RETURN_IF_ERROR(SumUp(partition, &sums));
    std::vector<StoreWrite> writes(1);
    writes[0].key = SummedKey(partition);
    for (const auto& [where, sum] : sums) {
      here.sums[static_cast<size_t>(where.first)][where.second - first] = sum;
      StoreWrite& write = writes.emplace_back();
      write.key = SumKey(where.first, where.second);
      Encode(sum, &write.value);
    }
    KVFS_RETURN_IF_ERROR(store_->Apply(std::move(writes), {}).status());
    here.loaded = true;
    return Status::Ok();
  }
  for (const Tree tree : kTrees) {
    const Bytes begin = SumKey(tree, first);
    const Bytes last = SumKey(tree, first + count - 1);
    const auto notes = store_->Scan(begin, last + '\0');
    for (; notes->Valid(); notes->Next()) {
      ByteView number = notes->key().substr(begin.size() - 2);
      uint16_t place = 0;
      if (!GetBigEndian16(&number, &place) || !number.empty()) {
        return Status::Corruption("key of a sum of digests: malformed");
      }
      KVFS_ASSIGN_OR_RETURN(here.sums[static_cast<size_t>(tree)][place - first],
                            DecodeSum(notes->value()));
    }
    KVFS_RETURN_IF_ERROR(notes->status());
  }
  here.loaded = true;
  return Status::Ok();
}

// ---- writing ---------------------------------------------------------------

Result<MerkleStore::Compared> MerkleStore::ComparedOf(const std::vector<StoreWrite>& writes) {
  Compared compared;
  for (const StoreWrite& write : writes) {
    if (!MayBeCompared(write.key)) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(const ParsedKey key, replication::ParseKey(write.key, false));
    if (IsCompared(key)) {
      compared[write.key] = &write;  // of several the last counts
    }
  }
  return compared;
}

Status MerkleStore::ChangesOf(const Compared& compared, Changes* changes) {
  for (const auto& [key, write] : compared) {
    const auto before = store_->Get(key);
    if (before.ok()) {
      KVFS_RETURN_IF_ERROR(AddDigest(key, *before, true, changes));
    } else if (before.status().code() != Code::kNotFound) {
      return before.status();
    }
    if (!Takes(*write)) {
      KVFS_RETURN_IF_ERROR(AddDigest(key, write->value, false, changes));
    }
  }
  return Status::Ok();
}

Result<replication::Position> MerkleStore::Apply(std::vector<StoreWrite> writes,
                                                 const replication::ApplyOptions& options) {
  KVFS_ASSIGN_OR_RETURN(const Compared compared, ComparedOf(writes));
  if (compared.empty()) {
    return store_->Apply(std::move(writes), options);
  }
  // In the order of keys, so of places, so of partitions.
  std::vector<std::unique_lock<std::mutex>> locks;
  std::optional<uint32_t> locked;
  for (const auto& [key, write] : compared) {
    KVFS_ASSIGN_OR_RETURN(const ParsedKey parsed, replication::ParseKey(key, false));
    const uint32_t partition = replication::PartitionOf(parsed.place, partition_bits_);
    if (locked != partition) {
      locks.emplace_back(partitions_[partition]->mutex);
      locked = partition;
      KVFS_RETURN_IF_ERROR(Load(partition));
    }
  }
  Changes changes;
  KVFS_RETURN_IF_ERROR(ChangesOf(compared, &changes));
  std::erase_if(changes, [](const auto& change) { return change.second.IsZero(); });
  for (auto& [where, sum] : changes) {
    const uint32_t first = replication::FirstPlace(
        replication::PartitionOf(where.second, partition_bits_), partition_bits_);
    sum += Of(where.second).sums[static_cast<size_t>(where.first)][where.second - first];
    StoreWrite& note = writes.emplace_back();
    note.key = SumKey(where.first, where.second);
    if (sum.IsZero()) {
      note.kind = StoreWrite::Kind::kDelete;
    } else {
      Encode(sum, &note.value);
    }
  }
  KVFS_ASSIGN_OR_RETURN(const auto position, store_->Apply(std::move(writes), options));
  for (const auto& [where, sum] : changes) {
    const uint32_t first = replication::FirstPlace(
        replication::PartitionOf(where.second, partition_bits_), partition_bits_);
    Of(where.second).sums[static_cast<size_t>(where.first)][where.second - first] = sum;
  }
  return position;
}

// ---- reading ---------------------------------------------------------------

Result<std::vector<Sum>> MerkleStore::Sums(Tree tree, const std::vector<PlaceRange>& ranges) {
  std::vector<Sum> sums;
  for (const PlaceRange& range : ranges) {
    if (range.group == 0 || range.count == 0 || range.count % range.group != 0 ||
        range.count > kPlaces || range.first > kPlaces - range.count) {
      return Status::InvalidArgument("no such range of places");
    }
    for (uint32_t place = range.first; place < range.first + range.count; ++place) {
      if ((place - range.first) % range.group == 0) {
        sums.emplace_back();
      }
      const uint32_t partition =
          replication::PartitionOf(static_cast<uint16_t>(place), partition_bits_);
      Partition& here = *partitions_[partition];
      std::lock_guard lock(here.mutex);
      KVFS_RETURN_IF_ERROR(Load(partition));
      sums.back() += here.sums[static_cast<size_t>(tree)]
                              [place - replication::FirstPlace(partition, partition_bits_)];
    }
  }
  return sums;
}

Status ForEachKey(LocalStore* store, uint16_t place,
                  const std::function<Status(ByteView, const replication::PkState&)>& take) {
  return WalkPlaces(
      store, place, 1,
      [&](uint16_t, ByteView pk, const replication::PkState& state) { return take(pk, state); },
      [](uint16_t) { return Status::Ok(); });
}

Status WalkPlaces(
    LocalStore* store, uint32_t first, uint32_t count,
    const std::function<Status(uint16_t, ByteView, const replication::PkState&)>& take_key,
    const std::function<Status(uint16_t)>& take_chunks) {
  const auto prefix = [](uint32_t place) {
    return replication::PkPrefix(static_cast<uint16_t>(place), Bytes(1, replication::kWorkPk))
        .substr(0, 3);
  };
  Bytes at = prefix(first);
  const Bytes end = replication::PrefixEnd(prefix(first + count - 1));
  while (true) {
    // A scan of its own for each pk: it may have very many items.
    const auto entries = store->Scan(at, end);
    if (!entries->Valid()) {
      return entries->status();
    }
    KVFS_ASSIGN_OR_RETURN(const ParsedKey key, replication::ParseKey(entries->key(), false));
    if (key.kind == KeyKind::kState) {
      KVFS_ASSIGN_OR_RETURN(const auto state, replication::DecodePkState(entries->value()));
      KVFS_RETURN_IF_ERROR(take_key(key.place, key.pk, state));
    }
    const bool is_chunk = key.kind == KeyKind::kChunkData || key.kind == KeyKind::kChunkRef;
    if (is_chunk) {
      // Behind all chunks of the place: they are neighbours.
      KVFS_RETURN_IF_ERROR(take_chunks(key.place));
      at = replication::PkPrefix(key.place, key.pk).substr(0, 5);
      at = replication::PrefixEnd(at);
    } else {
      at = BehindPk(key);
    }
  }
}

Status ForEachReference(
    LocalStore* store, uint16_t place,
    const std::function<Status(const replication::ChunkId&, const replication::ChunkRef&,
                               const replication::PkState&)>& take) {
  replication::ChunkId lowest{};
  lowest[0] = static_cast<unsigned char>(place >> 8);
  lowest[1] = static_cast<unsigned char>(place & 0xff);
  const Bytes begin = replication::ChunkPrefix(lowest).substr(0, 5);
  const auto entries = store->Scan(begin, replication::PrefixEnd(begin));
  for (; entries->Valid(); entries->Next()) {
    KVFS_ASSIGN_OR_RETURN(const ParsedKey key, replication::ParseKey(entries->key(), false));
    if (key.kind != KeyKind::kChunkRef) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(const auto ref, replication::DecodeRefCk(key.ck));
    KVFS_ASSIGN_OR_RETURN(const auto stamp, replication::StampOf(entries->value()));
    KVFS_RETURN_IF_ERROR(take(replication::ChunkIdOfPk(key.pk), ref, stamp));
  }
  return entries->status();
}

}  // namespace kvfs::antientropy
