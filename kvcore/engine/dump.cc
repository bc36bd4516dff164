#include "kvcore/engine/dump.h"

#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/engine/batch_reader.h"
#include "kvcore/engine/blob_file.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/log_reader.h"
#include "kvcore/engine/table_reader.h"
#include "kvcore/engine/version_set.h"

namespace kvfs::engine {
namespace {

constexpr size_t kShownBytes = 32;

std::string Shown(ByteView bytes) {
  std::string out = "\"" + ToHex(bytes.substr(0, kShownBytes)) + "\"";
  return bytes.size() <= kShownBytes ? out
                                     : out + "... (" + std::to_string(bytes.size()) + " bytes)";
}

std::string Describe(const BlobPointer& pointer) {
  return "blob file " + std::to_string(pointer.file) + " ordinal " +
         std::to_string(pointer.ordinal) + " raw " + std::to_string(pointer.raw_size) + " stored " +
         std::to_string(pointer.stored_size);
}

std::string DescribeValue(EntryType type, ByteView value) {
  BlobPointer pointer;
  ByteView in = value;
  if (type != EntryType::kValue && DecodeBlobPointer(&in, &pointer)) {
    return Describe(pointer);
  }
  return Shown(value);
}

Status DumpLog(std::unique_ptr<env::RandomAccessFile> file, const std::string& name,
               uint64_t number, const LineSink& line) {
  LogReader reader(std::move(file), name, number);
  Bytes record;
  uint64_t offset = 0;
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const bool more, reader.ReadRecord(&record, &offset));
    if (!more) {
      break;
    }
    LogPayload payload;
    if (Status status = DecodeLogPayload(record, &payload); !status.ok()) {
      return status.Annotate(name + " at " + std::to_string(offset));
    }
    line("record at " + std::to_string(offset) + ": sequence " +
         std::to_string(payload.first_sequence) + ", " + std::to_string(payload.count) +
         " entries, " + std::to_string(record.size()) + " bytes, synced up to " +
         std::to_string(reader.SyncedUpTo()));
    BatchReader batch(payload.batch);
    uint64_t sequence = payload.first_sequence;
    while (batch.Next()) {
      Bytes key;
      AppendInternalKey(batch.entry().key, sequence++, batch.entry().type, &key);
      line("  " + DescribeInternalKey(key) + " " +
           DescribeValue(batch.entry().type, batch.entry().value));
    }
  }
  line("end at " + std::to_string(reader.EndOffset()) + (reader.Torn() ? ", torn" : ""));
  return {};
}

Status DumpTable(std::unique_ptr<env::RandomAccessFile> file, const std::string& name,
                 uint64_t number, const LineSink& line) {
  BlockCache cache(1u << 20, 1);
  KVFS_ASSIGN_OR_RETURN(const auto table, Table::Open(std::move(file), name, number, &cache));
  const TableProperties& p = table->properties();
  line("table " + std::to_string(number) + ": " + std::to_string(table->FileSize()) + " bytes, " +
       std::to_string(p.data_bytes) + " of data blocks");
  line("entries " + std::to_string(p.entries) + ", deletes " + std::to_string(p.deletes) +
       ", dead in a row " + std::to_string(p.longest_dead_run) + ", blob pointers " +
       std::to_string(p.blob_pointers));
  line("raw bytes: keys " + std::to_string(p.key_bytes) + ", values " +
       std::to_string(p.value_bytes));
  line("sequences " + std::to_string(p.smallest_sequence) + " to " +
       std::to_string(p.largest_sequence));
  line("smallest " + DescribeInternalKey(p.smallest));
  line("largest " + DescribeInternalKey(p.largest));
  for (const BlobReference& blob : p.blobs) {
    line("refers to blob file " + std::to_string(blob.file) + ": " + std::to_string(blob.count) +
         " values, " + std::to_string(blob.bytes) + " bytes");
  }
  auto it = table->NewIterator(/*fill_cache=*/false);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    line("  " + DescribeInternalKey(it->key()) + " " +
         DescribeValue(TypeOf(it->key()), it->value()));
  }
  return it->status();
}

Status DumpBlobFile(std::unique_ptr<env::RandomAccessFile> file, const std::string& name,
                    uint64_t number, const LineSink& line) {
  KVFS_ASSIGN_OR_RETURN(const auto blob_file, BlobFile::Open(std::move(file), name, number));
  line("blob file " + std::to_string(number) + ": logical " +
       std::to_string(blob_file->id().logical) + ", " + std::to_string(blob_file->FileSize()) +
       " bytes, " + std::to_string(blob_file->index().Count()) + " records, " +
       (blob_file->Finished() ? "finished" : "not finished"));
  Status first_damage;
  for (const BlobIndex::Entry& entry : blob_file->index().Entries()) {
    const Status status = blob_file->ReadRecord(entry.ordinal).status();
    line("  ordinal " + std::to_string(entry.ordinal) + " at " + std::to_string(entry.offset) +
         ": stored " + std::to_string(entry.stored_size) +
         (status.ok() ? "" : ", " + status.ToString()));
    if (first_damage.ok()) {
      first_damage = status;
    }
  }
  return first_damage;
}

}  // namespace

Status DumpFile(env::FileSystem* files, const std::string& path, const LineSink& line) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const auto parsed = ParseFileName(name);
  if (!parsed || (parsed->kind != FileKind::kLog && parsed->kind != FileKind::kTable &&
                  parsed->kind != FileKind::kBlob && parsed->kind != FileKind::kManifest)) {
    return Status::InvalidArgument(path +
                                   " is not named like a log, a table, a blob file or a manifest");
  }
  if (parsed->kind == FileKind::kManifest) {
    return DumpManifest(files, path, line);
  }
  KVFS_ASSIGN_OR_RETURN(auto file, files->OpenRandomAccess(path));
  switch (parsed->kind) {
    case FileKind::kLog:
      return DumpLog(std::move(file), name, parsed->number, line);
    case FileKind::kTable:
      return DumpTable(std::move(file), name, parsed->number, line);
    default:
      return DumpBlobFile(std::move(file), name, parsed->number, line);
  }
}

}  // namespace kvfs::engine
