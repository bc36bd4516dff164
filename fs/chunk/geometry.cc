#include "fs/chunk/geometry.h"

namespace kvfs::fs {

uint32_t Geometry::DepthFor(uint64_t chunks) const {
  if (chunks <= kListedChunks) {
    return 0;
  }
  uint32_t depth = 1;
  while (Span(depth) < chunks) {
    ++depth;
  }
  return depth;
}

uint64_t Geometry::Span(uint32_t level) const {
  uint64_t span = 1;
  for (uint32_t i = 0; i < level; ++i) {
    span *= fan_out;
  }
  return span;
}

}  // namespace kvfs::fs
