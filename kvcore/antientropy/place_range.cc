#include "kvcore/antientropy/place_range.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::antientropy {
namespace {

constexpr uint32_t kFanOut = 16;
constexpr uint32_t kPlaces = 65'536;

}  // namespace

Comparison::Comparison(const std::vector<uint32_t>& partitions, uint32_t partition_bits) {
  const uint32_t count = kPlaces >> partition_bits;
  for (const uint32_t partition : partitions) {
    ranges_.push_back({replication::FirstPlace(partition, partition_bits), count, count});
  }
}

Status Comparison::Take(const std::vector<Sum>& own, const std::vector<Sum>& other) {
  size_t groups = 0;
  for (const PlaceRange& range : ranges_) {
    groups += range.groups();
  }
  if (own.size() != groups || other.size() != groups) {
    return Status::InvalidArgument("sums of other places than were asked for");
  }
  std::vector<PlaceRange> narrower;
  size_t at = 0;
  for (const PlaceRange& range : ranges_) {
    for (size_t i = 0; i < range.groups(); ++i, ++at) {
      if (own[at] == other[at]) {
        continue;
      }
      const uint32_t first = range.first + static_cast<uint32_t>(i) * range.group;
      if (range.group == 1) {
        differing_.push_back(static_cast<uint16_t>(first));
      } else {
        narrower.push_back({first, range.group, std::max(range.group / kFanOut, 1u)});
      }
    }
  }
  ranges_ = std::move(narrower);
  std::sort(differing_.begin(), differing_.end());
  return Status::Ok();
}

}  // namespace kvfs::antientropy
