// The part of VersionSet that reads and writes manifest files.
#include <utility>

#include "kvcore/engine/durable.h"
#include "kvcore/engine/log_reader.h"
#include "kvcore/engine/version_set.h"

namespace kvfs::engine {

namespace {

Status BadCurrent(const std::string& directory, const std::string& what) {
  return Status::Corruption(FilePath(directory, FileKind::kCurrent) + " at 0: " + what);
}

}  // namespace

Result<uint64_t> ReadCurrent(env::FileSystem* files, const std::string& directory) {
  auto content = files->ReadFile(FilePath(directory, FileKind::kCurrent));
  if (!content.ok()) {
    return content.error().code() == Code::kNotFound ? BadCurrent(directory, "missing")
                                                     : content.error();
  }
  if (content->empty() || content->back() != '\n') {
    return BadCurrent(directory, "does not end with a newline");
  }
  content->pop_back();
  const auto name = ParseFileName(*content);
  if (!name || name->kind != FileKind::kManifest) {
    return BadCurrent(directory, "does not name a manifest");
  }
  return name->number;
}

Status VersionSet::Recover() {
  KVFS_ASSIGN_OR_RETURN(const uint64_t number, ReadCurrent(files_, directory_));
  ReserveFileNumber(number);
  manifest_number_.store(number);
  return RecoverFrom(number);
}

Status VersionSet::RecoverFrom(uint64_t number) {
  const std::string path = FilePath(directory_, FileKind::kManifest, number);
  auto file = files_->OpenRandomAccess(path);
  if (!file.ok()) {
    return file.error().code() == Code::kNotFound
               ? BadCurrent(directory_, "names " + path + ", which does not exist")
               : file.error();
  }
  LogReader reader(std::move(*file), path, number);
  Bytes record;
  uint64_t offset = 0;
  bool any = false;
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const bool more, reader.ReadRecord(&record, &offset));
    if (!more) {
      break;
    }
    const std::string place = path + " at " + std::to_string(offset);
    auto edit = VersionEdit::Decode(record);
    if (!edit.ok()) {
      return edit.error().Annotate(place);
    }
    const std::lock_guard lock(*state_mutex_);
    if (const Status consistent = CheckBlobs(*edit); !consistent.ok()) {
      return consistent.Annotate(place);
    }
    auto version = Build(*edit, nullptr);
    if (!version.ok()) {
      return version.error().Annotate(place);
    }
    Install(*edit, std::move(*version));
    any = true;
  }
  manifest_bytes_.store(reader.EndOffset());
  if (!any) {
    return Status::Corruption(path + " at 0: holds no edit");
  }
  // What the edits removed was removed, or is a leftover: the directory's listing tells.
  obsolete_files_->Take();
  return Status::Ok();
}

Result<std::unique_ptr<LogWriter>> WriteManifest(env::FileSystem* files,
                                                 const std::string& directory, uint64_t number,
                                                 const VersionEdit& state) {
  const std::string path = FilePath(directory, FileKind::kManifest, number);
  KVFS_ASSIGN_OR_RETURN(auto file, files->OpenWritable(path, env::FileSystem::Create::kTruncate));
  auto manifest = std::make_unique<LogWriter>(std::move(file), number);
  Bytes record;
  state.Encode(&record);
  KVFS_RETURN_IF_ERROR(manifest->AddRecord(record).status());
  KVFS_RETURN_IF_ERROR(SyncFile(manifest->file()));
  KVFS_RETURN_IF_ERROR(SyncDirectory(files, directory));
  KVFS_RETURN_IF_ERROR(
      files->WriteFileAtomically(directory, MakeFileName(FileKind::kCurrent),
                                 MakeFileName(FileKind::kManifest, number) + "\n"));
  return manifest;
}

Status VersionSet::StartManifest() {
  const std::lock_guard apply_lock(apply_mutex_);
  return WriteNewManifest({});
}

Status VersionSet::WriteNewManifest(const VersionEdit& edit) {
  const uint64_t before = manifest_number_.load();
  const uint64_t number = NewFileNumber();
  VersionEdit state;
  {
    const std::lock_guard lock(*state_mutex_);
    state = Snapshot();
  }
  // In one record with the state would be shorter, but an edit is checked against a state.
  auto manifest = WriteManifest(files_, directory_, number, state);
  if (!manifest.ok()) {
    // If the failure came late CURRENT may name it already, so it is only removed later.
    set_aside_.push_back({FileKind::kManifest, number});
    return manifest.error();
  }
  manifest_ = std::move(*manifest);
  manifest_damaged_ = false;
  manifest_base_bytes_ = manifest_->Offset();
  manifest_number_.store(number);
  PromiseManifest(manifest_base_bytes_);
  if (before != 0) {
    obsolete_files_->Add({FileKind::kManifest, before});
  }
  if (edit == VersionEdit{}) {
    return Status::Ok();
  }
  return Write(edit);
}

void VersionSet::PromiseManifest(uint64_t end) {
  manifest_->MarkSynced(end);
  // An edit without fields. If it cannot be written the promise waits for the next edit.
  if (!manifest_->AddRecord(ByteView()).ok()) {
    manifest_damaged_ = true;
  }
  manifest_bytes_.store(manifest_->Offset());
}

Status VerifyManifest(env::FileSystem* files, const std::string& directory) {
  KVFS_ASSIGN_OR_RETURN(const uint64_t number, ReadCurrent(files, directory));
  return DumpManifest(files, FilePath(directory, FileKind::kManifest, number),
                      [](const std::string&) {});
}

Status DumpManifest(env::FileSystem* files, const std::string& path, const LineSink& line) {
  const auto name = ParseFileName(path.substr(path.rfind('/') + 1));
  if (!name || name->kind != FileKind::kManifest) {
    return Status::InvalidArgument(path + " is not named like a manifest");
  }
  KVFS_ASSIGN_OR_RETURN(auto file, files->OpenRandomAccess(path));
  LogReader reader(std::move(file), path, name->number);
  Bytes record;
  uint64_t offset = 0;
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const bool more, reader.ReadRecord(&record, &offset));
    if (!more) {
      return Status::Ok();
    }
    const std::string place = std::to_string(offset) + ": ";
    auto edit = VersionEdit::Decode(record);
    if (!edit.ok()) {
      return edit.error().Annotate(path + " at " + std::to_string(offset));
    }
    if (edit->next_file_number) {
      line(place + "next file " + std::to_string(*edit->next_file_number));
    }
    if (edit->log_number) {
      line(place + "log " + std::to_string(*edit->log_number));
    }
    if (edit->last_sequence) {
      line(place + "last sequence " + std::to_string(*edit->last_sequence));
    }
    if (edit->durable_sequence) {
      line(place + "durable sequence " + std::to_string(*edit->durable_sequence));
    }
    for (const auto& table : edit->deleted_tables) {
      line(place + "remove table " + std::to_string(table.number) + " from level " +
           std::to_string(table.level));
    }
    for (const auto& table : edit->added_tables) {
      const TableMeta& meta = table.meta;
      line(place + "add table " + std::to_string(meta.number) + " to level " +
           std::to_string(table.level) + ": " + std::to_string(meta.file_bytes) + " bytes, " +
           std::to_string(meta.entries) + " entries, " + std::to_string(meta.deletes) +
           " deletes, " + std::to_string(meta.longest_dead_run) + " dead in a row, " +
           std::to_string(meta.hidden_bytes) + " bytes hidden, sequences " +
           std::to_string(meta.smallest_sequence) + " to " + std::to_string(meta.largest_sequence) +
           ", " + DescribeInternalKey(meta.smallest) + " .. " + DescribeInternalKey(meta.largest));
    }
    for (const BlobFileMeta& meta : edit->blob_files) {
      line(place + "blob file " + std::to_string(meta.logical) + " is " +
           std::to_string(meta.physical) +
           (meta.Finished() ? ", " + std::to_string(meta.file_bytes) + " bytes, " +
                                  std::to_string(meta.record_bytes) + " in records"
                            : ", growing"));
    }
    for (const auto& [logical, change] : edit->blob_changes) {
      line(place + "blob file " + std::to_string(logical) + ": " +
           std::to_string(change.added.Count()) + " pointers come, for " +
           std::to_string(change.added_bytes) + " bytes, " +
           std::to_string(change.removed.Count()) + " go, for " +
           std::to_string(change.removed_bytes) + " bytes");
    }
    for (const uint64_t logical : edit->removed_blob_files) {
      line(place + "remove blob file " + std::to_string(logical));
    }
  }
}

}  // namespace kvfs::engine
