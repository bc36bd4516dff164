#include "kvcore/engine/version_set.h"
#include "kvcore/engine/durable.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace kvfs::engine {

namespace {

// A manifest is begun afresh once its edits outgrow the state it began with, and this.
constexpr uint64_t kManifestSlackBytes = 1u << 20;

bool NewerFirst(const std::shared_ptr<TableFile>& a, const std::shared_ptr<TableFile>& b) {
  if (a->meta.largest_sequence != b->meta.largest_sequence) {
    return a->meta.largest_sequence > b->meta.largest_sequence;
  }
  return a->meta.number > b->meta.number;
}

bool SmallerFirst(const std::shared_ptr<TableFile>& a, const std::shared_ptr<TableFile>& b) {
  return CompareInternalKeys(a->meta.smallest, b->meta.smallest) < 0;
}

Status Inconsistent(const std::string& what) {
  return Status::Corruption("inconsistent version edit: " + what);
}

}  // namespace

VersionSet::VersionSet(env::FileSystem* files, std::string directory, std::mutex* state_mutex,
                       std::function<void()> on_change)
    : files_(files),
      directory_(std::move(directory)),
      state_mutex_(state_mutex),
      on_change_(std::move(on_change)) {}

void VersionSet::ReserveFileNumber(uint64_t number) {
  uint64_t next = next_file_number_.load();
  while (next <= number && !next_file_number_.compare_exchange_weak(next, number + 1)) {
  }
}

Status VersionSet::CheckBlobs(const VersionEdit& edit) const {
  for (const auto& [logical, change] : edit.blob_changes) {
    static const BlobState kNew;
    const auto it = blobs_.find(logical);
    const bool is_new =
        std::any_of(edit.blob_files.begin(), edit.blob_files.end(),
                    [&, file = logical](const auto& meta) { return meta.logical == file; });
    if (it == blobs_.end() && !is_new) {
      return Inconsistent("a change of unknown blob file " + std::to_string(logical));
    }
    const BlobState& state = it == blobs_.end() ? kNew : it->second;
    for (const uint32_t ordinal : change.added.Ordinals()) {
      if (state.live.Contains(ordinal)) {
        return Inconsistent("a second pointer to blob " + std::to_string(logical) + ":" +
                            std::to_string(ordinal));
      }
    }
    for (const uint32_t ordinal : change.removed.Ordinals()) {
      if (!state.live.Contains(ordinal)) {
        return Inconsistent("a lost pointer to blob " + std::to_string(logical) + ":" +
                            std::to_string(ordinal));
      }
    }
    if (state.live_bytes + change.added_bytes < change.removed_bytes) {
      return Inconsistent("negative size of blob file " + std::to_string(logical));
    }
  }
  for (const uint64_t logical : edit.removed_blob_files) {
    const auto it = blobs_.find(logical);
    if (it == blobs_.end() || !it->second.live.Empty()) {
      return Inconsistent("removal of blob file " + std::to_string(logical));
    }
  }
  return Status::Ok();
}

Result<std::shared_ptr<const Version>> VersionSet::Build(
    const VersionEdit& edit, const std::shared_ptr<const BlobFile>& growing) const {
  auto version = std::make_shared<Version>(*current_);
  for (const auto& deleted : edit.deleted_tables) {
    TableList& list = version->levels[static_cast<size_t>(deleted.level)];
    const auto it = std::find_if(list.begin(), list.end(), [&](const auto& table) {
      return table->meta.number == deleted.number;
    });
    if (it == list.end()) {
      return Inconsistent("removal of unknown table " + std::to_string(deleted.number));
    }
    list.erase(it);
  }
  for (const auto& added : edit.added_tables) {
    // A move keeps the handle: the file must not be deleted with the older version.
    std::shared_ptr<TableFile> file;
    for (const TableList& list : current_->levels) {
      for (const auto& table : list) {
        if (table->meta.number == added.meta.number) {
          file = table;
        }
      }
    }
    if (file == nullptr) {
      file = std::make_shared<TableFile>(added.meta, obsolete_files_);
    }
    TableList& list = version->levels[static_cast<size_t>(added.level)];
    list.insert(std::upper_bound(list.begin(), list.end(), file,
                                 added.level == 0 ? NewerFirst : SmallerFirst),
                file);
  }
  for (size_t level = 1; level < version->levels.size(); ++level) {
    const TableList& list = version->levels[level];
    for (size_t i = 1; i < list.size(); ++i) {
      if (CompareInternalKeys(list[i - 1]->meta.largest, list[i]->meta.smallest) >= 0) {
        return Inconsistent(
            "tables of one level overlap: " + std::to_string(list[i - 1]->meta.number) + " and " +
            std::to_string(list[i]->meta.number));
      }
    }
  }
  if (!edit.blob_files.empty() || !edit.removed_blob_files.empty()) {
    auto blobs = std::make_shared<BlobMap>(*version->blobs);
    for (const BlobFileMeta& meta : edit.blob_files) {
      (*blobs)[meta.logical] = std::make_shared<BlobFileHandle>(
          meta.physical, meta.Finished() ? nullptr : growing, obsolete_files_);
    }
    for (const uint64_t logical : edit.removed_blob_files) {
      blobs->erase(logical);
    }
    version->blobs = std::move(blobs);
  }
  return std::shared_ptr<const Version>(std::move(version));
}

void VersionSet::Install(const VersionEdit& edit, std::shared_ptr<const Version> version) {
  for (const auto& deleted : edit.deleted_tables) {
    const bool moved =
        std::any_of(edit.added_tables.begin(), edit.added_tables.end(),
                    [&](const auto& added) { return added.meta.number == deleted.number; });
    for (const auto& table : current_->levels[static_cast<size_t>(deleted.level)]) {
      if (!moved && table->meta.number == deleted.number) {
        table->MarkObsolete();
      }
    }
  }
  for (const BlobFileMeta& meta : edit.blob_files) {
    const auto before = current_->blobs->find(meta.logical);
    if (before != current_->blobs->end() && before->second->physical() != meta.physical) {
      before->second->MarkObsolete();
    }
    BlobState& state = blobs_[meta.logical];
    blob_bytes_ += meta.file_bytes;
    blob_bytes_ -= state.meta.file_bytes;
    state.meta = meta;
  }
  for (const auto& [logical, change] : edit.blob_changes) {
    BlobState& state = blobs_[logical];
    for (const uint32_t ordinal : change.added.Ordinals()) {
      state.live.Insert(ordinal);
    }
    for (const uint32_t ordinal : change.removed.Ordinals()) {
      state.live.Erase(ordinal);
    }
    state.live_bytes += change.added_bytes;
    state.live_bytes -= change.removed_bytes;
  }
  for (const uint64_t logical : edit.removed_blob_files) {
    if (const auto it = current_->blobs->find(logical); it != current_->blobs->end()) {
      it->second->MarkObsolete();
    }
    blob_bytes_ -= blobs_[logical].meta.file_bytes;
    blobs_.erase(logical);
  }
  if (edit.log_number) {
    log_number_ = *edit.log_number;
  }
  if (edit.last_sequence) {
    last_sequence_ = *edit.last_sequence;
  }
  if (edit.durable_sequence) {
    durable_sequence_ = *edit.durable_sequence;
  }
  if (edit.next_file_number && *edit.next_file_number > 0) {
    ReserveFileNumber(*edit.next_file_number - 1);
  }
  table_bytes_ = version->TableBytes();
  current_ = std::move(version);
}

VersionEdit VersionSet::Snapshot() const {
  VersionEdit edit;
  edit.next_file_number = next_file_number_.load();
  edit.log_number = log_number_;
  edit.last_sequence = last_sequence_;
  edit.durable_sequence = durable_sequence_;
  for (int level = 0; level < kLevels; ++level) {
    for (const auto& table : current_->levels[static_cast<size_t>(level)]) {
      edit.added_tables.push_back({level, table->meta});
    }
  }
  for (const auto& [logical, state] : blobs_) {
    edit.blob_files.push_back(state.meta);
    if (!state.live.Empty()) {
      BlobChange& change = edit.blob_changes[logical];
      change.added = state.live;
      change.added_bytes = state.live_bytes;
    }
  }
  return edit;
}

Status VersionSet::Apply(VersionEdit edit, const std::function<void()>& on_install,
                         std::shared_ptr<const BlobFile> growing) {
  const std::lock_guard apply_lock(apply_mutex_);
  assert(manifest_ != nullptr);
  edit.next_file_number = next_file_number_.load();
  std::shared_ptr<const Version> version;
  {
    // Nobody but the holder of apply_mutex_ changes what Build and CheckBlobs read, but for the
    // accounts of unflushed records beside it.
    const std::lock_guard lock(*state_mutex_);
    KVFS_RETURN_IF_ERROR(CheckBlobs(edit));
    KVFS_ASSIGN_OR_RETURN(version, Build(edit, growing));
  }
  if (const Status written = Write(edit); !written.ok()) {
    SetAside(edit);
    return written;
  }
  manifest_bytes_.store(manifest_->Offset());
  std::shared_ptr<const Version> before;  // let go outside the mutex
  {
    const std::lock_guard lock(*state_mutex_);
    before = current_;
    Install(edit, std::move(version));
    if (on_install) {
      on_install();
    }
    on_change_();
  }
  for (const FileName& file : std::exchange(set_aside_, {})) {
    obsolete_files_->Add(file);
  }
  return Status::Ok();
}

Status VersionSet::Write(const VersionEdit& edit) {
  const bool outgrown = manifest_->Offset() > manifest_base_bytes_ * 2 + kManifestSlackBytes;
  if (manifest_damaged_ || outgrown) {
    return WriteNewManifest(edit);
  }
  Bytes record;
  edit.Encode(&record);
  const auto end = manifest_->AddRecord(record);
  if (!end.ok()) {
    manifest_damaged_ = true;
    return end.error();
  }
  if (const Status synced = SyncFile(manifest_->file()); !synced.ok()) {
    manifest_damaged_ = true;  // the edit may be there or not: nothing may follow it
    return synced;
  }
  PromiseManifest(*end);
  return Status::Ok();
}

void VersionSet::SetAside(const VersionEdit& edit) {
  for (const auto& added : edit.added_tables) {
    const bool known =
        std::any_of(edit.deleted_tables.begin(), edit.deleted_tables.end(),
                    [&](const auto& deleted) { return deleted.number == added.meta.number; });
    if (!known) {
      set_aside_.push_back({FileKind::kTable, added.meta.number});
    }
  }
  for (const BlobFileMeta& meta : edit.blob_files) {
    const auto it = current_->blobs->find(meta.logical);
    if (it == current_->blobs->end() || it->second->physical() != meta.physical) {
      set_aside_.push_back({FileKind::kBlob, meta.physical});
    }
  }
}

}  // namespace kvfs::engine
