// MerkleStore: a LocalStore that keeps, beside what is written through it, the sums of what each
// place holds, in the same batch: so they are right after every crash, and nothing need be scanned
// to compare two nodes. What was written before there were sums is summed up once, when a partition
// is first used.
//
// Owned by the node, which gives it to replication in place of the store below, borrowed.
// Thread-safe. A lock per partition is held over reads and one Apply of the store below; several
// are taken in ascending order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/antientropy/place_range.h"
#include "kvcore/antientropy/sum.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::antientropy {

class MerkleStore final : public replication::LocalStore {
 public:
  // partition_bits: 0 .. 16.
  MerkleStore(uint32_t partition_bits, ByteView cluster_id, replication::LocalStore* store);
  ~MerkleStore() override;

  // kInvalidArgument: no such places, or more than one partition in a range.
  Result<std::vector<Sum>> Sums(Tree tree, const std::vector<PlaceRange>& ranges);

  Task<Status> Admit(uint64_t bytes) override { return store_->Admit(bytes); }
  Result<Bytes> StageLarge(ByteView value) override { return store_->StageLarge(value); }
  void Unstage(ByteView staged) override { store_->Unstage(staged); }
  Result<replication::Position> Apply(std::vector<replication::StoreWrite> writes,
                                      const replication::ApplyOptions& options) override;
  Task<Status> Sync(replication::Position position) override { return store_->Sync(position); }
  replication::Position LastPosition() const override { return store_->LastPosition(); }
  Result<Bytes> Get(ByteView key) override { return store_->Get(key); }
  Result<Bytes> GetRange(ByteView key, uint64_t offset, uint64_t size) override {
    return store_->GetRange(key, offset, size);
  }
  Result<bool> Contains(ByteView key) override { return store_->Contains(key); }
  Result<ValueSize> SizeOf(ByteView key) override { return store_->SizeOf(key); }
  std::unique_ptr<replication::StoreIterator> Scan(ByteView begin, ByteView end) override {
    return store_->Scan(begin, end);
  }
  Result<Space> GetSpace() override { return store_->GetSpace(); }

 private:
  struct Partition;
  using Changes = std::map<std::pair<Tree, uint16_t>, Sum>;  // of the sums of places

  Partition& Of(uint16_t place);
  // With the partition locked.
  Status Load(uint32_t partition);
  Status SumUp(uint32_t partition, Changes* sums);
  // What an entry counts, and where; nothing if it is not compared.
  Status AddDigest(ByteView key, ByteView value, bool takes_away, Changes* changes) const;
  // Of the writes those of compared keys, with the value that counts; nothing: deleted.
  using Compared = std::map<Bytes, const replication::StoreWrite*>;
  static Result<Compared> ComparedOf(const std::vector<replication::StoreWrite>& writes);
  Status ChangesOf(const Compared& compared, Changes* changes);

  const uint32_t partition_bits_;
  const Digester digester_;
  replication::LocalStore* const store_;
  std::vector<std::unique_ptr<Partition>> partitions_;
};

// The keys of a place with their states, in order.
Status ForEachKey(replication::LocalStore* store, uint16_t place,
                  const std::function<Status(ByteView pk, const replication::PkState&)>& take);
// The same for `count` places from `first` on. `take_chunks`: there are chunks in this place.
Status WalkPlaces(
    replication::LocalStore* store, uint32_t first, uint32_t count,
    const std::function<Status(uint16_t place, ByteView pk, const replication::PkState&)>& take_key,
    const std::function<Status(uint16_t place)>& take_chunks);
// The references of the chunks of a place with their stamps, in the order of chunks.
Status ForEachReference(
    replication::LocalStore* store, uint16_t place,
    const std::function<Status(const replication::ChunkId&, const replication::ChunkRef&,
                               const replication::PkState&)>& take);

}  // namespace kvfs::antientropy
