#include "kvcore/replication/merged_work.h"

#include <algorithm>

#include "kvcore/base/coding.h"
#include "kvcore/replication/keys.h"

namespace kvfs::replication {
namespace {

enum Form : char { kList = 1, kAll = 2 };
constexpr uint8_t kAnyWhy = MergedItem::kSiblings | MergedItem::kCameBack | MergedItem::kKept;

Status Bad() { return Status::Corruption("line of work left by a merge: malformed"); }

}  // namespace

Bytes EncodeMergedWork(const MergedWork& work) {
  Bytes out(1, work.all ? kAll : kList);
  if (!work.all) {
    for (const MergedItem& item : work.items) {
      out.push_back(static_cast<char>(item.why));
      PutLengthPrefixed(&out, item.ck);
    }
  }
  return out;
}

Result<MergedWork> DecodeMergedWork(ByteView in) {
  MergedWork work;
  if (in.empty() || (in[0] != kList && in[0] != kAll)) {
    return Bad();
  }
  work.all = in[0] == kAll;
  in.remove_prefix(1);
  if (work.all) {
    return in.empty() ? Result<MergedWork>(std::move(work)) : Bad();
  }
  while (!in.empty()) {
    MergedItem item;
    ByteView ck;
    item.why = static_cast<uint8_t>(in[0]);
    in.remove_prefix(1);
    if (item.why == 0 || (item.why & ~kAnyWhy) != 0 || !GetLengthPrefixed(&in, &ck) ||
        !CheckUserCk(ck).ok() || (!work.items.empty() && work.items.back().ck >= ck)) {
      return Bad();
    }
    item.ck = Bytes(ck);
    work.items.push_back(std::move(item));
  }
  return work;
}

}  // namespace kvfs::replication
