// TellingClient: one of several clients of a store in memory, as of several mounts: each is told
// of what the others have changed, some time later, or not at all while it is deaf. Can be cut
// off from the store. Not thread-safe.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::testing {

class TellingClient final : public client::Client {
 public:
  // `all` outlives it.
  TellingClient(client::Client* base, env::Env env, std::set<TellingClient*>* all)
      : base_(base), env_(env), all_(all) {
    all_->insert(this);
  }
  ~TellingClient() override { all_->erase(this); }

  // Nothing that is asked of the store is answered but with an error.
  void SetCutOff(bool cut_off) { cut_off_ = cut_off; }
  void SetDeaf(bool deaf) { deaf_ = deaf; }
  // How exactly it is told.
  enum class Told : uint8_t { kKeys, kPks, kThatThereIsSomething };
  void SetTold(Told told) { told_ = told; }
  // Transactions that were asked for.
  int submitted() const { return submitted_; }

  const client::StoreInfo& info() const override { return base_->info(); }
  Task<client::CommitResult> Submit(client::Commit commit) override {
    ++submitted_;
    if (cut_off_) {
      client::CommitResult result;
      result.status = Away();
      co_return result;
    }
    std::vector<client::Change> changes;
    for (const client::Txn& txn : commit.txns) {
      client::Change& change = changes.emplace_back();
      change.pk = txn.pk;
      for (const client::Write& write : txn.writes) {
        change.cks.push_back(write.ck);
      }
    }
    client::CommitResult result = co_await base_->Submit(std::move(commit));
    if (result.status.ok()) {
      for (TellingClient* const other : *all_) {
        if (other != this && !other->deaf_ && !other->cut_off_) {
          std::vector<client::Change> heard = changes;
          for (client::Change& change : heard) {
            change.pk = other->told_ == Told::kThatThereIsSomething ? Bytes() : change.pk;
            if (other->told_ != Told::kKeys) {
              change.cks.clear();
            }
          }
          env_.scheduler->PostAfter(kTellMicros, env::Priority::kForeground,
                                    [all = all_, other, heard] {
                                      if (all->contains(other) && other->listener_) {
                                        other->listener_(heard);
                                      }
                                    });
        }
      }
    }
    co_return result;
  }
  Task<Result<std::optional<client::Item>>> Get(client::ItemKey key) override {
    if (cut_off_) {
      co_return Away();
    }
    co_return co_await base_->Get(std::move(key));
  }
  Task<Result<std::vector<std::optional<client::Item>>>> GetMany(
      std::vector<client::ItemKey> keys) override {
    if (cut_off_) {
      co_return Away();
    }
    co_return co_await base_->GetMany(std::move(keys));
  }
  Task<Result<client::ScanPage>> Scan(Bytes pk, Bytes begin, Bytes end, uint32_t limit) override {
    if (cut_off_) {
      co_return Away();
    }
    co_return co_await base_->Scan(std::move(pk), std::move(begin), std::move(end), limit);
  }
  Task<Result<Bytes>> ReadChunk(client::ChunkId id, uint64_t offset, uint64_t size) override {
    return base_->ReadChunk(id, offset, size);
  }
  Task<Result<client::ChunkInfo>> GetChunkInfo(client::ChunkId id) override {
    return base_->GetChunkInfo(id);
  }
  Task<Status> Sync() override { return base_->Sync(); }
  Task<Result<uint64_t>> AllocateInode() override { return base_->AllocateInode(); }
  Task<Result<std::vector<client::WorkItem>>> DueWork(int64_t now_millis, uint32_t limit) override {
    if (cut_off_) {
      co_return Away();
    }
    co_return co_await base_->DueWork(now_millis, limit);
  }
  Task<Result<client::SpaceInfo>> Space() override { return base_->Space(); }
  client::HybridTime Now() override { return base_->Now(); }
  void SetChangeListener(client::ChangeListener listener) override {
    listener_ = std::move(listener);
  }

 private:
  static constexpr int64_t kTellMicros = 1'000;
  static Status Away() { return Status::Unavailable("cut off"); }

  client::Client* const base_;
  const env::Env env_;
  std::set<TellingClient*>* const all_;
  client::ChangeListener listener_;
  bool cut_off_ = false;
  bool deaf_ = false;
  Told told_ = Told::kKeys;
  int submitted_ = 0;
};

}  // namespace kvfs::testing
