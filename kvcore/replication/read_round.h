// ReadRound: which homes a read asks for values, which only for their state, and when it is
// decided. A state names one content, so homes that tell the same state need not send it too.
// Pure; the caller serialises, and sends what it is told to.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "kvcore/env/message_bus.h"
#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/placement.h"

namespace kvfs::replication {

enum class ReadLevel : uint8_t {
  kOne,     // what any one home holds: perhaps old, perhaps never decided
  kQuorum,  // linearizable
  kAll,     // linearizable, and every home holds it
};

class ReadRound {
 public:
  struct Ask {
    env::NodeId home = 0;
    bool state_only = false;
    bool operator==(const Ask&) const = default;
  };
  enum class Verdict : uint8_t {
    kOpen,
    kDecided,  // reply() is it
    kDiffer,   // so many homes differ or failed that this round will not tell
  };

  // At least one home.
  ReadRound(Electorate electorate, ReadLevel level);

  // What to send first.
  std::vector<Ask> Begin();
  // An answer to one of these; nothing: it failed. What to send then.
  std::vector<Ask> Answer(env::NodeId home, std::optional<pb::ReadReply> reply);
  // The values are long in coming: who is to be asked for them too.
  std::vector<Ask> Hedge();

  Verdict verdict() const;
  const pb::ReadReply& reply() const { return *reply_; }  // REQUIRES: kDecided
  // Of those who answered, the homes that were in another state than the decided one.
  std::vector<env::NodeId> Others() const;

 private:
  struct Home {
    int asked = 0;            // requests on the way
    bool for_values = false;  // one of them was for values
    bool failed = false;
    std::optional<PkState> state;
  };
  // Whether those for which `holds(node)` are as many as the level asks for.
  template <typename Holds>
  bool IsEnough(const Holds& holds) const;
  std::vector<Ask> AskForValues(env::NodeId home);
  std::vector<Ask> AskNextForValues();
  // The state that enough homes are in.
  std::optional<PkState> Agreed() const;

  const Electorate electorate_;
  const ReadLevel level_;
  std::map<env::NodeId, Home> homes_;
  std::map<PkState, pb::ReadReply> values_;  // of the states they were told in
  std::optional<pb::ReadReply> reply_;
};

}  // namespace kvfs::replication
