// The commands of kvfs-admin about a cluster and single items. Each prints its answer and
// returns an exit code, or the error to be printed.
#pragma once

#include <string>
#include <vector>

#include "kvcore/base/bytes.h"
#include "tools/admin/commands.h"

namespace kvfs::tools {

Result<int> MembersCommand(const AdminFlags& flags);
Result<int> RingCommand(const AdminFlags& flags);
// Where a partition key lies, and how far each of its homes has come.
Result<int> ExplainKey(const AdminFlags& flags, const Bytes& pk);

// What a change of the members would move. Changes nothing.
struct PlanFlags {
  std::vector<std::string> add;      // "4/zone=a/weight=2"
  std::vector<std::string> set;      // the same
  std::vector<std::string> replace;  // "2=5"
  std::vector<std::string> remove;   // "2"
};
Result<int> PlanCommand(const AdminFlags& flags, const PlanFlags& changes);
// Has it decided. `wait`: returns when everything is where it is to be.
Result<int> ApplyCommand(const AdminFlags& flags, const PlanFlags& changes, bool wait);
// How far the present change is, and where it does not get on.
Result<int> TransfersCommand(const AdminFlags& flags);

struct KvFlags {
  std::string pk;
  std::string ck;
  std::string value;
  std::string begin;
  std::string end;
  uint32_t limit = 100;
  bool force = false;
};
Result<int> KvGetCommand(const AdminFlags& flags, const KvFlags& kv);
Result<int> KvPutCommand(const AdminFlags& flags, const KvFlags& kv);
Result<int> KvDeleteCommand(const AdminFlags& flags, const KvFlags& kv);
Result<int> KvScanCommand(const AdminFlags& flags, const KvFlags& kv);

}  // namespace kvfs::tools
