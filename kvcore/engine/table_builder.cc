#include "kvcore/engine/table_builder.h"

#include <algorithm>
#include <cassert>

#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {
namespace {

constexpr size_t kWriteBytes = 256u << 10;

// A short internal key k with last <= k < next, for the index: where the user keys differ, the
// shortest prefix of next's that still sorts after last's.
Bytes Separator(ByteView last, ByteView next) {
  const ByteView a = UserKey(last);
  const ByteView b = UserKey(next);
  const size_t limit = std::min(a.size(), b.size());
  size_t shared = 0;
  while (shared < limit && a[shared] == b[shared]) {
    ++shared;
  }
  // b[0 .. shared] sorts after a, and before b if b has more bytes.
  if (shared + 1 < a.size() && shared + 1 < b.size()) {
    return SeekKey(b.substr(0, shared + 1), kMaxSequence);
  }
  return Bytes(last);
}

}  // namespace

TableBuilder::TableBuilder(const Options& options, uint64_t file_number, env::WritableFile* file)
    : options_(options),
      file_number_(file_number),
      file_(file),
      data_(options.block_restart_interval),
      index_(1),
      bloom_(options.bloom_bits_per_key) {}

Status TableBuilder::Add(ByteView internal_key, ByteView value) {
  if (!status_.ok()) {
    return status_;
  }
  assert(IsInternalKey(internal_key));
  const Bytes& last = properties_.LastKey();
  assert(properties_.Entries() == 0 || CompareInternalKeys(last, internal_key) < 0);
  if (index_due_) {
    Bytes handle;
    EncodeBlockHandle(last_block_, &handle);
    index_.Add(Separator(last, internal_key), handle);
    index_due_ = false;
  }
  const bool added = properties_.Add(internal_key, value);
  assert(added);
  (void)added;
  bloom_.Add(UserKey(internal_key));
  data_.Add(internal_key, value);
  if (data_.SizeEstimate() >= options_.block_bytes) {
    FlushBlock();
    status_ = WriteOut(false);
  }
  return status_;
}

void TableBuilder::FlushBlock() {
  last_block_ = AppendBlock(data_.Finish(), true);
  data_bytes_ = offset_;
  data_.Reset();
  index_due_ = true;
}

BlockHandle TableBuilder::AppendBlock(ByteView contents, bool compress) {
  BlockHandle handle{offset_, 0};
  handle.size = SealBlock(contents, compress, file_number_, offset_, &pending_);
  offset_ = written_ + pending_.size();
  return handle;
}

Status TableBuilder::WriteOut(bool all) {
  if (pending_.empty() || (!all && pending_.size() < kWriteBytes)) {
    return {};
  }
  KVFS_RETURN_IF_ERROR(file_->WriteAt(written_, pending_));
  written_ += pending_.size();
  pending_.clear();
  return {};
}

Result<TableProperties> TableBuilder::Finish() {
  assert(properties_.Entries() > 0);
  if (!status_.ok()) {
    return status_;
  }
  if (!data_.Empty()) {
    FlushBlock();
  }
  Bytes handle;
  EncodeBlockHandle(last_block_, &handle);
  index_.Add(properties_.LastKey(), handle);
  TableProperties table = properties_.Finish(data_bytes_);

  TableFooter footer;
  if (const Bytes filter = bloom_.Finish(); !filter.empty()) {
    footer.filter = AppendBlock(filter, false);
  }
  Bytes properties;
  EncodeTableProperties(table, &properties);
  footer.properties = AppendBlock(properties, false);
  footer.index = AppendBlock(index_.Finish(), true);
  EncodeTableFooter(footer, file_number_, &pending_);
  offset_ = written_ + pending_.size();
  data_.Reset();
  if (status_ = WriteOut(true); !status_.ok()) {
    return status_;
  }
  return table;
}

}  // namespace kvfs::engine
