// The writes of the engine's crash tests. What the nth one puts and deletes follows from seed and
// number alone, so the state after any prefix can be computed again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/db.h"
#include "kvcore/env/sim/sim_random.h"

namespace kvfs::engine {

// Holds the number of the last write.
inline constexpr char kNumberKey[] = "number";
using Contents = std::map<Bytes, Bytes>;

struct Change {
  Bytes key;
  std::optional<Bytes> value;
  bool blob = false;
};

std::vector<Change> Changes(uint64_t seed, uint64_t number);
void Apply(const std::vector<Change>& changes, Contents* contents);
Result<Position> Write(Db* db, const std::vector<Change>& changes);
// Through an iterator and through gets, which must agree.
Result<Contents> ReadAll(Db* db);

}  // namespace kvfs::engine
