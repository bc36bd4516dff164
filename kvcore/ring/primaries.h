// Who is the first of its preference list.
#pragma once

#include <cstdint>
#include <vector>

namespace kvfs::ring {

// For each partition the one of its replicas that is to be its primary, so that nobody is primary
// of more than its part (partitions it keeps / replicas, rounded up). `previous` holds the
// primaries of before (UINT32_MAX: none), which stay where that allows.
std::vector<uint32_t> ChoosePrimaries(const std::vector<std::vector<uint32_t>>& replicas,
                                      uint32_t nodes, const std::vector<uint32_t>& previous);

}  // namespace kvfs::ring
