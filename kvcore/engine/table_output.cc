#include "kvcore/engine/table_output.h"

#include "kvcore/engine/blob_pointer.h"
#include "kvcore/engine/durable.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

namespace {
// What is written begins its way to the disk in such parts, so that the sync at the end has little
// left to do, and no other sync waits behind much.
constexpr uint64_t kWritebackBytes = 1u << 20;
}  // namespace

TableOutput::TableOutput(env::FileSystem* files, std::string path, uint64_t number,
                         std::unique_ptr<env::WritableFile> file)
    : files_(files), path_(std::move(path)), number_(number), file_(std::move(file)) {}

Result<std::unique_ptr<TableOutput>> TableOutput::Create(env::FileSystem* files,
                                                         const std::string& directory,
                                                         const Options& options, uint64_t number) {
  std::string path = FilePath(directory, FileKind::kTable, number);
  KVFS_ASSIGN_OR_RETURN(auto file, files->OpenWritable(path, env::FileSystem::Create::kTruncate));
  std::unique_ptr<TableOutput> output(
      new TableOutput(files, std::move(path), number, std::move(file)));
  output->builder_ = std::make_unique<TableBuilder>(options, number, output->file_.get());
  return output;
}

TableOutput::~TableOutput() {
  if (!finished_) {
    file_.reset();
    // What cannot be removed now is removed when the store is next opened.
    (void)files_->Unlink(path_);
  }
}

Status TableOutput::Add(ByteView internal_key, ByteView value) {
  BlobPointer pointer;
  ByteView in = value;
  if (TypeOf(internal_key) == EntryType::kDelete && !value.empty() &&
      DecodeBlobPointer(&in, &pointer)) {
    hidden_bytes_ += pointer.stored_size;
  }
  KVFS_RETURN_IF_ERROR(builder_->Add(internal_key, value));
  if (const uint64_t written = builder_->WrittenBytes();
      written >= writeback_end_ + kWritebackBytes) {
    file_->StartWriteback(writeback_end_, written - writeback_end_);
    writeback_end_ = written;
  }
  return Status::Ok();
}

Result<TableMeta> TableOutput::Finish() {
  KVFS_ASSIGN_OR_RETURN(const TableProperties properties, builder_->Finish());
  KVFS_RETURN_IF_ERROR(SyncFile(file_.get()));
  KVFS_RETURN_IF_ERROR(file_->Close());
  finished_ = true;
  return MakeTableMeta(number_, builder_->FileSize(), hidden_bytes_, properties);
}

}  // namespace kvfs::engine
