// Peers: how replication reaches other nodes. The node gives it one on top of its message
// bus. Thread-safe. A call is carried out at most once; whether it was is not known when it
// fails.
#pragma once

#include <cstdint>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/env/message_bus.h"

namespace kvfs::replication {

enum class Method : uint8_t {
  kPromise = 1,
  kState = 2,
  kApply = 3,
  kInstall = 4,
  kPage = 5,
  kSubmit = 6,
  kRead = 7,
  kPutChunk = 8,
  kDropChunk = 9,
  kReadChunk = 10,
  kChunkInfo = 11,
  kSync = 12,
  kDueWork = 13,
  kSpace = 14,
  kListChunks = 15,
  kMembers = 16,
  kAdmin = 17,
  kLayout = 18,     // one way: of the agreement on layouts
  kTransfers = 19,  // how far a node is with a change of the layout
  kList = 32,
  kRepair = 33,
  kBranchPush = 34,
  kBranchInstall = 35,
  kBranchPage = 36,
  kMerge = 37,
  kMergeNow = 38,
  kWatch = 48,
  kChanged = 49,  // one way, to clients
  kSums = 40,     // of what places hold; kvcore/antientropy
  kPlaces = 41,   // what places hold
};

class Peers {
 public:
  virtual ~Peers() = default;

  // kUnavailable: the request was certainly not carried out, nor will be. kBusy: likewise, as one
  // of the two goes by older layouts than the other; it is about to learn of the newer.
  // kOutcomeUnknown: no answer within the time, or while closing, or one that counts for nothing as
  // the layouts have changed meanwhile.
  virtual Task<Result<Bytes>> Call(env::NodeId to, Method method, Bytes body,
                                   int64_t timeout_micros) = 0;
  // Nobody waits any longer for what this node has been asked: kOutcomeUnknown.
  virtual void GiveUp(env::NodeId /*to*/) {}
};

}  // namespace kvfs::replication
