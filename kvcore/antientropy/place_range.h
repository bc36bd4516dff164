// PlaceRange and Comparison: which places two nodes hold differently, found level by level: of
// the places of a partition first the sum of all, then of sixteen parts of those that differ, until
// single places are left. That is the descent of a Merkle tree whose leaves are places, with
// sums for inner nodes. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/antientropy/sum.h"

namespace kvfs::antientropy {

// `count` places from `first` on, of which each `group` are summed up together.
struct PlaceRange {
  uint32_t first = 0;  // 0 .. 65535
  uint32_t count = 1;
  uint32_t group = 1;  // divides count

  size_t groups() const { return count / group; }
  bool operator==(const PlaceRange&) const = default;
};

class Comparison {
 public:
  // The first question is for the root of each.
  Comparison(const std::vector<uint32_t>& partitions, uint32_t partition_bits);

  // What is to be asked next of both; empty: it is over.
  const std::vector<PlaceRange>& ranges() const { return ranges_; }
  // The sums of all groups of ranges(), in order. kInvalidArgument: not so many.
  Status Take(const std::vector<Sum>& own, const std::vector<Sum>& other);
  // The places that differ, ascending. Complete once ranges() is empty.
  const std::vector<uint16_t>& differing() const { return differing_; }

 private:
  std::vector<PlaceRange> ranges_;
  std::vector<uint16_t> differing_;
};

}  // namespace kvfs::antientropy
