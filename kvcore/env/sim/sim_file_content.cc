#include "kvcore/env/sim/sim_file_content.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <utility>

#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {

void SimFileContent::Write(uint64_t offset, ByteView data) {
  if (data.empty()) {
    return;
  }
  current_.resize(std::max<uint64_t>(current_.size(), offset + data.size()));
  current_.replace(offset, data.size(), data);
  changes_.push_back({false, offset, Bytes(data), current_.size()});
}

void SimFileContent::Truncate(uint64_t size) {
  current_.resize(size);
  changes_.push_back({true, size, {}, size});
}

void SimFileContent::Sync() {
  for (const Change& change : changes_) {
    if (change.truncate) {
      durable_.resize(std::min<uint64_t>(durable_.size(), change.offset));
    }
  }
  durable_.resize(current_.size());
  for (const Change& change : changes_) {
    // Whole sectors as the kernel has them now. A range that a later truncation cut off is clamped.
    const uint64_t begin = change.offset / kSector * kSector;
    const uint64_t end = std::min<uint64_t>(
        (change.offset + change.data.size() + kSector - 1) / kSector * kSector, current_.size());
    if (begin < end) {
      durable_.replace(begin, end - begin, current_, begin, end - begin);
    }
  }
  changes_.clear();
}

void SimFileContent::ApplyToSector(const Change& change, uint64_t sector, Bytes* image) {
  const uint64_t sector_begin = sector * kSector;
  const uint64_t sector_end = std::min<uint64_t>(sector_begin + kSector, image->size());
  const uint64_t begin = std::max(sector_begin, change.offset);
  if (change.truncate) {
    if (begin < sector_end) {
      image->replace(begin, sector_end - begin, sector_end - begin, '\0');
    }
    return;
  }
  const uint64_t end = std::min(sector_end, change.offset + change.data.size());
  if (begin < end) {
    image->replace(begin, end - begin, change.data, begin - change.offset, end - begin);
  }
}

void SimFileContent::LosePower(Random& random, Survival survival) {
  // The changes [0, limit) may have reached the disk; of these the truncations certainly did, the
  // last of them being just before `floor`.
  std::vector<size_t> truncations;
  uint64_t extent = durable_.size();
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (changes_[i].truncate) {
      truncations.push_back(i);
    }
    extent = std::max(extent, changes_[i].size_after);
  }
  size_t kept = Uniform(random, truncations.size() + 1);
  if (survival == Survival::kNothing) {
    kept = 0;
  } else if (survival == Survival::kEverything) {
    kept = truncations.size();
  }
  const size_t limit = kept < truncations.size() ? truncations[kept] : changes_.size();
  const size_t floor = kept > 0 ? truncations[kept - 1] + 1 : 0;
  const auto moment = [&](size_t low, size_t high) {
    switch (survival) {
      case Survival::kNothing:
        return low;
      case Survival::kEverything:
        return high;
      case Survival::kOneMoment:
      case Survival::kAnything:
        break;
    }
    return low + Uniform(random, high - low + 1);
  };
  const size_t one_moment = moment(floor, limit);
  const size_t size_moment = survival == Survival::kOneMoment ? one_moment : moment(floor, limit);
  const uint64_t size = size_moment == 0 ? durable_.size() : changes_[size_moment - 1].size_after;

  std::map<uint64_t, std::vector<size_t>> touched;  // sector -> changes to it, in order
  for (size_t i = 0; i < limit; ++i) {
    const Change& change = changes_[i];
    const uint64_t end = change.truncate ? extent : change.offset + change.data.size();
    for (uint64_t s = change.offset / kSector; s * kSector < end; ++s) {
      touched[s].push_back(i);
    }
  }
  Bytes image = std::move(durable_);
  image.resize(extent);
  for (const auto& [sector, indices] : touched) {
    size_t least = 0;  // truncations of the sector that survived, with what was before them
    for (size_t n = 0; n < indices.size(); ++n) {
      if (changes_[indices[n]].truncate) {
        least = n + 1;
      }
    }
    size_t count = moment(least, indices.size());
    if (survival == Survival::kOneMoment) {
      const auto until = std::lower_bound(indices.begin(), indices.end(), one_moment);
      count = std::max(least, static_cast<size_t>(until - indices.begin()));
    }
    for (size_t n = 0; n < count; ++n) {
      ApplyToSector(changes_[indices[n]], sector, &image);
    }
  }
  image.resize(size);
  durable_ = std::move(image);
  current_ = durable_;
  changes_.clear();
}

void SimFileContent::FlipBits(uint64_t offset, unsigned char mask) {
  assert(offset < current_.size());
  const auto flip = [&](Bytes& bytes) {
    if (offset < bytes.size()) {
      bytes[offset] = static_cast<char>(static_cast<unsigned char>(bytes[offset]) ^ mask);
    }
  };
  flip(current_);
  flip(durable_);
}

}  // namespace kvfs::env::sim
