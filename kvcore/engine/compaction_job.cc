#include <algorithm>

#include "kvcore/base/coding.h"
#include "kvcore/engine/blob_pointer.h"
#include "kvcore/engine/compaction.h"
#include "kvcore/engine/merging_iterator.h"

namespace kvfs::engine {

namespace {
constexpr uint64_t kMaxGrandparentTables = 10;
}  // namespace

CompactionJob::CompactionJob(std::shared_ptr<const Compaction> compaction, Context context,
                             std::vector<uint64_t> snapshots)
    : compaction_(std::move(compaction)),
      context_(std::move(context)),
      filter_(std::move(snapshots)) {
  for (const auto& table : compaction_->upper) {
    edit_.deleted_tables.push_back({compaction_->level, table->meta.number});
  }
  for (const auto& table : compaction_->lower) {
    edit_.deleted_tables.push_back({compaction_->output_level, table->meta.number});
  }
}

CompactionJob::~CompactionJob() {
  for (const uint64_t number : outputs_) {
    (void)context_.files->Unlink(FilePath(context_.directory, FileKind::kTable, number));
  }
}

Result<bool> CompactionJob::Step(uint64_t budget) {
  if (compaction_->trivial_move) {
    edit_.added_tables.push_back({compaction_->output_level, compaction_->upper[0]->meta});
    return true;
  }
  if (input_ == nullptr) {
    std::vector<std::unique_ptr<InternalIterator>> children;
    if (compaction_->level == 0) {
      for (const auto& file : compaction_->upper) {
        KVFS_ASSIGN_OR_RETURN(const auto table, context_.tables->Get(file->meta.number));
        children.push_back(table->NewIterator(false));
      }
    } else {
      children.push_back(NewLevelIterator(&compaction_->upper, context_.tables, false));
    }
    if (!compaction_->lower.empty()) {
      children.push_back(NewLevelIterator(&compaction_->lower, context_.tables, false));
    }
    input_ = NewMergingIterator(std::move(children));
    input_->SeekToFirst();
  }
  uint64_t used = 0;
  for (; input_->Valid(); input_->Next()) {
    if (used >= budget) {
      return false;
    }
    used += input_->key().size() + input_->value().size();
    KVFS_RETURN_IF_ERROR(Take(input_->key(), input_->value()));
  }
  KVFS_RETURN_IF_ERROR(input_->status());
  KVFS_RETURN_IF_ERROR(FinishOutput());
  input_.reset();
  return true;
}

Status CompactionJob::Take(ByteView key, ByteView value) {
  if (!filter_.Keep(key, [this](ByteView user_key) { return NothingBelow(user_key); })) {
    if (TypeOf(key) == EntryType::kBlobPointer) {
      BlobPointer pointer;
      ByteView in = value;
      if (!DecodeBlobPointer(&in, &pointer) || pointer.ordinal > OrdinalSet::kMaxOrdinal) {
        return Status::Corruption("bad blob pointer under " + DescribeInternalKey(key));
      }
      BlobChange& change = edit_.blob_changes[pointer.file];
      change.removed.Insert(pointer.ordinal);
      change.removed_bytes += pointer.stored_size;
    }
    return Status::Ok();
  }
  // Entries of one key stay in one table: levels below 0 are searched one table deep.
  if (output_ != nullptr && UserKey(key) != last_user_key_ &&
      (output_->FileSize() >= context_.options.table_bytes || EndsBefore(key))) {
    KVFS_RETURN_IF_ERROR(FinishOutput());
  }
  if (output_ == nullptr) {
    KVFS_ASSIGN_OR_RETURN(output_,
                          TableOutput::Create(context_.files, context_.directory, context_.options,
                                              context_.new_file_number()));
  }
  last_user_key_.assign(UserKey(key));
  return output_->Add(key, value);
}

Status CompactionJob::FinishOutput() {
  if (output_ == nullptr) {
    return Status::Ok();
  }
  KVFS_ASSIGN_OR_RETURN(TableMeta meta, output_->Finish());
  outputs_.push_back(meta.number);
  bytes_written_ += meta.file_bytes;
  edit_.added_tables.push_back({compaction_->output_level, std::move(meta)});
  output_.reset();
  grandparent_overlap_ = 0;
  return Status::Ok();
}

bool CompactionJob::NothingBelow(ByteView user_key) {
  for (int level = compaction_->output_level + 1; level < kLevels; ++level) {
    const TableList& tables = compaction_->version->levels[static_cast<size_t>(level)];
    size_t& at = below_[static_cast<size_t>(level)];
    while (at < tables.size() && UserKey(tables[at]->meta.largest) < user_key) {
      ++at;
    }
    if (at < tables.size() && UserKey(tables[at]->meta.smallest) <= user_key) {
      return false;
    }
  }
  return true;
}

bool CompactionJob::EndsBefore(ByteView internal_key) {
  if (compaction_->output_level + 1 >= kLevels) {
    return false;
  }
  const TableList& tables =
      compaction_->version->levels[static_cast<size_t>(compaction_->output_level) + 1];
  while (grandparent_ < tables.size() &&
         UserKey(tables[grandparent_]->meta.largest) < UserKey(internal_key)) {
    grandparent_overlap_ += tables[grandparent_]->meta.file_bytes;
    ++grandparent_;
  }
  return grandparent_overlap_ > kMaxGrandparentTables * context_.options.table_bytes;
}

}  // namespace kvfs::engine
