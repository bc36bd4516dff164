// RoutedPlacement: the homes of partitions, those first that are believed to be there. It
// leaves nobody out: who is away is asked last, and votes as before. Borrowed parts;
// thread-safe.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "kvcore/membership/view.h"
#include "kvcore/replication/placement.h"

namespace kvfs::node {

class RoutedPlacement final : public replication::Placement {
 public:
  using ViewSource = std::function<std::shared_ptr<const membership::View>()>;  // null: not known

  RoutedPlacement(const replication::Placement* placement, ViewSource view)
      : placement_(placement), view_(std::move(view)) {}

  std::vector<env::NodeId> HomesOf(uint32_t partition) const override {
    std::vector<env::NodeId> homes = placement_->HomesOf(partition);
    PutLivingFirst(&homes);
    return homes;
  }
  replication::Electorate ElectorateOf(uint32_t partition) const override {
    replication::Electorate electorate = placement_->ElectorateOf(partition);
    PutLivingFirst(&electorate.homes);
    return electorate;
  }
  uint64_t Version() const override { return placement_->Version(); }

 private:
  void PutLivingFirst(std::vector<env::NodeId>* homes) const {
    if (const auto view = view_(); view != nullptr) {
      std::stable_partition(homes->begin(), homes->end(),
                            [&](env::NodeId node) { return view->IsAlive(node); });
    }
  }

  const replication::Placement* const placement_;
  const ViewSource view_;
};

}  // namespace kvfs::node
