#include "fs/vfs/content_planner.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <functional>
#include <set>

#include "fs/chunk/zeros.h"
#include "fs/meta/keys.h"
#include "kvcore/env/parallel.h"

namespace kvfs::fs {

struct ContentPlanner::Work {
  FileState* state = nullptr;
  Snapshot base;
  const ContentChange* change = nullptr;
  uint64_t new_size = 0;
  TreeEdit edit;
  struct Unnamed {
    uint64_t chunk = 0;
    ByteView bytes;
    std::shared_ptr<const Bytes> assembled;  // them, if they were
  };
  std::vector<Unnamed> unnamed;
  std::map<uint64_t, ByteView> bytes;  // of the chunks in `edit` that are to be stored
  ContentPlan plan;

  const Content& old() const { return *base.content; }
  bool IsErased(uint64_t chunk) const {
    return std::any_of(change->erased.begin(), change->erased.end(), [&](const ChunkRange& range) {
      return range.begin <= chunk && chunk < range.end;
    });
  }
};

Task<FsResult<ContentPlan>> ContentPlanner::Plan(FileState* state, Snapshot base,
                                                 const ContentChange* change) {
  const Geometry& geometry = chunks_->geometry();
  Work work;
  work.state = state;
  work.base = std::move(base);
  work.change = change;
  const Content& old = work.old();
  work.new_size = std::max(change->set_size.value_or(old.size), change->min_size);
  work.plan.content = old;
  work.plan.content.size = work.new_size;
  work.plan.inline_bytes = work.base.inline_bytes;
  if (!old.chunked && work.new_size <= kMaxInlineBytes && change->shared.empty()) {
    PlanInline(&work);
    co_return std::move(work.plan);
  }

  // The chunks whose bytes change here and there.
  std::set<uint64_t> touched;
  if (change->data != nullptr) {
    for (uint64_t chunk : change->data->Chunks()) {
      touched.insert(chunk);
    }
  }
  touched.insert(change->folded.begin(), change->folded.end());
  if (!old.chunked && old.size > 0) {
    touched.insert(0);  // the inline bytes move into a chunk
    work.plan.writes.push_back(
        {.kind = client::Write::Kind::kErase, .ck = keys::Inline(state->ref.ino), .value = {}});
  }
  work.plan.inline_bytes = nullptr;
  const uint64_t cut_size = change->set_size.value_or(old.size);
  if (cut_size < old.size && cut_size % geometry.chunk_bytes != 0) {
    touched.insert(geometry.ChunkOf(cut_size));
  }
  for (auto it = touched.begin(); it != touched.end();) {
    // Names of neighbours are found together.
    uint64_t count = 1;
    for (auto next = std::next(it); next != touched.end() && *next == *it + count; ++next) {
      ++count;
    }
    const uint64_t first = *it;
    auto ids = co_await chunks_->FindChunks(&old.tree, first, count);
    if (!ids.ok()) {
      co_return ToErrno(ids.error());
    }
    for (uint64_t i = 0; i < count; ++i, ++it) {
      const Errno planned = co_await PlanChunk(&work, first + i, (*ids)[i]);
      if (!planned.ok()) {
        co_return planned;
      }
    }
  }
  co_await NameChunks(&work);
  for (const ChunkRange& range : change->erased) {
    const Errno erased = co_await EraseBlocks(&work, range.begin, range.end);
    if (!erased.ok()) {
      co_return erased;
    }
    work.edit.erased.push_back(range);
  }
  for (const auto& [chunk, id] : change->shared) {
    const Errno erased = co_await EraseBlocks(&work, chunk, chunk + 1);
    if (!erased.ok()) {
      co_return erased;
    }
    work.edit.chunks[chunk] = id;
  }
  const Errno planned = co_await PlanTree(&work);
  if (!planned.ok()) {
    co_return planned;
  }
  co_return std::move(work.plan);
}

void ContentPlanner::PlanInline(Work* work) const {
  const uint64_t kept =
      work->IsErased(0) ? 0 : std::min(work->old().size, work->change->set_size.value_or(~0ull));
  auto bytes = std::make_shared<Bytes>();
  if (work->base.inline_bytes) {
    bytes->assign(*work->base.inline_bytes, 0, kept);
  }
  bytes->resize(work->new_size, '\0');
  if (work->change->data != nullptr) {
    work->change->data->ForEach(0, work->new_size, [&](uint64_t offset, ByteView run) {
      std::memcpy(bytes->data() + offset, run.data(), run.size());
    });
  }
  const Bytes key = keys::Inline(work->state->ref.ino);
  if (!bytes->empty()) {
    work->plan.writes.push_back({.kind = client::Write::Kind::kPut, .ck = key, .value = *bytes});
  } else if (work->old().size > 0) {
    work->plan.writes.push_back({.kind = client::Write::Kind::kErase, .ck = key, .value = {}});
  }
  work->plan.inline_bytes = std::move(bytes);
}

uint32_t ContentPlanner::MostBlocks(FileState* state) const {
  std::lock_guard lock(state->mutex);
  const uint64_t blocks = static_cast<uint64_t>(state->overlay.block_count());
  return blocks * kBlockBytes < unfolded_bytes_
             ? static_cast<uint32_t>(chunks_->geometry().BlocksPerChunk())
             : fold_blocks_;
}

Task<Errno> ContentPlanner::PlanChunk(Work* work, uint64_t chunk, ChunkId id) {
  const Geometry& geometry = chunks_->geometry();
  const WriteBuffer* data = work->change->data;
  const uint64_t start = geometry.StartOf(chunk);
  const uint64_t length = geometry.LengthIn(chunk, work->new_size);
  // What remains of the old bytes once the file is cut to the size that was asked for.
  const uint64_t cut_size = std::min(work->change->set_size.value_or(~0ull), work->old().size);
  const uint64_t kept = work->IsErased(chunk) ? 0 : geometry.LengthIn(chunk, cut_size);
  BlockSet present = 0;
  if (work->old().overlay != 0 && id != kHole) {
    auto found = co_await reader_->FindBlocks(work->state, work->base, chunk);
    if (!found.ok()) {
      co_return found.error();
    }
    present = *found;
  }
  BlockSet dirty = 0;
  uint64_t dirty_end = 0;
  const bool covered = data != nullptr && data->Covers(start, start + length);
  if (data != nullptr) {
    data->ForEach(start, start + length, [&](uint64_t offset, ByteView run) {
      dirty |= BlocksOf(offset - start, offset - start + run.size());
      dirty_end = offset - start + run.size();
    });
  }
  const bool is_stored = id != kHole && work->old().chunked;
  if (is_stored && work->change->may_leave_blocks && !covered && dirty != 0 &&
      LeavesBlocks(geometry, present, dirty, MostBlocks(work->state))) {
    const Errno planned = co_await PlanBlocks(work, chunk, id, present, dirty);
    co_return planned;
  }

  ByteView whole;
  if (covered) {
    data->ForEach(start, start + length,
                  [&](uint64_t, ByteView run) { whole = run.size() == length ? run : ByteView(); });
  }
  std::shared_ptr<Bytes> assembled;
  if (whole.empty()) {
    assembled = std::make_shared<Bytes>();
    const bool has_base = is_stored || (!work->old().chunked && chunk == 0);
    if (!covered && has_base && kept > 0) {
      auto pieces = co_await reader_->Read(work->state, work->base, start, start + kept, true);
      if (!pieces.ok()) {
        co_return pieces.error();
      }
      *assembled = JoinPieces(*pieces);
    }
    assembled->resize(std::max<uint64_t>(assembled->size(), dirty_end), '\0');
    if (data != nullptr) {
      data->ForEach(start, start + length, [&](uint64_t offset, ByteView run) {
        std::memcpy(assembled->data() + (offset - start), run.data(), run.size());
      });
    }
    whole = *assembled;
  }
  whole = WithoutTrailingZeros(whole);
  if (whole.empty()) {
    work->edit.chunks[chunk] = kHole;
  } else {
    if (assembled) {
      assembled->resize(whole.size());
      whole = *assembled;
      work->plan.owned.push_back(assembled);
    }
    work->bytes[chunk] = whole;
    work->unnamed.push_back({chunk, whole, std::move(assembled)});
  }
  EraseBlocksOf(work, chunk, present);
  co_return Errno();
}

Task<void> ContentPlanner::NameChunks(Work* work) {
  std::vector<ChunkId> names(work->unnamed.size());
  std::function<void(size_t)> name = [&](size_t i) { names[i] = Sha256(work->unnamed[i].bytes); };
  co_await env::InParallel(scheduler_, names.size(), name);
  for (size_t i = 0; i < names.size(); ++i) {
    Work::Unnamed& chunk = work->unnamed[i];
    work->edit.chunks[chunk.chunk] = names[i];
    if (chunk.assembled) {
      work->plan.remember.emplace_back(names[i], std::move(chunk.assembled));
    }
  }
}

Task<Errno> ContentPlanner::PlanBlocks(Work* work, uint64_t chunk, ChunkId id, BlockSet present,
                                       BlockSet dirty) {
  (void)id;
  const Geometry& geometry = chunks_->geometry();
  const uint64_t start = geometry.StartOf(chunk);
  const uint64_t length = geometry.LengthIn(chunk, work->new_size);
  const uint64_t old_length = geometry.LengthIn(chunk, work->old().size);
  uint64_t& overlay = work->plan.content.overlay;
  if (overlay == 0) {
    overlay = std::max<uint64_t>(1, random_->Next());
    work->plan.is_fresh_overlay = true;
  }
  for (BlockSet left = dirty; left != 0; left &= left - 1) {
    const uint64_t block = static_cast<uint64_t>(std::countr_zero(left));
    const uint64_t from = block * kBlockBytes;
    const uint64_t to = std::min(from + kBlockBytes, length);
    Bytes bytes;
    if (!work->change->data->Covers(start + from, start + to) && from < old_length) {
      auto pieces = co_await reader_->Read(work->state, work->base, start + from,
                                           start + std::min(to, old_length), false);
      if (!pieces.ok()) {
        co_return pieces.error();
      }
      bytes = JoinPieces(*pieces);
    }
    bytes.resize(to - from, '\0');
    work->change->data->ForEach(start + from, start + to, [&](uint64_t offset, ByteView run) {
      std::memcpy(bytes.data() + (offset - start - from), run.data(), run.size());
    });
    work->plan.writes.push_back(
        {.kind = client::Write::Kind::kPut,
         .ck = keys::Block(work->state->ref.ino, overlay, start / kBlockBytes + block),
         .value = std::move(bytes)});
  }
  work->plan.blocks[chunk] = present | dirty;
  co_return Errno();
}

void ContentPlanner::EraseBlocksOf(Work* work, uint64_t chunk, BlockSet present) const {
  if (present == 0) {
    return;
  }
  const uint64_t first = chunk * chunks_->geometry().BlocksPerChunk();
  for (BlockSet left = present; left != 0; left &= left - 1) {
    work->plan.writes.push_back(
        {.kind = client::Write::Kind::kErase,
         .ck = keys::Block(work->state->ref.ino, work->old().overlay,
                           first + static_cast<uint64_t>(std::countr_zero(left))),
         .value = {}});
  }
  work->plan.blocks[chunk] = 0;
}

// Of all chunks in the range that have blocks, however large it is: they are found by a scan.
Task<Errno> ContentPlanner::EraseBlocks(Work* work, uint64_t first_chunk, uint64_t end_chunk) {
  constexpr uint32_t kPage = 256;
  if (work->old().overlay == 0 || first_chunk >= end_chunk) {
    co_return Errno();
  }
  const Ino ino = work->state->ref.ino;
  const uint64_t per_chunk = chunks_->geometry().BlocksPerChunk();
  Bytes begin = keys::Block(ino, work->old().overlay, first_chunk * per_chunk);
  const Bytes end = keys::Block(ino, work->old().overlay, end_chunk * per_chunk);
  while (true) {
    auto page = co_await client_->Scan(keys::DirectoryPk(work->state->ref.home), begin, end, kPage);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    for (const client::Item& item : page->items) {
      const auto block = keys::ParseBlock(item.ck);
      if (!block) {
        co_return Errno(EIO);
      }
      // Chunks that are assembled anew have seen to their blocks.
      if (work->edit.chunks.count(*block / per_chunk) == 0) {
        work->plan.writes.push_back(
            {.kind = client::Write::Kind::kErase, .ck = item.ck, .value = {}});
        work->plan.blocks[*block / per_chunk] = 0;
      }
    }
    if (!page->more || page->items.empty()) {
      co_return Errno();
    }
    begin = page->items.back().ck + '\0';
  }
}

Task<Errno> ContentPlanner::PlanTree(Work* work) {
  const Geometry& geometry = chunks_->geometry();
  const Content& old = work->old();
  NodeSet nodes(geometry.fan_out);
  // A large truncation goes on over several commits, from the end.
  uint64_t limit = geometry.ChunkCount(work->new_size);
  if (old.tree.limit > limit) {
    std::optional<uint64_t> cut;
    while (
        !(cut = CutPoint(geometry, old.tree, limit, old.tree.limit, kMaxDropsPerCommit, &nodes))) {
      const Status fetched = co_await chunks_->Fetch(&nodes);
      if (!fetched.ok()) {
        co_return ToErrno(fetched);
      }
    }
    limit = *cut;
    const Errno erased = co_await EraseBlocks(work, limit, old.tree.limit);
    if (!erased.ok()) {
      co_return erased;
    }
  }
  work->edit.new_limit = limit;
  std::optional<TreeChange> change;
  while (!(change = PlanTreeChange(geometry, old.tree, old.data_chunks, work->edit, &nodes))) {
    const Status fetched = co_await chunks_->Fetch(&nodes);
    if (!fetched.ok()) {
      co_return ToErrno(fetched);
    }
  }
  ContentPlan& plan = work->plan;
  const InodeRef ref = work->state->ref;
  const auto reference = [&](const PlacedChunk& place) {
    return client::ChunkRef{ref.home, ref.ino, place.level, place.position};
  };
  for (const PlacedChunk& added : change->added) {
    auto bytes = work->bytes.find(added.position);
    plan.puts.push_back(
        {added.id, reference(added),
         bytes == work->bytes.end() ? std::nullopt : std::optional<ByteView>(bytes->second)});
  }
  for (NodePut& put : change->puts) {
    auto bytes = std::make_shared<const Bytes>(std::move(put.bytes));
    plan.owned.push_back(bytes);
    plan.remember.emplace_back(put.place.id, bytes);
    plan.puts.push_back({put.place.id, reference(put.place), ByteView(*bytes)});
  }
  for (const PlacedChunk& drop : change->drops) {
    plan.drops.push_back({drop.id, reference(drop)});
  }
  plan.content.chunked = true;
  if (work->change->ends_overlay) {
    plan.content.overlay = 0;
  }
  plan.content.tree = std::move(change->tree);
  plan.content.data_chunks = change->data_chunks;
  if (work->new_size == 0 && plan.content.tree.limit == 0) {
    plan.content = Content{};  // inline again
    plan.inline_bytes = std::make_shared<const Bytes>();
  }
  co_return Errno();
}

}  // namespace kvfs::fs
