#include "tests/support/merged_contents.h"

#include <cassert>
#include <optional>
#include <set>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/merged_work.h"
#include "kvcore/versioning/merge.h"
#include "kvcore/versioning/version.h"

namespace kvfs::testing {
namespace {

using replication::KeyKind;
using replication::MergedItem;

constexpr int kPartitionBits = 8;
constexpr uint64_t kMergeEpoch = 0x6d65726765;

const Bytes* Find(const Contents& contents, const Bytes& key) {
  const auto it = contents.find(key);
  return it == contents.end() ? nullptr : &it->second;
}

bool Same(const Bytes* a, const Bytes* b) {
  return a == nullptr ? b == nullptr : b != nullptr && *a == *b;
}

versioning::VersionedValue Decoded(const Bytes& value) {
  auto decoded = versioning::Decode(value);
  assert(decoded.ok());
  return *decoded;
}

}  // namespace

Contents MergeContents(const Contents& base, const Contents& trunk, const Contents& branch,
                       const std::function<bool(ByteView pk)>& wants, bool with_work) {
  Contents merged = trunk;
  std::map<Bytes, replication::MergedWork> work;  // by pk
  std::set<Bytes> keys;
  for (const Contents* side : {&base, &branch}) {
    for (const auto& [key, value] : *side) {
      keys.insert(key);
    }
  }
  for (const Bytes& key : keys) {
    const auto parsed = replication::ParseKey(key, false);
    assert(parsed.ok());
    const Bytes* mine = Find(trunk, key);
    const Bytes* theirs = Find(branch, key);
    if (parsed->kind == KeyKind::kChunkData || parsed->kind == KeyKind::kChunkRef) {
      const Bytes* any = theirs != nullptr ? theirs : Find(base, key);
      if (mine == nullptr && any != nullptr) {
        merged[key] = *any;  // nothing is dropped while somebody may need it
      }
      continue;
    }
    const bool is_item = parsed->kind == KeyKind::kItem;
    if (parsed->kind == KeyKind::kState && mine == nullptr && theirs != nullptr &&
        wants(parsed->pk)) {
      merged[key] = *theirs;
    }
    const bool is_work = parsed->kind == KeyKind::kWork;
    if ((!is_item && !is_work) || (is_item && !wants(parsed->pk)) || (is_work && !with_work)) {
      continue;
    }
    const Bytes* before = Find(base, key);
    if (Same(before, theirs)) {
      continue;
    }
    uint8_t why = 0;
    if (theirs == nullptr) {
      if (mine == nullptr) {
        continue;
      }
      if (Same(before, mine)) {
        merged.erase(key);
        continue;
      }
      why = MergedItem::kKept;
    } else if (mine == nullptr) {
      merged[key] = *theirs;
      why = before != nullptr ? MergedItem::kCameBack : 0;
    } else {
      auto value_there = Decoded(*theirs);
      if (before != nullptr) {  // a branch remembers what it has seen also where it was deleted
        value_there.context = versioning::Join(value_there.context, Decoded(*before).context);
      }
      const auto joined = versioning::Merge(Decoded(*mine), value_there);
      Bytes value;
      versioning::Encode(joined, &value);
      merged[key] = std::move(value);
      why = joined.siblings.size() > 1 ? MergedItem::kSiblings : 0;
    }
    if (why != 0 && is_item) {
      work[Bytes(parsed->pk)].items.push_back({.ck = Bytes(parsed->ck), .why = why});
    }
  }
  uint64_t counter = 0;
  for (const auto& [pk, lines] : work) {
    const uint32_t partition = replication::PartitionOf(replication::PlaceOf(pk), kPartitionBits);
    const replication::WorkKey key{.due_millis = 1, .kind = replication::kMergedWork, .id = pk};
    Bytes value;
    versioning::EncodeLone({kMergeEpoch, ++counter}, 1, replication::EncodeMergedWork(lines),
                           &value);
    merged[replication::WorkItemKey(replication::FirstPlace(partition, kPartitionBits), key)] =
        std::move(value);
  }
  return merged;
}

std::vector<Bytes> KeysInConflict(const Contents& contents) {
  std::vector<Bytes> keys;
  for (const auto& [key, value] : contents) {
    const auto parsed = replication::ParseKey(key, false);
    if (parsed.ok() && parsed->kind == KeyKind::kItem && Decoded(value).siblings.size() > 1) {
      keys.push_back(key);
    }
  }
  return keys;
}

}  // namespace kvfs::testing
