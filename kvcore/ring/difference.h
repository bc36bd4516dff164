// What tells two layouts apart, in words. Pure.
#pragma once

#include <string>

#include "kvcore/ring/layout.h"

namespace kvfs::ring {

// The first difference between the specs, as "node 3 is a member there, not here"; empty where they
// are the same.
std::string DifferenceBetween(const LayoutSpec& here, const LayoutSpec& there);

}  // namespace kvfs::ring
