// Assignment: which nodes of one datacentre keep which partition, being changed as little as
// can be until every node keeps exactly its share. A flow from the partitions through their zones
// to the nodes, as in Garage's layout; grown by shortest augmenting paths from what there is, then
// made cheaper by cancelling negative cycles.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/ring/shares.h"

namespace kvfs::ring {

class Assignment {
 public:
  // `kept`: for each partition the bearers that keep it now, at most problem.replicas.
  Assignment(const ShareProblem& problem, Shares shares, std::vector<std::vector<uint32_t>> kept);

  // Makes it complete: for each partition problem.replicas distinct bearers.
  std::vector<std::vector<uint32_t>> Solve();

 private:
  struct Step;

  uint32_t ZoneOf(uint32_t node) const { return problem_.bearers[node].zone; }
  bool Has(uint32_t partition, uint32_t node) const;
  uint32_t InZone(uint32_t partition, uint32_t zone) const;
  uint32_t Promised(uint32_t partition) const;
  bool MayTake(uint32_t partition, uint32_t zone) const;
  bool MayMove(uint32_t partition, uint32_t from_zone, uint32_t to_zone) const;
  void Add(uint32_t partition, uint32_t node);
  void Remove(uint32_t partition, uint32_t node);

  void DropWhatCannotStay();
  void FillDirectly();
  void MoveDirectly();
  bool Augment();
  bool CancelCycles();
  uint32_t DrawTaker(uint32_t partition, uint32_t from_zone) const;
  template <typename Reach>
  void Visit(uint32_t partition, uint32_t zone, const Reach& reach);

  bool IsNew(uint32_t partition, uint32_t node) const;
  bool HasMoved(uint32_t partition) const;

  const ShareProblem& problem_;
  const Shares shares_;
  const std::vector<std::vector<uint32_t>> kept_;  // replicas_ before anything moved
  std::vector<std::vector<uint32_t>> replicas_;    // of each partition
  std::vector<std::vector<uint32_t>> partitions_;  // of each node; may hold ones it gave away
  std::vector<uint32_t> load_;                     // how many each node keeps
  std::vector<std::vector<uint32_t>> unreached_;   // nodes of each zone not yet seen by a search
};

}  // namespace kvfs::ring
