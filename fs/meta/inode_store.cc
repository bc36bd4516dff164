#include "fs/meta/inode_store.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <tuple>
#include <utility>

#include "fs/meta/conflict_items.h"
#include "fs/meta/keys.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

template <typename Message>
Result<Message> Decode(ByteView value, const char* what) {
  Message message;
  if (!message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return Status::Corruption(std::string("record of the filesystem does not parse: ") + what);
  }
  return message;
}

template <typename Message>
Bytes Encode(const Message& message) {
  return message.SerializeAsString();
}

// How many keys LoadInodes asks for: a directory's record is joined with its `times`.
bool IsDirectory(InodeRef ref) { return ref.ino == ref.home; }

// `content`: the item c/<ino>, where the record has siblings.
FsResult<LoadedInode> FromItems(InodeRef ref, const client::Item& item,
                                const std::optional<client::Item>* times,
                                const client::Item* content = nullptr) {
  const bool in_conflict = item.siblings.size() > 1;
  auto record = in_conflict ? MergedRecord(item, content) : DecodeInode(item.value());
  if (!record.ok()) {
    return ToErrno(record.error());
  }
  if (record->ino() != ref.ino || record->home() != ref.home ||
      S_ISDIR(record->mode()) != IsDirectory(ref)) {
    return Errno(EIO);
  }
  LoadedInode loaded{.ref = ref,
                     .record = std::move(*record),
                     .version = item.version,
                     .in_conflict = in_conflict};
  if (times != nullptr && times->has_value()) {
    auto decoded = DecodeTimes((*times)->value());
    if (!decoded.ok()) {
      return ToErrno(decoded.error());
    }
    JoinTime(loaded.record.mutable_mtime(), decoded->mtime());
    JoinTime(loaded.record.mutable_ctime(), decoded->ctime());
  }
  return loaded;
}

}  // namespace

Result<pb::Inode> DecodeInode(ByteView value) {
  if (value.size() > kMaxRecordBytes) {
    return Status::Corruption("inode record is too large");
  }
  return Decode<pb::Inode>(value, "inode");
}
Result<pb::Dentry> DecodeDentry(ByteView value) { return Decode<pb::Dentry>(value, "dentry"); }
Result<pb::DirectoryTimes> DecodeTimes(ByteView value) {
  return Decode<pb::DirectoryTimes>(value, "times");
}
Result<pb::Link> DecodeLink(ByteView value) { return Decode<pb::Link>(value, "link"); }

Bytes EncodeInode(const pb::Inode& record) {
  assert(RecordFits(record));
  return Encode(record);
}
Bytes EncodeDentry(const pb::Dentry& entry) { return Encode(entry); }
Bytes EncodeTimes(const pb::DirectoryTimes& times) { return Encode(times); }
Bytes EncodeLink(const pb::Link& link) { return Encode(link); }
bool IsStrong(const pb::Inode& record) { return record.consistency() != 0; }
void MakeStrong(pb::Inode* record, bool strong) {
  record->set_consistency(strong ? 1 : 0);
  record->set_mode_epoch(record->mode_epoch() + 1);
}
bool RecordFits(const pb::Inode& record) { return record.ByteSizeLong() <= kMaxRecordBytes; }

Task<Result<std::vector<std::optional<client::Item>>>> GetItems(client::Client* client,
                                                                std::vector<client::ItemKey> keys,
                                                                Freshness freshness) {
  return freshness == Freshness::kRecent ? client->GetRecent(std::move(keys))
                                         : client->GetMany(std::move(keys));
}

Task<FsResult<std::vector<std::optional<LoadedInode>>>> LoadInodes(client::Client* client,
                                                                   std::vector<InodeRef> refs,
                                                                   Freshness freshness) {
  std::vector<client::ItemKey> wanted;
  wanted.reserve(refs.size() + 1);
  for (const InodeRef& ref : refs) {
    wanted.push_back(keys::RecordItem(ref));
    if (IsDirectory(ref)) {
      wanted.push_back({keys::DirectoryPk(ref.home), keys::Times()});
    }
  }
  auto items = co_await GetItems(client, std::move(wanted), freshness);
  if (!items.ok()) {
    co_return ToErrno(items.error());
  }
  std::vector<std::optional<LoadedInode>> loaded;
  loaded.reserve(refs.size());
  size_t next = 0;
  for (const InodeRef& ref : refs) {
    const std::optional<client::Item>& item = (*items)[next++];
    const std::optional<client::Item>* times = IsDirectory(ref) ? &(*items)[next++] : nullptr;
    if (!item) {
      loaded.emplace_back();
      continue;
    }
    std::optional<client::Item> content;
    if (item->siblings.size() > 1 && !IsDirectory(ref)) {
      auto got = co_await client->Get({keys::DirectoryPk(ref.home), keys::Inline(ref.ino)});
      if (!got.ok()) {
        co_return ToErrno(got.error());
      }
      content = std::move(*got);
    }
    auto one = FromItems(ref, *item, times, content ? &*content : nullptr);
    if (!one.ok()) {
      co_return one.error();
    }
    loaded.emplace_back(std::move(*one));
  }
  co_return loaded;
}

Task<FsResult<LoadedInode>> LoadInode(client::Client* client, InodeRef ref, Freshness freshness) {
  if (!IsDirectory(ref) && freshness == Freshness::kNow) {  // the common case, without the vectors
    auto item = co_await client->Get(keys::RecordItem(ref));
    if (!item.ok()) {
      co_return ToErrno(item.error());
    }
    if (!item->has_value()) {
      co_return ENOENT;
    }
    if ((*item)->siblings.size() == 1) {
      co_return FromItems(ref, **item, nullptr);
    }
  }
  std::vector<InodeRef> refs(1, ref);
  auto loaded = co_await LoadInodes(client, std::move(refs), freshness);
  if (!loaded.ok()) {
    co_return loaded.error();
  }
  if (!loaded->front()) {
    co_return ENOENT;
  }
  co_return std::move(*loaded->front());
}

client::Assert AssertRecord(const LoadedInode& loaded) {
  return {.kind = client::Assert::Kind::kVersion,
          .ck = keys::Record(loaded.ref),
          .version = loaded.version};
}

client::Write PutRecord(const LoadedInode& loaded) {
  return {.kind = client::Write::Kind::kPut,
          .ck = keys::Record(loaded.ref),
          .value = EncodeInode(loaded.record)};
}

client::Write EraseRecord(const LoadedInode& loaded) {
  return {.kind = client::Write::Kind::kErase, .ck = keys::Record(loaded.ref), .value = {}};
}

client::Write PutDirectoryTimes(TimeSpec now, client::HybridTime set_at) {
  pb::DirectoryTimes times;
  SetTime(times.mutable_mtime(), now, set_at);
  SetTime(times.mutable_ctime(), now, set_at);
  return {.kind = client::Write::Kind::kPut, .ck = keys::Times(), .value = EncodeTimes(times)};
}

void SetTime(pb::Time* time, TimeSpec value, client::HybridTime set_at) {
  time->set_seconds(std::clamp(value.seconds, -kMaxTimeSeconds, kMaxTimeSeconds));
  time->set_nanos(value.nanos);
  time->set_set_at(set_at);
}

void JoinTime(pb::Time* own, const pb::Time& other) {
  const auto order = [](const pb::Time& time) {
    return std::tuple(time.set_at(), time.seconds(), time.nanos());
  };
  if (order(*own) < order(other)) {
    *own = other;
  }
}

TimeSpec GetTime(const pb::Time& time) {
  return {.seconds = time.seconds(), .nanos = time.nanos()};
}

Attr AttrOf(const pb::Inode& record) {
  constexpr uint64_t kDirectoryBytes = 4096;
  Attr attr;
  attr.ino = record.ino();
  attr.mode = record.mode();
  attr.uid = record.uid();
  attr.gid = record.gid();
  attr.rdev = record.rdev();
  attr.atime = GetTime(record.atime());
  attr.mtime = GetTime(record.mtime());
  attr.ctime = GetTime(record.ctime());
  attr.btime = GetTime(record.btime());
  if (S_ISDIR(record.mode())) {
    attr.is_strong = IsStrong(record);
    attr.nlink = static_cast<uint32_t>(2 + record.subdirectories());
    attr.size = kDirectoryBytes;
    attr.blocks_512 = kDirectoryBytes / 512;
    return attr;
  }
  attr.nlink = record.nlink();
  attr.size = record.size();
  const uint64_t allocated =
      record.content().is_chunked() ? record.allocated_bytes() : record.size();
  attr.blocks_512 = (allocated + 511) / 512;
  return attr;
}

bool HasChunks(const pb::Inode& record) { return record.content().is_chunked(); }

client::WorkKey OrphanWork(const pb::Inode& record) {
  return keys::Work(keys::WorkKind::kOrphan, {.ino = record.ino(), .home = record.home()},
                    record.orphan_due_millis());
}

}  // namespace kvfs::fs
