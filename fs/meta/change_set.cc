#include "fs/meta/change_set.h"

#include <utility>

namespace kvfs::fs {

size_t ChangeSet::OnPk(Bytes pk) {
  for (size_t i = 0; i < commit_.txns.size(); ++i) {
    if (commit_.txns[i].pk == pk) {
      return i;
    }
  }
  commit_.txns.push_back({.pk = std::move(pk), .asserts = {}, .writes = {}});
  otherwise_.emplace_back();
  return commit_.txns.size() - 1;
}

void ChangeSet::AddAssert(Ino home, client::Assert assertion, Errno otherwise) {
  const size_t txn = On(home);
  commit_.txns[txn].asserts.push_back(std::move(assertion));
  otherwise_[txn].push_back(otherwise);
}

void ChangeSet::AssertAbsent(Ino home, Bytes ck, Errno otherwise) {
  AddAssert(home, {.kind = client::Assert::Kind::kAbsent, .ck = std::move(ck), .version = {}},
            otherwise);
}

void ChangeSet::AssertPresent(Ino home, Bytes ck, Errno otherwise) {
  AddAssert(home, {.kind = client::Assert::Kind::kPresent, .ck = std::move(ck), .version = {}},
            otherwise);
}

void ChangeSet::AssertVersion(Ino home, Bytes ck, client::VersionId version) {
  AddAssert(home, {.kind = client::Assert::Kind::kVersion, .ck = std::move(ck), .version = version},
            kRetry);
}

void ChangeSet::AssertNoneWithPrefix(Ino home, Bytes prefix, Errno otherwise) {
  AddAssert(home,
            {.kind = client::Assert::Kind::kPrefixEmpty, .ck = std::move(prefix), .version = {}},
            otherwise);
}

void ChangeSet::Put(Ino home, Bytes ck, Bytes value) {
  commit_.txns[On(home)].writes.push_back(
      {.kind = client::Write::Kind::kPut, .ck = std::move(ck), .value = std::move(value)});
}

void ChangeSet::Erase(Ino home, Bytes ck) {
  commit_.txns[On(home)].writes.push_back(
      {.kind = client::Write::Kind::kErase, .ck = std::move(ck), .value = {}});
}

void ChangeSet::PutWork(Ino home, client::WorkKey key, Bytes value) {
  commit_.txns[On(home)].work_puts.emplace_back(std::move(key), std::move(value));
}

void ChangeSet::EraseWork(Ino home, client::WorkKey key) {
  commit_.txns[On(home)].work_erases.push_back(std::move(key));
}

void ChangeSet::PutNote(Bytes ck, Bytes value) {
  commit_.txns[OnPk(keys::ConflictsPk())].writes.push_back(
      {.kind = client::Write::Kind::kPut, .ck = std::move(ck), .value = std::move(value)});
}

void ChangeSet::Update(const LoadedInode& loaded) {
  in_conflict_ |= loaded.in_conflict;
  if (!RecordFits(loaded.record)) {
    record_too_large_ = true;
    return;
  }
  AddAssert(loaded.ref.home, AssertRecord(loaded), kRetry);
  commit_.txns[On(loaded.ref.home)].writes.push_back(PutRecord(loaded));
}

void ChangeSet::EraseRecord(const LoadedInode& loaded) {
  in_conflict_ |= loaded.in_conflict;
  AddAssert(loaded.ref.home, AssertRecord(loaded), kRetry);
  commit_.txns[On(loaded.ref.home)].writes.push_back(fs::EraseRecord(loaded));
}

void ChangeSet::TouchDirectory(Ino home, TimeSpec now, client::HybridTime set_at) {
  commit_.txns[On(home)].writes.push_back(PutDirectoryTimes(now, set_at));
}

Task<Errno> ChangeSet::Commit(client::Client* client) {
  if (record_too_large_) {
    co_return EIO;
  }
  if (in_conflict_) {
    co_return kUnresolved;
  }
  client::CommitResult result = co_await client->Submit(std::move(commit_));
  if (result.status.code() != Code::kConflict) {
    co_return ToErrno(result.status);
  }
  if (result.failed_txn < otherwise_.size() &&
      result.failed_assert < otherwise_[result.failed_txn].size()) {
    co_return otherwise_[result.failed_txn][result.failed_assert];
  }
  co_return kRetry;
}

}  // namespace kvfs::fs
