// ConflictResolver: the lines of the work index that have it run.

#include "fs/meta/conflict_resolver.h"
#include "fs/meta/keys.h"

namespace kvfs::fs {
namespace {

constexpr int64_t kMillisPerSecond = 1000;

// Parts of one operation lie under several partition keys, which are merged one by one: so what a
// merge has brought is looked at again for a while, when the others have come.
constexpr int64_t kAgainAfterSeconds[] = {2, 10, 60, 600};
constexpr uint32_t kMostLooks = std::size(kAgainAfterSeconds);

}  // namespace

void ConflictResolver::LookAgain(InodeRef ref, const std::vector<Place>& missing,
                                 ChangeSet* changes) {
  if (missing.empty()) {
    return;
  }
  pb::SettleWork work;
  work.set_attempt(1);
  for (const Place& place : missing) {
    pb::SettleWork::Hint* hint = work.add_hints();
    hint->set_ino(ref.ino);
    hint->set_home(ref.home);
    *hint->mutable_place() = place.link;
  }
  client::WorkKey line = keys::Work(keys::WorkKind::kSettle, ref,
                                    NowMillis() + kAgainAfterSeconds[0] * kMillisPerSecond);
  line.id.push_back('h');  // beside that of a merged pk
  changes->PutWork(ref.home, std::move(line), work.SerializeAsString());
}

Task<FsResult<bool>> ConflictResolver::RunLine(client::WorkItem line) {
  switch (line.key.kind) {
    case client::kMergedWork: {
      auto done = co_await RunMerged(std::move(line));
      co_return done;
    }
    case static_cast<uint8_t>(keys::WorkKind::kSettle): {
      auto done = co_await RunSettle(std::move(line));
      co_return done;
    }
    case static_cast<uint8_t>(keys::WorkKind::kUnite): {
      auto done = co_await RunUnite(std::move(line));
      co_return done;
    }
    case static_cast<uint8_t>(keys::WorkKind::kGrave): {
      auto done = co_await RunGrave(std::move(line));
      co_return done;
    }
    default:
      co_return false;
  }
}

Task<FsResult<bool>> ConflictResolver::RunMerged(client::WorkItem line) {
  const auto home = keys::HomeOfPk(line.key.id);
  client::Commit commit;
  commit.may_use_reserve = true;
  client::Txn txn;
  txn.pk = line.key.id;
  txn.work_erases.push_back(line.key);
  if (home) {  // else no directory's: notes of conflicts, which are the same on all sides
    auto work = client::DecodeMergedWork(line.value);
    if (!work.ok()) {
      co_return ToErrno(work.error());
    }
    std::vector<Bytes> cks;
    if (work->all) {
      auto all = co_await ScanAll(*home, {});
      if (!all.ok()) {
        co_return all.error();
      }
      for (client::Item& item : *all) {
        cks.push_back(std::move(item.ck));
      }
    }
    for (client::MergedItem& item : work->items) {
      cks.push_back(std::move(item.ck));
    }
    auto done = co_await ResolveItems(*home, cks);
    if (!done.ok()) {
      co_return done.error();
    }
    client::WorkKey next = keys::Work(keys::WorkKind::kSettle, {.ino = *home, .home = *home},
                                      NowMillis() + kAgainAfterSeconds[0] * kMillisPerSecond);
    pb::SettleWork again;
    again.set_attempt(1);
    for (Bytes& ck : cks) {
      again.add_cks(std::move(ck));
    }
    txn.work_puts.emplace_back(std::move(next), again.SerializeAsString());
  }
  commit.txns.push_back(std::move(txn));
  auto result = co_await client_->Submit(std::move(commit));
  if (!result.status.ok()) {
    co_return ToErrno(result.status);
  }
  co_return true;
}

Task<FsResult<bool>> ConflictResolver::RunSettle(client::WorkItem line) {
  const auto ref = keys::ParseWorkId(line.key.id);
  pb::SettleWork work;
  if (!ref || !work.ParseFromString(line.value)) {
    co_return Errno(EIO);
  }
  std::vector<Bytes> cks(work.cks().begin(), work.cks().end());
  Hints hints(work.hints().begin(), work.hints().end());
  auto done = co_await ResolveItems(ref->home, std::move(cks), std::move(hints));
  if (!done.ok()) {
    co_return done.error();
  }
  client::Commit commit;
  commit.may_use_reserve = true;
  client::Txn txn;
  txn.pk = keys::DirectoryPk(ref->home);
  txn.work_erases.push_back(line.key);
  const uint32_t attempt = work.attempt();
  if (attempt < kMostLooks || !*done) {
    const int64_t after = kAgainAfterSeconds[std::min(attempt, kMostLooks - 1)];
    client::WorkKey next =
        keys::Work(keys::WorkKind::kSettle, *ref, NowMillis() + after * kMillisPerSecond);
    next.id = line.key.id;
    work.set_attempt(std::min(attempt + 1, kMostLooks));
    txn.work_puts.emplace_back(std::move(next), work.SerializeAsString());
  }
  commit.txns.push_back(std::move(txn));
  auto result = co_await client_->Submit(std::move(commit));
  if (!result.status.ok()) {
    co_return ToErrno(result.status);
  }
  co_return true;
}

Task<FsResult<bool>> ConflictResolver::RunUnite(client::WorkItem line) {
  const auto pair = keys::ParseUniteId(line.key.id);
  if (!pair) {
    co_return Errno(EIO);
  }
  const Errno united = co_await Unite(pair->first, pair->second, 0);
  if (!united.ok()) {
    co_return united;
  }
  client::Commit commit;
  commit.may_use_reserve = true;
  client::Txn txn;
  txn.pk = keys::DirectoryPk(pair->second);
  txn.work_erases.push_back(line.key);
  commit.txns.push_back(std::move(txn));
  auto result = co_await client_->Submit(std::move(commit));
  if (!result.status.ok()) {
    co_return ToErrno(result.status);
  }
  co_return true;
}

// What was kept of a removed directory goes, unless it has come back.
Task<FsResult<bool>> ConflictResolver::RunGrave(client::WorkItem line) {
  const auto ref = keys::ParseWorkId(line.key.id);
  if (!ref) {
    co_return Errno(EIO);
  }
  const auto is_whole = co_await client_->IsWhole(keys::DirectoryPk(ref->home));
  if (!is_whole.ok() || !*is_whole) {
    // Tried again in a while, so that it does not stand before others.
    constexpr int64_t kAgainMillis = 60'000;
    ChangeSet later;
    later.EraseWork(ref->home, line.key);
    later.PutWork(ref->home, keys::Work(keys::WorkKind::kGrave, *ref, NowMillis() + kAgainMillis));
    const Errno put_off = co_await later.Commit(client_);
    if (!put_off.ok()) {
      co_return put_off;
    }
    co_return true;
  }
  auto self = co_await Get(ref->home, keys::Self());
  if (!self.ok()) {
    co_return self.error();
  }
  ChangeSet changes;
  changes.AllowReserve();
  changes.Erase(ref->home, keys::Grave());
  if (!self->has_value()) {
    auto xattrs = co_await ScanAll(ref->home, keys::XattrPrefix(ref->ino));
    if (!xattrs.ok()) {
      co_return xattrs.error();
    }
    changes.AssertAbsent(ref->home, keys::Self());
    for (const client::Item& item : *xattrs) {
      changes.Erase(ref->home, item.ck);
    }
  }
  changes.EraseWork(ref->home, line.key);
  const Errno done = co_await changes.Commit(client_);
  if (done == kRetry) {
    co_return false;
  }
  if (!done.ok()) {
    co_return done;
  }
  co_return true;
}

}  // namespace kvfs::fs
