#include "kvcore/engine/table_reader.h"

#include <algorithm>
#include <utility>

#include "kvcore/engine/block_reader.h"
#include "kvcore/engine/bloom_filter.h"

namespace kvfs::engine {
namespace {

// What a cached block costs beyond its bytes: list and hash nodes, the shared_ptr's counts.
constexpr uint64_t kBlockOverhead = 160;

}  // namespace

Table::Table(std::unique_ptr<env::RandomAccessFile> file, std::string name, uint64_t file_number,
             BlockCache* cache)
    : file_(std::move(file)),
      name_(std::make_shared<const std::string>(std::move(name))),
      file_number_(file_number),
      cache_(cache) {}

Status Table::Damage(uint64_t offset, const char* what) const {
  return Status::Corruption(*name_ + " at " + std::to_string(offset) + ": " + what);
}

Result<std::shared_ptr<const Table>> Table::Open(std::unique_ptr<env::RandomAccessFile> file,
                                                 std::string name, uint64_t file_number,
                                                 BlockCache* cache) {
  std::shared_ptr<Table> table(new Table(std::move(file), std::move(name), file_number, cache));
  KVFS_ASSIGN_OR_RETURN(table->size_, table->file_->Size());
  if (table->size_ < kTableFooterBytes) {
    return table->Damage(0, "too short for a table");
  }
  table->misses_ = std::make_unique<MissRegions>(table->size_);
  Bytes footer;
  const uint64_t footer_at = table->size_ - kTableFooterBytes;
  KVFS_RETURN_IF_ERROR(table->file_->ReadAt(footer_at, kTableFooterBytes, &footer));
  if (Status status = DecodeTableFooter(footer, file_number, &table->footer_); !status.ok()) {
    return status.Annotate(*table->name_ + " at " + std::to_string(footer_at));
  }
  const BlockHandle& handle = table->footer_.properties;
  KVFS_ASSIGN_OR_RETURN(const Bytes properties, table->ReadVerified(handle));
  if (!DecodeTableProperties(properties, &table->properties_)) {
    return table->Damage(handle.offset, "bad properties");
  }
  return std::shared_ptr<const Table>(std::move(table));
}

Status Table::CheckPlace(const BlockHandle& handle) const {
  // Blocks end before the footer.
  const uint64_t end = size_ - kTableFooterBytes;
  if (handle.offset > end || uint64_t{handle.size} + kBlockTrailerBytes > end - handle.offset) {
    return Damage(handle.offset, "block lies outside the file");
  }
  return Status::Ok();
}

Result<Bytes> Table::ReadVerified(const BlockHandle& handle) const {
  KVFS_RETURN_IF_ERROR(CheckPlace(handle));
  return ReadBlock(*file_, *name_, file_number_, handle);
}

Result<Bytes> Table::ReadUnexpected(const BlockHandle& handle) const {
  if (misses_->Note(handle.offset)) {
    // Into the system's memory: what becomes of the read is of no interest here.
    const auto buffer = std::make_unique_for_overwrite<char[]>(MissRegions::kRegionBytes);
    (void)file_->ReadInto(MissRegions::Begin(handle.offset), MissRegions::kRegionBytes,
                          buffer.get());
  }
  return ReadVerified(handle);
}

template <typename Read>
Result<std::shared_ptr<const Bytes>> Table::GetBlock(const BlockHandle& handle, bool fill_cache,
                                                     const Read& read) const {
  const CacheKey key{file_number_, handle.offset};
  if (auto cached = cache_->Lookup(key)) {
    return cached;
  }
  KVFS_ASSIGN_OR_RETURN(Bytes contents, read());
  const uint64_t charge = contents.capacity() + kBlockOverhead;
  auto block = std::make_shared<const Bytes>(std::move(contents));
  return fill_cache ? cache_->Insert(key, std::move(block), charge) : block;
}

Result<std::shared_ptr<const Bytes>> Table::GetBlock(const BlockHandle& handle,
                                                     bool fill_cache) const {
  return GetBlock(handle, fill_cache, [&] { return ReadVerified(handle); });
}

uint64_t Table::MemoryBytes() const {
  return sizeof(*this) + name_->size() + misses_->MemoryBytes() + properties_.smallest.size() +
         properties_.largest.size() + properties_.blobs.size() * sizeof(BlobReference);
}

Result<std::optional<FoundEntry>> Table::Get(ByteView user_key, uint64_t sequence,
                                             bool fill_cache) const {
  if (footer_.filter.size != 0) {
    KVFS_ASSIGN_OR_RETURN(const auto filter, GetBlock(footer_.filter, true));
    if (!BloomMayContain(*filter, BloomHash(user_key))) {
      return std::optional<FoundEntry>();
    }
  }
  const LookupKey lookup(user_key, sequence);
  const ByteView target = lookup.internal_key();
  KVFS_ASSIGN_OR_RETURN(auto index_block, GetBlock(footer_.index, true));
  BlockIterator block;
  block.Reset(std::move(index_block), {name_, footer_.index.offset});
  block.Seek(target);
  if (!block.Valid()) {
    return block.status().ok() ? Result<std::optional<FoundEntry>>(std::optional<FoundEntry>())
                               : block.status();
  }
  ByteView encoded = block.value();
  BlockHandle handle;
  if (!DecodeBlockHandle(&encoded, &handle)) {
    return Damage(footer_.index.offset, "bad block handle");
  }
  KVFS_ASSIGN_OR_RETURN(auto data_block,
                        GetBlock(handle, fill_cache, [&] { return ReadUnexpected(handle); }));
  block.Reset(std::move(data_block), {name_, handle.offset});
  block.Seek(target);
  if (!block.Valid()) {
    // The index said that this block holds a key at or after the target.
    return block.status().ok() ? Result<std::optional<FoundEntry>>(std::optional<FoundEntry>())
                               : block.status();
  }
  if (UserKey(block.key()) != user_key) {
    return std::optional<FoundEntry>();
  }
  return std::optional<FoundEntry>(
      FoundEntry{TypeOf(block.key()), Sequence(block.key()), Bytes(block.value())});
}

// Two levels: the index block's entries name the data blocks. At rest either both are on an entry,
// or the iterator is not valid.
class Table::Iter final : public InternalIterator {
 public:
  Iter(std::shared_ptr<const Table> table, bool fill_cache)
      : table_(std::move(table)), fill_cache_(fill_cache) {}

  void SeekToFirst() override {
    if (OpenIndex()) {
      index_.SeekToFirst();
      if (OpenData()) {
        data_.SeekToFirst();
        SkipForward();
      }
    }
  }
  void SeekToLast() override {
    if (OpenIndex()) {
      index_.SeekToLast();
      if (OpenData()) {
        data_.SeekToLast();
        SkipBackward();
      }
    }
  }
  void Seek(ByteView key) override {
    if (OpenIndex()) {
      index_.Seek(key);
      if (OpenData()) {
        data_.Seek(key);
        SkipForward();
      }
    }
  }
  void SeekForPrev(ByteView key) override {
    if (!OpenIndex()) {
      return;
    }
    index_.Seek(key);
    if (!index_.Valid() && index_.status().ok()) {
      SeekToLast();  // the key lies past the last entry
      return;
    }
    if (OpenData()) {
      data_.SeekForPrev(key);
      SkipBackward();
    }
  }
  void Next() override {
    data_.Next();
    SkipForward();
  }
  void Prev() override {
    data_.Prev();
    SkipBackward();
  }
  Status status() const override { return status_; }

 private:
  // Walks that go on from block to block read so much at once, the longer the more.
  static constexpr size_t kLeastAhead = 16u << 10;
  static constexpr size_t kMostAhead = 128u << 10;

  bool OpenIndex() {
    status_ = Status();
    if (index_.HasBlock() && index_.status().ok()) {
      return true;
    }
    auto block = table_->GetBlock(table_->footer_.index, true);
    if (!block.ok()) {
      return Fail(block.error());
    }
    index_.Reset(std::move(*block), {table_->name_, table_->footer_.index.offset});
    return index_.status().ok() || Fail(index_.status());
  }

  // The data block that the index stands at, unless it is open already.
  bool OpenData() {
    if (!index_.Valid()) {
      data_.Clear();
      data_handle_ = {};
      ShowNothing();
      return index_.status().ok() ? false : Fail(index_.status());
    }
    ByteView encoded = index_.value();
    BlockHandle handle;
    if (!DecodeBlockHandle(&encoded, &handle)) {
      return Fail(table_->Damage(table_->footer_.index.offset, "bad block handle"));
    }
    if (data_.HasBlock() && data_.status().ok() && handle == data_handle_) {
      return true;
    }
    auto block = table_->GetBlock(handle, fill_cache_, [&] { return ReadData(handle); });
    if (!block.ok()) {
      return Fail(block.error());
    }
    data_handle_ = handle;
    data_.Reset(std::move(*block), {table_->name_, handle.offset});
    return true;
  }

  // Blocks read one after the other come out of one read.
  Result<Bytes> ReadData(const BlockHandle& handle) {
    KVFS_RETURN_IF_ERROR(table_->CheckPlace(handle));
    const uint64_t size = uint64_t{handle.size} + kBlockTrailerBytes;
    const bool in_order =
        data_handle_.size != 0 &&
        handle.offset == data_handle_.offset + data_handle_.size + kBlockTrailerBytes;
    const bool have = handle.offset >= ahead_at_ && handle.offset - ahead_at_ <= ahead_.size() &&
                      size <= ahead_.size() - (handle.offset - ahead_at_);
    if (!have) {
      if (!in_order || size > kMostAhead) {
        ahead_bytes_ = 0;
        ahead_ = Bytes();
        return table_->ReadUnexpected(handle);
      }
      ahead_bytes_ = std::clamp(2 * ahead_bytes_, kLeastAhead, kMostAhead);
      ahead_at_ = handle.offset;
      // What follows the data blocks is not for a walk.
      const uint64_t most =
          std::max(table_->properties_.data_bytes, handle.offset + size) - handle.offset;
      const uint64_t wanted = std::min<uint64_t>(std::max<uint64_t>(ahead_bytes_, size), most);
      if (Status status = table_->file_->ReadAt(ahead_at_, wanted, &ahead_); !status.ok()) {
        ahead_.clear();
        return status;
      }
    }
    return DecodeBlock(ByteView(ahead_).substr(handle.offset - ahead_at_, size), *table_->name_,
                       table_->file_number_, handle);
  }

  void SkipForward() {
    while (!data_.Valid()) {
      if (!data_.status().ok()) {
        Fail(data_.status());
        return;
      }
      index_.Next();
      if (!OpenData()) {
        return;
      }
      data_.SeekToFirst();
    }
    ShowWhatIsAt(data_);
  }

  void SkipBackward() {
    while (!data_.Valid()) {
      if (!data_.status().ok()) {
        Fail(data_.status());
        return;
      }
      index_.Prev();
      if (!OpenData()) {
        return;
      }
      data_.SeekToLast();
    }
    ShowWhatIsAt(data_);
  }

  bool Fail(Status status) {
    status_ = std::move(status);
    data_.Clear();
    data_handle_ = {};
    ShowNothing();
    return false;
  }

  const std::shared_ptr<const Table> table_;
  const bool fill_cache_;
  BlockIterator index_;
  BlockIterator data_;
  BlockHandle data_handle_;
  // Bytes of the file that were read ahead, where they lie, and how many were asked for.
  Bytes ahead_;
  uint64_t ahead_at_ = 0;
  size_t ahead_bytes_ = 0;
  Status status_;
};

std::unique_ptr<InternalIterator> Table::NewIterator(bool fill_cache) const {
  return std::make_unique<Iter>(shared_from_this(), fill_cache);
}

Status Table::Verify() const {
  Bytes filter;
  if (footer_.filter.size != 0) {
    KVFS_ASSIGN_OR_RETURN(filter, ReadVerified(footer_.filter));
  }
  KVFS_ASSIGN_OR_RETURN(Bytes index_bytes, ReadVerified(footer_.index));
  BlockIterator index;
  index.Reset(std::make_shared<const Bytes>(std::move(index_bytes)), {name_, footer_.index.offset});
  PropertiesCollector found;
  uint64_t data_bytes = 0;
  for (index.SeekToFirst(); index.Valid(); index.Next()) {
    ByteView encoded = index.value();
    BlockHandle handle;
    if (!DecodeBlockHandle(&encoded, &handle) || handle.offset != data_bytes) {
      return Damage(footer_.index.offset, "bad block handle");
    }
    // Not through the cache: what is on the disk is in question.
    KVFS_ASSIGN_OR_RETURN(Bytes contents, ReadVerified(handle));
    BlockIterator block;
    block.Reset(std::make_shared<const Bytes>(std::move(contents)), {name_, handle.offset});
    for (block.SeekToFirst(); block.Valid(); block.Next()) {
      if ((found.Entries() > 0 && CompareInternalKeys(found.LastKey(), block.key()) >= 0) ||
          CompareInternalKeys(block.key(), index.key()) > 0) {
        return Damage(handle.offset, "keys out of order");
      }
      if (!filter.empty() && !BloomMayContain(filter, BloomHash(UserKey(block.key())))) {
        return Damage(footer_.filter.offset, "filter lacks a key");
      }
      if (!found.Add(block.key(), block.value())) {
        return Damage(handle.offset, "bad blob pointer");
      }
    }
    KVFS_RETURN_IF_ERROR(block.status());
    data_bytes += handle.size + kBlockTrailerBytes;
  }
  KVFS_RETURN_IF_ERROR(index.status());
  if (!(found.Finish(data_bytes) == properties_)) {
    return Damage(footer_.properties.offset, "properties do not fit the entries");
  }
  return {};
}

}  // namespace kvfs::engine
