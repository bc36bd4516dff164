#include "kvcore/engine/version_edit.h"

#include "kvcore/base/coding.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

namespace {

// Tags; the values are on disk.
enum class Tag : uint8_t {
  kNextFileNumber = 1,
  kLogNumber = 2,
  kLastSequence = 3,
  kDeletedTable = 4,
  kAddedTable = 5,
  kBlobFile = 6,
  kRemovedBlobFile = 7,
  kBlobChange = 8,
  kDurableSequence = 9,
};

void PutTag(Bytes* out, Tag tag) { out->push_back(static_cast<char>(tag)); }

void EncodeTable(const TableMeta& meta, Bytes* out) {
  PutVarint64(out, meta.number);
  PutVarint64(out, meta.file_bytes);
  PutVarint64(out, meta.entries);
  PutVarint64(out, meta.deletes);
  PutVarint64(out, meta.longest_dead_run);
  PutVarint64(out, meta.hidden_bytes);
  PutVarint64(out, meta.smallest_sequence);
  PutVarint64(out, meta.largest_sequence);
  PutLengthPrefixed(out, meta.smallest);
  PutLengthPrefixed(out, meta.largest);
}

bool DecodeTable(ByteView* in, TableMeta* meta) {
  ByteView smallest;
  ByteView largest;
  if (!GetVarint64(in, &meta->number) || !GetVarint64(in, &meta->file_bytes) ||
      !GetVarint64(in, &meta->entries) || !GetVarint64(in, &meta->deletes) ||
      !GetVarint64(in, &meta->longest_dead_run) || !GetVarint64(in, &meta->hidden_bytes) ||
      !GetVarint64(in, &meta->smallest_sequence) || !GetVarint64(in, &meta->largest_sequence) ||
      !GetLengthPrefixed(in, &smallest) || !GetLengthPrefixed(in, &largest)) {
    return false;
  }
  if (!IsInternalKey(smallest) || !IsInternalKey(largest) ||
      CompareInternalKeys(smallest, largest) > 0) {
    return false;
  }
  meta->smallest = smallest;
  meta->largest = largest;
  return true;
}

bool DecodeLevel(ByteView* in, int* level) {
  uint32_t value = 0;
  if (!GetVarint32(in, &value) || value >= static_cast<uint32_t>(kLevels)) {
    return false;
  }
  *level = static_cast<int>(value);
  return true;
}

bool DecodeOptional(ByteView* in, std::optional<uint64_t>* field) {
  uint64_t value = 0;
  if (field->has_value() || !GetVarint64(in, &value)) {
    return false;
  }
  *field = value;
  return true;
}

bool DecodeBlobFile(ByteView* in, BlobFileMeta* meta) {
  return GetVarint64(in, &meta->logical) && GetVarint64(in, &meta->physical) &&
         GetVarint64(in, &meta->file_bytes) && GetVarint64(in, &meta->record_bytes) &&
         meta->record_bytes <= meta->file_bytes;
}

bool DecodeBlobChange(ByteView* in, VersionEdit* edit) {
  uint64_t logical = 0;
  if (!GetVarint64(in, &logical)) {
    return false;
  }
  const auto [it, is_new] = edit->blob_changes.try_emplace(logical);
  BlobChange& change = it->second;
  return is_new && change.added.Decode(in) && GetVarint64(in, &change.added_bytes) &&
         change.removed.Decode(in) && GetVarint64(in, &change.removed_bytes);
}

bool DecodeField(Tag tag, ByteView* in, VersionEdit* edit) {
  switch (tag) {
    case Tag::kNextFileNumber:
      return DecodeOptional(in, &edit->next_file_number);
    case Tag::kLogNumber:
      return DecodeOptional(in, &edit->log_number);
    case Tag::kLastSequence:
      return DecodeOptional(in, &edit->last_sequence) && *edit->last_sequence <= kMaxSequence;
    case Tag::kDurableSequence:
      return DecodeOptional(in, &edit->durable_sequence) && *edit->durable_sequence <= kMaxSequence;
    case Tag::kDeletedTable: {
      auto& table = edit->deleted_tables.emplace_back();
      return DecodeLevel(in, &table.level) && GetVarint64(in, &table.number);
    }
    case Tag::kAddedTable: {
      auto& table = edit->added_tables.emplace_back();
      return DecodeLevel(in, &table.level) && DecodeTable(in, &table.meta);
    }
    case Tag::kBlobFile:
      return DecodeBlobFile(in, &edit->blob_files.emplace_back());
    case Tag::kRemovedBlobFile:
      return GetVarint64(in, &edit->removed_blob_files.emplace_back());
    case Tag::kBlobChange:
      return DecodeBlobChange(in, edit);
  }
  return false;
}

}  // namespace

TableMeta MakeTableMeta(uint64_t number, uint64_t file_bytes, uint64_t hidden_bytes,
                        const TableProperties& properties) {
  return TableMeta{.number = number,
                   .file_bytes = file_bytes,
                   .entries = properties.entries,
                   .deletes = properties.deletes,
                   .longest_dead_run = properties.longest_dead_run,
                   .hidden_bytes = hidden_bytes,
                   .smallest_sequence = properties.smallest_sequence,
                   .largest_sequence = properties.largest_sequence,
                   .smallest = properties.smallest,
                   .largest = properties.largest};
}

void VersionEdit::Encode(Bytes* out) const {
  const auto put_optional = [out](Tag tag, const std::optional<uint64_t>& value) {
    if (value) {
      PutTag(out, tag);
      PutVarint64(out, *value);
    }
  };
  put_optional(Tag::kNextFileNumber, next_file_number);
  put_optional(Tag::kLogNumber, log_number);
  put_optional(Tag::kLastSequence, last_sequence);
  put_optional(Tag::kDurableSequence, durable_sequence);
  for (const DeletedTable& table : deleted_tables) {
    PutTag(out, Tag::kDeletedTable);
    PutVarint32(out, static_cast<uint32_t>(table.level));
    PutVarint64(out, table.number);
  }
  for (const AddedTable& table : added_tables) {
    PutTag(out, Tag::kAddedTable);
    PutVarint32(out, static_cast<uint32_t>(table.level));
    EncodeTable(table.meta, out);
  }
  for (const BlobFileMeta& meta : blob_files) {
    PutTag(out, Tag::kBlobFile);
    PutVarint64(out, meta.logical);
    PutVarint64(out, meta.physical);
    PutVarint64(out, meta.file_bytes);
    PutVarint64(out, meta.record_bytes);
  }
  for (const uint64_t logical : removed_blob_files) {
    PutTag(out, Tag::kRemovedBlobFile);
    PutVarint64(out, logical);
  }
  for (const auto& [logical, change] : blob_changes) {
    PutTag(out, Tag::kBlobChange);
    PutVarint64(out, logical);
    change.added.Encode(out);
    PutVarint64(out, change.added_bytes);
    change.removed.Encode(out);
    PutVarint64(out, change.removed_bytes);
  }
}

Result<VersionEdit> VersionEdit::Decode(ByteView in) {
  VersionEdit edit;
  const size_t size = in.size();
  while (!in.empty()) {
    const size_t offset = size - in.size();
    const auto tag = static_cast<Tag>(in.front());
    in.remove_prefix(1);
    if (!DecodeField(tag, &in, &edit)) {
      return Status::Corruption("bad field in a version edit, at its byte " +
                                std::to_string(offset));
    }
  }
  return edit;
}

}  // namespace kvfs::engine
