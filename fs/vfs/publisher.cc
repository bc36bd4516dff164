#include "fs/vfs/publisher.h"

#include <tuple>

#include "fs/meta/change_set.h"
#include "fs/meta/conflict.h"
#include "fs/meta/keys.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

// Each lost race means that somebody else got on; more than this of them in a row is a bug.
constexpr int kMaxAttempts = 1000;

}  // namespace

Task<Errno> Publisher::Load(FileState* state) {
  {
    std::lock_guard lock(state->mutex);
    if (state->loaded) {
      co_return state->gone ? Errno(ESTALE) : Errno();
    }
  }
  auto guard = co_await state->publishing.Lock();
  {
    std::lock_guard lock(state->mutex);
    if (state->loaded) {
      co_return state->gone ? Errno(ESTALE) : Errno();
    }
  }
  // Opening it has looked at the store.
  const Errno loaded = co_await Reload(state, Freshness::kRecent);
  co_return loaded;
}

Task<Errno> Publisher::Reload(FileState* state, Freshness freshness) {
  Errno reloaded = co_await TryReload(state, freshness);
  for (int attempt = 1; reloaded == kRetry && attempt < kMaxAttempts; ++attempt) {
    reloaded = co_await TryReload(state, Freshness::kNow);
  }
  co_return reloaded == kRetry ? Errno(EIO) : reloaded;
}

Task<Errno> Publisher::TryReload(FileState* state, Freshness freshness) {
  auto inode = co_await LoadInode(client_, state->ref, freshness);
  if (inode.ok() && inode->in_conflict && conflicts_ != nullptr) {
    // Where it cannot be resolved now, what its versions come to can be read, and not be written.
    (void)co_await conflicts_->ResolveInode(state->ref);
    inode = co_await LoadInode(client_, state->ref);
  }
  if (!inode.ok()) {
    co_return inode.error() == Errno(ENOENT) ? Errno(ESTALE) : inode.error();
  }
  {
    // Every change of the content changes the record too.
    std::lock_guard lock(state->mutex);
    if (state->loaded && state->inode.version == inode->version) {
      co_return Errno();
    }
  }
  if (!S_ISREG(inode->record.mode())) {
    co_return Errno(EINVAL);
  }
  auto content = ParseContent(inode->record, chunks_->geometry());
  if (!content.ok()) {
    co_return ToErrno(content.error());
  }
  std::shared_ptr<const Bytes> inline_bytes;
  bool is_same = false;
  {
    std::lock_guard lock(state->mutex);
    // Blocks of an overlay are replaced in place, so these say nothing.
    is_same =
        state->loaded && *state->content == *content && content->chunked && content->overlay == 0;
  }
  if (!content->chunked) {
    inline_bytes = std::make_shared<const Bytes>();
    if (content->size > 0) {
      // Both at once, so that they are of one version.
      std::vector<client::ItemKey> wanted;
      wanted.push_back(keys::RecordItem(state->ref));
      wanted.push_back({keys::DirectoryPk(state->ref.home), keys::Inline(state->ref.ino)});
      auto items = co_await client_->GetMany(std::move(wanted));
      if (!items.ok()) {
        co_return ToErrno(items.error());
      }
      const auto& [record, bytes] = std::tie((*items)[0], (*items)[1]);
      if (!record.has_value()) {
        co_return Errno(ESTALE);
      }
      if (record->version != inode->version) {
        co_return kRetry;
      }
      if (!bytes.has_value()) {
        co_return Errno(EIO);
      }
      inline_bytes = std::make_shared<const Bytes>(bytes->value());
    }
  }
  std::lock_guard lock(state->mutex);
  if (!is_same && inode->record.content_conflicts() > state->inode.record.content_conflicts() &&
      state->loaded && (state->written_here || !state->dirty.empty()) && !state->lost.has_value()) {
    const bool has_won =
        *state->content == *content && !content->chunked && *state->inline_bytes == *inline_bytes;
    if (!has_won) {
      const client::Dot dot{state->inode.version.high, state->inode.version.low};
      state->lost = LostContent{
          .stamp = {.time = client_->Now(), .dot = dot},
          .record = state->inode.record,
          .inline_content = state->inline_bytes != nullptr ? *state->inline_bytes : Bytes()};
    }
  }
  state->inode = std::move(*inode);
  if (!is_same) {
    state->content = std::make_shared<const Content>(std::move(*content));
    state->inline_bytes = std::move(inline_bytes);
    state->written_here = false;
    state->overlay.Forget();
    ++state->sequence;
    state->foreign_changes += state->loaded ? 1 : 0;
  }
  state->loaded = true;
  co_return Errno();
}

client::WorkKey Publisher::FoldWork(InodeRef ref) const {
  const int64_t due_micros = clock_->WallNanos() / 1000 + fold_after_micros_;
  return keys::Work(keys::WorkKind::kFold, ref, due_micros / 1000);
}

Task<Errno> Publisher::Publish(FileState* state, const ContentChange* change,
                               PublishOptions options, std::function<void()> published) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    if (options.of_writer) {
      auto copy = co_await CopyFor(state);
      if (!copy.ok()) {
        co_return copy.error();
      }
      if (*copy != nullptr) {
        auto guard = co_await (*copy)->publishing.Lock();
        std::function<void()> under_both = [state, &published] {
          std::lock_guard lock(state->mutex);
          published();
        };
        options.of_writer = false;
        const Errno done = co_await Publish(copy->get(), change, options, under_both);
        co_return done;
      }
    }
    Snapshot base;
    {
      std::lock_guard lock(state->mutex);
      base = state->TakeSnapshot();
    }
    if (change != nullptr && base.content->NeedsTrim(chunks_->geometry())) {
      // What an earlier truncation has left goes first, so that it cannot come back.
      PublishOptions trim_options;
      trim_options.may_use_reserve = true;
      std::function<void()> no_action = [] {};
      const Errno trimmed = co_await Publish(state, nullptr, trim_options, no_action);
      if (!trimmed.ok()) {
        co_return trimmed;
      }
      continue;
    }
    const ContentChange nothing;
    auto plan = co_await planner_->Plan(state, base, change != nullptr ? change : &nothing);
    if (!plan.ok()) {
      co_return plan.error();
    }
    const Errno done = co_await Commit(state, &*plan, &options, &published);
    if (done == Errno(EAGAIN)) {
      continue;
    }
    co_return done;
  }
  co_return Errno(EIO);
}

Task<FsResult<std::shared_ptr<FileState>>> Publisher::CopyFor(FileState* state) {
  LostContent lost;
  {
    std::lock_guard lock(state->mutex);
    if (!state->lost.has_value() || state->copy != nullptr || conflicts_ == nullptr) {
      co_return state->copy;
    }
    lost = *state->lost;
  }
  auto ref = co_await conflicts_->CopyOf(state->ref, std::move(lost));
  if (!ref.ok()) {
    co_return ref.error();
  }
  const auto copy = std::make_shared<FileState>(*ref, scheduler_);
  const Errno loaded = co_await Load(copy.get());
  if (!loaded.ok()) {
    co_return loaded;
  }
  std::lock_guard lock(state->mutex);
  state->copy = copy;
  co_return copy;
}

// EAGAIN: the content has changed, and has been loaded: plan again.
Task<Errno> Publisher::Commit(FileState* state, ContentPlan* plan, const PublishOptions* options,
                              const std::function<void()>* published) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    LoadedInode inode;
    std::shared_ptr<const Content> base;
    {
      std::lock_guard lock(state->mutex);
      inode = state->inode;
      base = state->content;
    }
    StoreContent(plan->content, chunks_->geometry(), &inode.record);
    if (options->mtime) {
      const client::HybridTime set_at = client_->Now();
      SetTime(inode.record.mutable_mtime(), *options->mtime, set_at);
      SetTime(inode.record.mutable_ctime(),
              std::max(*options->mtime, GetTime(inode.record.ctime())), set_at);
    }
    if (!RecordFits(inode.record)) {
      co_return Errno(EIO);
    }
    if (inode.in_conflict) {
      co_return kUnresolved;
    }
    client::Txn txn;
    txn.pk = keys::DirectoryPk(state->ref.home);
    txn.asserts.push_back(AssertRecord(inode));
    txn.writes = plan->writes;
    if (is_shared_ && (plan->content.chunked || plan->content.size == 0)) {
      txn.writes.push_back({.kind = client::Write::Kind::kPut,
                            .ck = keys::Inline(state->ref.ino),
                            .value = ContentMark(inode.record)});
    }
    txn.writes.push_back(PutRecord(inode));
    if (plan->is_fresh_overlay) {
      txn.work_puts.emplace_back(FoldWork(state->ref), Bytes());
    }
    client::Commit commit;
    commit.chunks = plan->puts;
    commit.txns.push_back(std::move(txn));
    commit.drops = plan->drops;
    commit.sync = options->sync;
    commit.may_use_reserve = options->may_use_reserve;
    auto result = co_await client_->Submit(std::move(commit));
    if (result.status.ok()) {
      inode.version = result.versions[0];
      std::lock_guard lock(state->mutex);
      Take(state, std::move(inode), plan);
      (*published)();
      co_return Errno();
    }
    if (result.status.code() != Code::kConflict) {
      co_return ToErrno(result.status);
    }
    const Errno reloaded = co_await Reload(state);
    if (!reloaded.ok()) {
      co_return reloaded;
    }
    std::lock_guard lock(state->mutex);
    if (state->content != base) {
      co_return Errno(EAGAIN);
    }
  }
  co_return Errno(EIO);
}

void Publisher::Take(FileState* state, LoadedInode inode, ContentPlan* plan) {
  const bool is_changed = !(*state->content == plan->content) || !plan->blocks.empty();
  state->written_here = true;
  state->inode = std::move(inode);
  if (!is_changed && plan->inline_bytes == state->inline_bytes) {
    return;
  }
  ++state->sequence;
  state->content = std::make_shared<const Content>(plan->content);
  state->inline_bytes = plan->inline_bytes;
  if (plan->is_fresh_overlay || plan->content.overlay == 0) {
    state->overlay.Reset();
  }
  for (const auto& [chunk, blocks] : plan->blocks) {
    state->overlay.Set(chunk, blocks);
  }
  for (auto& [id, bytes] : plan->remember) {
    chunks_->Remember(id, std::move(bytes));
  }
}

}  // namespace kvfs::fs
