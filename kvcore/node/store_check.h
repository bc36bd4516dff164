// The integrity walk of a store: every key and value is decoded, every chunk is read
// and compared with its hash, references are compared with chunks. What the bytes on disk
// look like below that is Db::Verify's business; what the items mean is the filesystem's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvcore/node/identity.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::node {

struct StoreProblem {
  std::string kind;     // one word, for programs; listed in doc/store.md
  std::string message;  // for people
  Bytes key;            // on disk
  bool repaired = false;
};

struct StoreCheckOptions {
  bool skip_chunk_bytes = false;
  // Of a node of a cluster: versions come from other nodes too, and what nothing refers to may be
  // on its way.
  bool is_shared = false;
  // Removes what nothing can need: chunks without references, states of partition keys without
  // items. Nobody else may use the store meanwhile.
  bool repair = false;
  uint32_t max_problems = 1000;  // kept in the report; all are counted
};

struct StoreReport {
  std::vector<StoreProblem> problems;
  uint64_t problem_count = 0;
  uint64_t items = 0;
  uint64_t work_items = 0;
  uint64_t chunks = 0;
  uint64_t chunk_bytes = 0;  // read and verified
  uint64_t references = 0;
};

// May run beside users of the store if it does not repair: what they do meanwhile is no problem.
Result<StoreReport> CheckStore(const Identity& identity, const StoreCheckOptions& options,
                               replication::LocalStore* store);

// The partition keys that have items, each once. As of one moment; reads every key of the store.
Result<std::vector<Bytes>> ListPartitionKeys(replication::LocalStore* store);

}  // namespace kvfs::node
