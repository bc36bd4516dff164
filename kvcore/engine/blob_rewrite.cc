#include "kvcore/engine/blob_rewrite.h"

#include <utility>

#include "kvcore/engine/file_names.h"

namespace kvfs::engine {

BlobRewrite::BlobRewrite(const env::Env& env, std::string path,
                         std::shared_ptr<const BlobFile> from, OrdinalSet needed)
    : env_(env),
      path_(std::move(path)),
      from_(std::move(from)),
      needed_(std::move(needed)),
      entries_(from_->index().Entries()) {}

BlobRewrite::~BlobRewrite() {
  if (!released_) {
    (void)env_.files->Unlink(path_);
  }
}

Result<std::unique_ptr<BlobRewrite>> BlobRewrite::Start(const env::Env& env,
                                                        const std::string& directory,
                                                        std::shared_ptr<const BlobFile> from,
                                                        OrdinalSet needed, uint64_t new_physical) {
  const BlobFileId id{from->id().logical, new_physical, env.random->Next()};
  std::unique_ptr<BlobRewrite> rewrite(new BlobRewrite(
      env, FilePath(directory, FileKind::kBlob, new_physical), std::move(from), std::move(needed)));
  KVFS_ASSIGN_OR_RETURN(
      auto file, env.files->OpenWritable(rewrite->path_, env::FileSystem::Create::kTruncate));
  KVFS_ASSIGN_OR_RETURN(rewrite->writer_, BlobFileWriter::Create(std::move(file), id));
  return rewrite;
}

Result<bool> BlobRewrite::Step(uint64_t budget) {
  uint64_t used = 0;
  for (; next_ < entries_.size() && used < budget; ++next_) {
    const BlobIndex::Entry& entry = entries_[next_];
    if (!needed_.Contains(entry.ordinal)) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(const Bytes record, from_->ReadRecord(entry.ordinal));
    KVFS_RETURN_IF_ERROR(writer_->CopyRecord(entry.ordinal, record));
    used += record.size();
    record_bytes_ += record.size();
  }
  if (next_ < entries_.size()) {
    const uint64_t begin = std::exchange(writeback_end_, writer_->Size());
    writer_->StartWriteback(begin, writeback_end_ - begin);
    return false;
  }
  KVFS_RETURN_IF_ERROR(writer_->Finish());
  KVFS_ASSIGN_OR_RETURN(const uint64_t size, env_.files->FileSize(path_));
  edit_.blob_files.push_back({.logical = from_->id().logical,
                              .physical = writer_->id().physical,
                              .file_bytes = size,
                              .record_bytes = record_bytes_});
  return true;
}

}  // namespace kvfs::engine
