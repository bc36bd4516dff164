// BranchedPks: the partition keys of which this client was told something that no majority knows
// yet, and its operations among it. Before it asks a majority again it has their branches merged,
// so that it reads what it wrote. Bounded: where there are more, every key counts as one.
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::client {

struct BranchedPksOptions {
  size_t max_pks = 4096;   // remembered one by one
  size_t max_ops = 65536;  // in all, that are kept from being forgotten; 1 or more
};

class BranchedPks {
 public:
  explicit BranchedPks(const BranchedPksOptions& options) : options_(options) {}

  void Note(const Bytes& pk);
  // The operation was taken into a branch of the pk: its outcome has to be there when that is
  // merged. False: too many are; the caller settles it.
  bool Keep(const Bytes& pk, uint64_t sequence);
  bool Has(const Bytes& pk) const;
  // There is no branch of it any more. The operations that were kept for it.
  std::vector<uint64_t> Merged(const Bytes& pk);

 private:
  const BranchedPksOptions options_;
  mutable std::mutex mutex_;  // guards the rest
  std::map<Bytes, std::vector<uint64_t>> pks_;
  size_t ops_ = 0;
  bool more_ = false;  // pks than are remembered
};

}  // namespace kvfs::client
