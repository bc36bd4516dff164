#include "kvcore/engine/version.h"

#include <algorithm>

#include "kvcore/base/coding.h"

namespace kvfs::engine {

namespace {

bool Holds(const TableFile& table, ByteView user_key) {
  return UserKey(table.meta.smallest) <= user_key && user_key <= UserKey(table.meta.largest);
}

// The first table of a sorted level whose largest user key is >= user_key.
TableList::const_iterator FindTable(const TableList& tables, ByteView user_key) {
  return std::lower_bound(
      tables.begin(), tables.end(), user_key,
      [](const auto& table, ByteView key) { return UserKey(table->meta.largest) < key; });
}

}  // namespace

Result<std::optional<FoundEntry>> Version::Get(TableCache* tables, ByteView user_key,
                                               uint64_t sequence, bool fill_cache) const {
  for (const auto& file : levels[0]) {
    if (!Holds(*file, user_key)) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(const auto table, tables->Get(file->meta.number));
    KVFS_ASSIGN_OR_RETURN(auto found, table->Get(user_key, sequence, fill_cache));
    if (found) {
      return found;
    }
  }
  for (int level = 1; level < kLevels; ++level) {
    const TableList& list = levels[static_cast<size_t>(level)];
    const auto it = FindTable(list, user_key);
    if (it == list.end() || !Holds(**it, user_key)) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(const auto table, tables->Get((*it)->meta.number));
    KVFS_ASSIGN_OR_RETURN(auto found, table->Get(user_key, sequence, fill_cache));
    if (found) {
      return found;
    }
  }
  return std::optional<FoundEntry>();
}

void Version::AddIterators(TableCache* cache, bool fill_cache,
                           std::vector<std::unique_ptr<InternalIterator>>* out) const {
  for (const auto& file : levels[0]) {
    auto table = cache->Get(file->meta.number);
    out->push_back(table.ok() ? (*table)->NewIterator(fill_cache)
                              : NewEmptyIterator(table.error()));
  }
  for (int level = 1; level < kLevels; ++level) {
    const TableList& list = levels[static_cast<size_t>(level)];
    if (!list.empty()) {
      out->push_back(NewLevelIterator(&list, cache, fill_cache));
    }
  }
}

TableList Version::Overlapping(int level, ByteView begin, ByteView end) const {
  TableList found;
  const TableList& list = levels[static_cast<size_t>(level)];
  for (auto it = level == 0 ? list.begin() : FindTable(list, begin); it != list.end(); ++it) {
    const TableMeta& meta = (*it)->meta;
    if (UserKey(meta.smallest) > end) {
      if (level == 0) {
        continue;
      }
      break;
    }
    if (UserKey(meta.largest) >= begin) {
      found.push_back(*it);
    }
  }
  return found;
}

uint64_t Version::LevelBytes(int level) const {
  uint64_t bytes = 0;
  for (const auto& table : levels[static_cast<size_t>(level)]) {
    bytes += table->meta.file_bytes;
  }
  return bytes;
}

uint64_t Version::TableBytes() const {
  uint64_t bytes = 0;
  for (int level = 0; level < kLevels; ++level) {
    bytes += LevelBytes(level);
  }
  return bytes;
}

uint64_t Version::HiddenBytes() const {
  uint64_t bytes = 0;
  for (const TableList& level : levels) {
    for (const auto& table : level) {
      bytes += table->meta.hidden_bytes;
    }
  }
  return bytes;
}

int Version::DeepestLevel() const {
  for (int level = kLevels - 1; level > 0; --level) {
    if (!levels[static_cast<size_t>(level)].empty()) {
      return level;
    }
  }
  return 0;
}

Result<std::shared_ptr<const BlobFile>> Version::OpenBlob(BlobFileCache* cache,
                                                          uint64_t logical) const {
  const auto it = blobs->find(logical);
  if (it == blobs->end()) {
    return Status::Corruption("blob file " + std::to_string(logical) +
                              " is referred to but does not exist");
  }
  return it->second->Open(cache);
}

Status Version::ReadBlob(BlobFileCache* cache, const BlobPointer& pointer, Bytes* value) const {
  KVFS_ASSIGN_OR_RETURN(const auto file, OpenBlob(cache, pointer.file));
  return file->ReadInto(pointer, value);
}

namespace {

class LevelIterator final : public InternalIterator {
 public:
  LevelIterator(const TableList* tables, TableCache* cache, bool fill_cache)
      : tables_(*tables), cache_(cache), fill_cache_(fill_cache) {}

  void SeekToFirst() override {
    if (Enter(0)) {
      current_->SeekToFirst();
      SkipForward();
    }
  }

  void SeekToLast() override {
    if (Enter(tables_.size() - 1)) {
      current_->SeekToLast();
      SkipBackward();
    }
  }

  void Seek(ByteView internal_key) override {
    const auto it = std::lower_bound(tables_.begin(), tables_.end(), internal_key,
                                     [](const auto& table, ByteView key) {
                                       return CompareInternalKeys(table->meta.largest, key) < 0;
                                     });
    if (Enter(static_cast<size_t>(it - tables_.begin()))) {
      current_->Seek(internal_key);
      SkipForward();
    }
  }

  void SeekForPrev(ByteView internal_key) override {
    const auto it = std::upper_bound(tables_.begin(), tables_.end(), internal_key,
                                     [](ByteView key, const auto& table) {
                                       return CompareInternalKeys(key, table->meta.smallest) < 0;
                                     });
    if (Enter(static_cast<size_t>(it - tables_.begin()) - 1)) {
      current_->SeekForPrev(internal_key);
      SkipBackward();
    }
  }

  void Next() override {
    current_->Next();
    SkipForward();
  }

  void Prev() override {
    current_->Prev();
    SkipBackward();
  }

  Status status() const override {
    return status_.ok() && current_ != nullptr ? current_->status() : status_;
  }

 private:
  // Opens table `index`; false (and not valid) past either end or if that fails.
  bool Enter(size_t index) {
    if (!status_.ok() || index >= tables_.size()) {
      current_.reset();
      ShowNothing();
      return false;
    }
    if (current_ != nullptr && index == index_) {
      return current_->status().ok();
    }
    current_.reset();
    ShowNothing();
    auto table = cache_->Get(tables_[index]->meta.number);
    if (!table.ok()) {
      status_ = table.error();
      return false;
    }
    index_ = index;
    current_ = (*table)->NewIterator(fill_cache_);
    return true;
  }

  void SkipForward() {
    while (current_ != nullptr && !current_->Valid() && current_->status().ok()) {
      if (Enter(index_ + 1)) {
        current_->SeekToFirst();
      }
    }
    ShowCurrent();
  }

  void SkipBackward() {
    while (current_ != nullptr && !current_->Valid() && current_->status().ok()) {
      if (index_ == 0) {
        current_.reset();
      } else if (Enter(index_ - 1)) {
        current_->SeekToLast();
      }
    }
    ShowCurrent();
  }

  void ShowCurrent() {
    if (current_ != nullptr) {
      ShowWhatIsAt(*current_);
    } else {
      ShowNothing();
    }
  }

  const TableList& tables_;
  TableCache* const cache_;
  const bool fill_cache_;
  size_t index_ = 0;
  std::unique_ptr<InternalIterator> current_;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewLevelIterator(const TableList* tables, TableCache* cache,
                                                   bool fill_cache) {
  return std::make_unique<LevelIterator>(tables, cache, fill_cache);
}

}  // namespace kvfs::engine
