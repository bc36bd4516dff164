#include "kvcore/node/eraser.h"

#include <functional>
#include <utility>
#include <vector>

#include "kvcore/replication/keys.h"

namespace kvfs::node {

using replication::KeyKind;

namespace {

constexpr size_t kCleanLooks = 60;

}  // namespace

Task<void> Eraser::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

bool Eraser::IsForeign(uint32_t partition, uint64_t version) const {
  const auto view = parts_.placement->view();
  return view->next() == nullptr && view->stage().version() == version &&
         !view->current().Keeps(options_.self, partition);
}

Task<void> Eraser::Run() {
  uint64_t clean_version = 0;  // nothing was left by these layouts
  for (size_t look = 1;; ++look) {
    const bool goes_on =
        co_await env::SleepUnless(parts_.scheduler, options_.look_micros, &closing_);
    if (!goes_on) {
      co_return;
    }
    const auto view = parts_.placement->view();
    const uint64_t version = view->stage().version();
    // What was under way when the layouts changed may have come after that.
    const bool is_clean = version == clean_version && look % kCleanLooks != 0;
    if (view->next() != nullptr || is_clean) {
      continue;
    }
    std::vector<uint32_t> foreign;
    for (uint32_t partition = 0; partition < view->current().partition_count(); ++partition) {
      if (!view->current().Keeps(options_.self, partition)) {
        foreign.push_back(partition);
      }
    }
    const auto say = [&](size_t left) {
      if (version != clean_version) {
        left_ = static_cast<uint32_t>(left);
      }
    };
    say(foreign.size());
    size_t gone = 0;
    for (const uint32_t partition : foreign) {
      const auto erased = co_await Erase(partition, version);
      gone += erased.ok() && *erased ? 1 : 0;
      say(foreign.size() - gone);
    }
    if (gone == foreign.size()) {
      clean_version = version;
    }
  }
}

Task<Result<bool>> Eraser::Erase(uint32_t partition, uint64_t version) {
  auto [at, end] = replication::PartitionRange(partition, options_.partition_bits);
  const std::function<bool()> is_foreign = [this, partition, version] {
    return IsForeign(partition, version);
  };
  bool all = true;
  for (size_t count = 1; !closing_ && is_foreign(); ++count) {
    Bytes key;
    {
      const auto entries = parts_.store->Scan(at, end);
      if (!entries->Valid()) {
        KVFS_CO_RETURN_IF_ERROR(entries->status());
        co_return all;
      }
      key = Bytes(entries->key());
    }
    KVFS_CO_ASSIGN_OR_RETURN(const auto parsed, replication::ParseKey(key, false));
    const Bytes pk(parsed.pk);
    const Bytes prefix = replication::PkPrefix(parsed.place, pk);
    bool erased = false;
    if (parsed.kind == KeyKind::kChunkData || parsed.kind == KeyKind::kChunkRef) {
      const replication::ChunkId id = replication::ChunkIdOfPk(pk);
      KVFS_CO_ASSIGN_OR_RETURN(erased, co_await parts_.chunks->Discard(id, is_foreign));
    } else {
      KVFS_CO_ASSIGN_OR_RETURN(erased,
                               co_await parts_.home->Discard(partition, prefix, pk, is_foreign));
    }
    all = all && erased;  // a pk with a branch stays until that is merged
    at = replication::PrefixEnd(prefix);
    if (count % options_.at_once == 0) {
      (void)co_await env::SleepUnless(parts_.scheduler, options_.pause_micros, &closing_);
    }
  }
  co_return false;
}

}  // namespace kvfs::node
