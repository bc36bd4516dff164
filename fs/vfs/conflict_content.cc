#include "fs/vfs/conflict_content.h"

#include <algorithm>
#include <tuple>

#include "fs/vfs/content_planner.h"

namespace kvfs::fs {
namespace {

constexpr size_t kPutsPerCommit = 1024;

client::ChunkRef ReferenceOf(InodeRef ref, const PlacedChunk& place) {
  return {.home = ref.home, .ino = ref.ino, .level = place.level, .position = place.position};
}

bool IsBefore(const PlacedChunk& a, const PlacedChunk& b) {
  return std::tie(a.level, a.position, a.id) < std::tie(b.level, b.position, b.id);
}

}  // namespace

Task<FsResult<std::vector<PlacedChunk>>> ConflictContent::PlacesOf(const pb::Inode* record) {
  auto content = ParseContent(*record, chunks_->geometry());
  if (!content.ok()) {
    co_return ToErrno(content.error());
  }
  std::vector<PlacedChunk> places;
  if (!content->chunked) {
    co_return places;
  }
  // What would go if all of it were cut off.
  NodeSet nodes(chunks_->geometry().fan_out);
  const TreeEdit nothing_left;
  std::optional<TreeChange> change;
  while (!(change = PlanTreeChange(chunks_->geometry(), content->tree, content->data_chunks,
                                   nothing_left, &nodes))) {
    const Status fetched = co_await chunks_->Fetch(&nodes);
    if (!fetched.ok()) {
      co_return ToErrno(fetched);
    }
  }
  places = std::move(change->drops);
  co_return places;
}

Task<Errno> ConflictContent::AddReferences(InodeRef copy, pb::Inode content) {
  auto places = co_await PlacesOf(&content);
  if (!places.ok()) {
    co_return places.error();
  }
  size_t batch = kPutsPerCommit;
  for (size_t at = 0; at < places->size();) {
    const size_t end = std::min(at + batch, places->size());
    client::Commit commit;
    for (size_t i = at; i < end; ++i) {
      commit.chunks.push_back(
          {.id = (*places)[i].id, .ref = ReferenceOf(copy, (*places)[i]), .data = {}});
    }
    auto result = co_await client_->Submit(std::move(commit));
    if (result.status.code() == Code::kNotFound) {
      if (end - at > 1) {
        batch = 1;  // one by one: which of them is missing
        continue;
      }
    } else if (!result.status.ok()) {
      co_return ToErrno(result.status);
    }
    at = end;
  }
  co_return 0;
}

Task<FsResult<std::vector<client::ChunkDrop>>> ConflictContent::Surplus(InodeRef original,
                                                                        pb::Inode lost,
                                                                        pb::Inode kept) {
  auto lost_places = co_await PlacesOf(&lost);
  if (!lost_places.ok()) {
    co_return lost_places.error();
  }
  auto kept_places = co_await PlacesOf(&kept);
  if (!kept_places.ok()) {
    co_return kept_places.error();
  }
  std::sort(kept_places->begin(), kept_places->end(), IsBefore);
  std::vector<client::ChunkDrop> drops;
  for (const PlacedChunk& place : *lost_places) {
    // More than fits into a commit stays: bytes that nobody needs, not bytes that are missing.
    if (drops.size() < kMaxDropsPerCommit &&
        !std::binary_search(kept_places->begin(), kept_places->end(), place, IsBefore)) {
      drops.push_back({.id = place.id, .ref = ReferenceOf(original, place)});
    }
  }
  co_return drops;
}

}  // namespace kvfs::fs
