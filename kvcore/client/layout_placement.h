// LayoutPlacement: the homes of partitions by a layout that does not change. A value.
#pragma once

#include <utility>
#include <vector>

#include "kvcore/replication/placement.h"
#include "kvcore/ring/layout.h"

namespace kvfs::client {

class LayoutPlacement final : public replication::Placement {
 public:
  explicit LayoutPlacement(ring::Layout layout) : layout_(std::move(layout)) {}

  // The first layout of these members, so many replicas in each of their datacentres. A member
  // without a datacentre is in one called "here". kInvalidArgument.
  static Result<LayoutPlacement> Of(std::vector<ring::Member> members, uint32_t replicas,
                                    uint32_t partition_bits);
  // The same for nodes that all count the same, in one place.
  static Result<LayoutPlacement> Of(const std::vector<env::NodeId>& nodes, uint32_t replicas,
                                    uint32_t partition_bits);

  std::vector<env::NodeId> HomesOf(uint32_t partition) const override {
    return layout_.PreferenceList(partition);
  }
  const ring::Layout& layout() const { return layout_; }

 private:
  ring::Layout layout_;
};

}  // namespace kvfs::client
