// EngineLocalStore: the LocalStore on the storage engine. Large values go into blob
// files; a small batch that will be synced goes wholly into the log, so that one
// fdatasync makes it durable. So do small values of other batches while somebody syncs all the
// time: each of those syncs covers them too. Borrowed Db. Thread-safe.
#pragma once

#include "kvcore/engine/db.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::node {

class EngineLocalStore final : public replication::LocalStore {
 public:
  explicit EngineLocalStore(engine::Db* db) : db_(db) {}

  Task<Status> Admit(uint64_t bytes) override { return db_->Admit(bytes); }
  Result<Bytes> StageLarge(ByteView value) override;
  void Unstage(ByteView staged) override;
  Result<replication::Position> Apply(std::vector<replication::StoreWrite> writes,
                                      const replication::ApplyOptions& options) override;
  Task<Status> Sync(replication::Position position) override { return db_->Sync(position); }
  replication::Position LastPosition() const override { return db_->LastPosition(); }

  Result<Bytes> Get(ByteView key) override { return db_->Get(key); }
  Result<Bytes> GetRange(ByteView key, uint64_t offset, uint64_t size) override {
    return db_->GetRange(key, offset, size);
  }
  Result<bool> Contains(ByteView key) override;
  Result<ValueSize> SizeOf(ByteView key) override;
  std::unique_ptr<replication::StoreIterator> Scan(ByteView begin, ByteView end) override;
  Result<Space> GetSpace() override;

 private:
  engine::Db* const db_;
};

}  // namespace kvfs::node
