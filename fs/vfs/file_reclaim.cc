// FileManager: giving back what belongs to inodes without links.

#include <algorithm>

#include "fs/meta/keys.h"
#include "fs/meta/posix.h"
#include "fs/vfs/file_manager_impl.h"

namespace kvfs::fs {
namespace {

constexpr uint32_t kWorkPerCall = 64;
constexpr uint32_t kItemsPerCommit = 1000;
constexpr int64_t kNanosPerMilli = 1'000'000;

}  // namespace

Task<Errno> FileManagerImpl::ReclaimOrphan(InodeRef ref) {
  auto reclaimed = co_await TryReclaim(ref);
  co_return reclaimed.ok() ? Errno() : reclaimed.error();
}

// A crash anywhere leaves the record, perhaps with less content, and the line of the work index:
// it is done again from there.
Task<FsResult<bool>> FileManagerImpl::TryReclaim(InodeRef ref) {
  auto inode = co_await LoadInode(client_, ref);
  if (inode.ok() && !S_ISREG(inode->record.mode())) {  // a symlink, FIFO, ...: no content here
    if (inode->record.nlink() != 0) {
      co_return false;
    }
    auto erased = co_await EraseItems(std::move(*inode), {}, {});
    co_return erased;
  }
  Pin pin = files_.Acquire(ref);
  FileState* state = pin.get();
  auto ops = co_await state->ops.Lock();
  auto publishing = co_await state->publishing.Lock();
  const Errno loaded = co_await publisher_.Reload(state);
  if (!loaded.ok()) {
    if (loaded != Errno(ESTALE)) {
      co_return loaded;
    }
    DiscardDirty(state);
    co_return false;  // done before
  }
  {
    std::lock_guard lock(state->mutex);
    if (!state->handles.empty()) {
      co_return Errno(EBUSY);
    }
    if (state->inode.record.nlink() != 0) {
      co_return false;
    }
  }
  DiscardDirty(state);
  auto deleted = co_await DeleteOrphan(state);
  co_return deleted;
}

// REQUIRES: ops and publishing held.
Task<FsResult<bool>> FileManagerImpl::DeleteOrphan(FileState* state) {
  ContentChange cut;
  cut.set_size = 0;
  while (true) {
    Snapshot base;
    LoadedInode inode;
    {
      std::lock_guard lock(state->mutex);
      base = state->TakeSnapshot();
      inode = state->inode;
    }
    ContentPlan plan;
    if (base.content->chunked) {
      auto planned = co_await planner_.Plan(state, base, &cut);
      if (!planned.ok()) {
        co_return planned.error();
      }
      plan = std::move(*planned);
    }
    if (plan.content.chunked) {
      // Too large for one commit: a piece is cut off first, as by a truncation.
      PublishOptions options;
      options.may_use_reserve = true;
      std::function<void()> no_action = [] {};
      const Errno published = co_await publisher_.Publish(state, &cut, options, no_action);
      if (!published.ok()) {
        co_return published;
      }
      continue;
    }
    auto erased =
        co_await EraseItems(std::move(inode), std::move(plan.drops), std::move(plan.writes));
    if (erased.ok() && *erased) {
      std::lock_guard lock(state->mutex);
      state->gone = true;
    }
    co_return erased;
  }
}

// All items of an inode without links, the record with the last of them; and with the record what
// is left of its content: references to drop and overlay blocks to erase. (The items of links went
// with the links.)
Task<FsResult<bool>> FileManagerImpl::EraseItems(LoadedInode inode,
                                                 std::vector<client::ChunkDrop> drops,
                                                 std::vector<client::Write> blocks) {
  const InodeRef ref = inode.ref;
  const Bytes pk = keys::DirectoryPk(ref.home);
  while (true) {
    client::Commit commit;
    commit.may_use_reserve = true;
    client::Txn txn;
    txn.pk = pk;
    bool is_last = true;
    if (inode.record.xattr_bits() != 0) {
      const Bytes prefix = keys::XattrPrefix(ref.ino);
      auto page = co_await client_->Scan(pk, prefix, keys::PrefixEnd(prefix), kItemsPerCommit);
      if (!page.ok()) {
        co_return ToErrno(page.error());
      }
      is_last = !page->more;
      for (client::Item& item : page->items) {
        txn.writes.push_back(
            {.kind = client::Write::Kind::kErase, .ck = std::move(item.ck), .value = {}});
      }
    }
    txn.asserts.push_back(AssertRecord(inode));
    if (is_last) {
      // Inline content, or the mark of what was in chunks.
      txn.writes.push_back(
          {.kind = client::Write::Kind::kErase, .ck = keys::Inline(ref.ino), .value = {}});
      if (options_.is_shared) {  // of a mount that has died
        txn.writes.push_back(
            {.kind = client::Write::Kind::kErase, .ck = keys::Lock(ref.ino), .value = {}});
      }
      txn.writes.insert(txn.writes.end(), blocks.begin(), blocks.end());
      txn.writes.push_back(EraseRecord(inode));
      txn.work_erases.push_back(OrphanWork(inode.record));
      commit.drops = drops;
    }
    commit.txns.push_back(std::move(txn));
    auto result = co_await client_->Submit(std::move(commit));
    if (result.status.code() == Code::kConflict) {
      auto again = co_await LoadInode(client_, ref);
      if (!again.ok()) {
        if (again.error() == Errno(ENOENT)) {
          co_return false;
        }
        co_return again.error();
      }
      if (again->record.nlink() != 0) {
        co_return false;
      }
      inode = std::move(*again);
      continue;
    }
    if (!result.status.ok()) {
      co_return ToErrno(result.status);
    }
    if (is_last) {
      co_return true;
    }
  }
}

bool FileManagerImpl::IsHeld(Ino ino) const {
  return IsOpen(ino) || (is_held_ != nullptr && is_held_(ino));
}

// Where others may write while parted from this mount, nothing is taken apart that they may still
// change: only what every home knows to be deleted.
Task<bool> FileManagerImpl::IsWhole(Ino home, Wholeness* wholeness) {
  constexpr int kEnough = 3;  // each may cost a time-out
  if (!options_.is_shared) {
    co_return true;
  }
  if (const auto known = wholeness->known.find(home); known != wholeness->known.end()) {
    co_return known->second;
  }
  if (wholeness->not_whole >= kEnough) {
    co_return false;
  }
  const auto answer = co_await client_->IsWhole(keys::DirectoryPk(home));
  const bool is_whole = answer.ok() && *answer;
  wholeness->not_whole += is_whole ? 0 : 1;
  wholeness->known[home] = is_whole;
  co_return is_whole;
}

Task<FsResult<bool>> FileManagerImpl::RunDueWork() {
  // What cannot be done now stays at the head of the index: look past it, further each time.
  constexpr uint32_t kMostLines = kWorkPerCall << 12;
  const int64_t now = env_.clock->WallNanos() / kNanosPerMilli;
  Wholeness wholeness;
  Errno first;
  size_t tried = 0;
  for (uint32_t limit = kWorkPerCall; limit <= kMostLines; limit *= 4) {
    auto due = co_await client_->DueWork(now, limit);
    if (!due.ok()) {
      co_return ToErrno(due.error());
    }
    size_t done = 0;
    for (; tried < due->size(); ++tried) {
      auto worked = co_await DoLine(&(*due)[tried], &wholeness);
      if (worked.ok()) {
        done += *worked ? 1 : 0;
      } else if (first.ok()) {
        first = worked.error();
      }
    }
    const bool is_more = due->size() == limit;
    if (done > 0) {
      co_return is_more;
    }
    if (!is_more) {
      break;
    }
  }
  if (!first.ok()) {
    co_return first;
  }
  co_return false;
}

// One line of the work index. False: it is to be left for later.
Task<FsResult<bool>> FileManagerImpl::DoLine(const client::WorkItem* line, Wholeness* wholeness) {
  const bool is_of_file = line->key.kind == static_cast<uint8_t>(keys::WorkKind::kFold) ||
                          line->key.kind == static_cast<uint8_t>(keys::WorkKind::kOrphan);
  if (!is_of_file) {
    if (run_line_ == nullptr) {
      co_return false;
    }
    client::WorkItem copy = *line;
    auto ran = co_await run_line_(std::move(copy));
    co_return ran;
  }
  const auto ref = keys::ParseWorkId(line->key.id);
  if (!ref) {
    co_return false;
  }
  if (line->key.kind == static_cast<uint8_t>(keys::WorkKind::kOrphan) && !IsHeld(ref->ino)) {
    const bool is_whole = co_await IsWhole(ref->home, wholeness);
    if (!is_whole) {
      co_return false;
    }
  }
  client::WorkKey key = line->key;
  auto worked = co_await DoWork(*ref, std::move(key));
  co_return worked;
}

Task<FsResult<bool>> FileManagerImpl::DoWork(InodeRef ref, client::WorkKey key) {
  Errno outcome;
  if (key.kind == static_cast<uint8_t>(keys::WorkKind::kFold)) {
    outcome = co_await FoldIdle(ref, std::move(key));
  } else if (key.kind == static_cast<uint8_t>(keys::WorkKind::kOrphan) && !IsHeld(ref.ino)) {
    auto reclaimed = co_await TryReclaim(ref);
    outcome = reclaimed.ok() ? Errno() : reclaimed.error();
    if (outcome == Errno(EBUSY)) {
      co_return false;  // opened meanwhile
    }
    if (reclaimed.ok() && !*reclaimed) {
      // A line that outlived its inode, or its being an orphan.
      outcome = co_await EraseWork(ref, std::move(key));
    }
  } else {
    co_return false;
  }
  if (!outcome.ok()) {
    co_return outcome;
  }
  co_return true;
}

// Erases a line of the work index unless it is still that of an orphan.
Task<Errno> FileManagerImpl::EraseWork(InodeRef ref, client::WorkKey key) {
  auto inode = co_await LoadInode(client_, ref);
  if (!inode.ok() && inode.error() != Errno(ENOENT)) {
    co_return inode.error();
  }
  if (inode.ok() && inode->record.nlink() == 0 && OrphanWork(inode->record) == key) {
    co_return Errno();
  }
  client::Txn txn;
  txn.pk = keys::DirectoryPk(ref.home);
  txn.work_erases.push_back(std::move(key));
  client::Commit commit;
  commit.txns.push_back(std::move(txn));
  commit.may_use_reserve = true;
  auto result = co_await client_->Submit(std::move(commit));
  co_return ToErrno(result.status);
}

}  // namespace kvfs::fs
