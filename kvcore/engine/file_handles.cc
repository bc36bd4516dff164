#include "kvcore/engine/file_handles.h"

#include <utility>

namespace kvfs::engine {

void ObsoleteFiles::SetListener(std::function<void()> on_add) {
  const std::lock_guard lock(mutex_);
  on_add_ = std::move(on_add);
}

void ObsoleteFiles::Add(FileName file) {
  std::function<void()> on_add;
  {
    const std::lock_guard lock(mutex_);
    files_.push_back(file);
    on_add = on_add_;
  }
  if (on_add) {
    on_add();
  }
}

std::vector<FileName> ObsoleteFiles::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(files_, {});
}

bool ObsoleteFiles::Empty() const {
  const std::lock_guard lock(mutex_);
  return files_.empty();
}

TableFile::~TableFile() {
  if (obsolete_.load(std::memory_order_relaxed)) {
    obsolete_files_->Add({FileKind::kTable, meta.number});
  }
}

BlobFileHandle::~BlobFileHandle() {
  if (obsolete_.load(std::memory_order_relaxed)) {
    obsolete_files_->Add({FileKind::kBlob, physical_});
  }
}

Result<std::shared_ptr<const BlobFile>> BlobFileHandle::Open(BlobFileCache* cache) const {
  if (growing_ != nullptr) {
    return growing_;
  }
  return cache->Get(physical_);
}

}  // namespace kvfs::engine
