// MemoryLocalStore: a LocalStore in memory, for tests of what lies above it. Keeps
// nothing; Sync always succeeds unless told otherwise. Iterators see one moment, as
// the real ones do. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "kvcore/replication/local_store.h"

namespace kvfs::testing {

class MemoryLocalStore final : public replication::LocalStore {
 public:
  Task<Status> Admit(uint64_t bytes) override;
  Result<Bytes> StageLarge(ByteView value) override;
  void Unstage(ByteView staged) override;
  Result<replication::Position> Apply(std::vector<replication::StoreWrite> writes,
                                      const replication::ApplyOptions& options) override;
  Task<Status> Sync(replication::Position position) override;
  replication::Position LastPosition() const override;
  Result<Bytes> Get(ByteView key) override;
  Result<Bytes> GetRange(ByteView key, uint64_t offset, uint64_t size) override;
  Result<bool> Contains(ByteView key) override;
  Result<ValueSize> SizeOf(ByteView key) override;
  std::unique_ptr<replication::StoreIterator> Scan(ByteView begin, ByteView end) override;
  Result<Space> GetSpace() override;

  // Writes that need room beyond this fail with kNoSpace, unless they may use the reserve.
  void SetCapacity(uint64_t bytes);
  // What Apply (after `after` more that succeed) and Sync answer from now on; OK = as usual.
  void FailApply(Status status, int after = 0);
  void FailSync(Status status);

  uint64_t bytes() const;
  uint64_t batches() const;  // number of Apply calls that succeeded
  uint64_t syncs() const;
  int64_t staged() const;  // values staged and neither put nor given up
  std::map<Bytes, Bytes> Contents() const;

 private:
  class Iterator;
  struct Version {
    replication::Position position = 0;
    std::optional<Bytes> value;
  };
  using Items = std::map<Bytes, std::vector<Version>, std::less<>>;

  const Bytes* Find(ByteView key) const;
  void Set(Bytes key, std::optional<Bytes> value);

  mutable std::mutex mutex_;  // guards everything below
  Items items_;               // versions ascending; older ones only while an iterator may need them
  std::multiset<replication::Position> iterators_;
  replication::Position last_ = 0;
  uint64_t bytes_ = 0, capacity_ = UINT64_MAX, batches_ = 0, syncs_ = 0;
  int64_t staged_ = 0;
  Status apply_status_, sync_status_;
  int applies_before_failure_ = 0;
};

}  // namespace kvfs::testing
