// The write path: Write, blobs, Sync.
#include <algorithm>
#include <array>
#include <cassert>
#include <tuple>

#include "kvcore/engine/batch_reader.h"
#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {

namespace {
// A memtable grows past its bound by this factor where no new log can be made.
constexpr uint64_t kMemtableSlack = 2;
// How far ahead logs are written with zeros.
constexpr uint64_t kMinLogStep = 4u << 10;
constexpr uint64_t kMaxLogStep = 1u << 20;
// Two syncs this near to each other mean that more will follow, for so long.
constexpr int64_t kOftenMicros = 50'000;
constexpr int64_t kOftenForMicros = 200'000;
}  // namespace

Status DbImpl::BackgroundError() const {
  const std::lock_guard lock(mutex_);
  return background_error_;
}

Status DbImpl::SetBackgroundError(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (background_error_.ok()) {
    background_error_ = status;
    failed_.store(true, std::memory_order_release);
    waiters_.WakeAll();
  }
  return status;
}

Status DbImpl::CheckWritable(uint64_t bytes, bool may_use_reserve) {
  if (options_.read_only) {
    return Status::ReadOnly("the store is open read-only");
  }
  if (failed_.load(std::memory_order_acquire)) {
    return Status::ReadOnly("after an error the store takes no writes until it is reopened: " +
                            BackgroundError().ToString());
  }
  if (!retry_armed_.load(std::memory_order_acquire) &&
      (may_use_reserve || space_.TakeCredit(bytes))) {
    return Status::Ok();
  }
  uint64_t own = 0;
  uint64_t promised = 0;
  if (options_.capacity_bytes != 0 || options_.reserve_bytes != 0) {
    const uint64_t growing = blobs_.GrowingBytes();
    const std::lock_guard lock(mutex_);
    own = OwnBytes() + growing;
    promised = MemtableBytes();
    const size_t most = kMaxImmutable * (may_use_reserve ? 4 : 1);
    if (retry_armed_ && immutable_.size() >= most) {
      return Status::NoSpace("the disk is full: memory cannot be flushed");
    }
  }
  const Status room = space_.Check(bytes, may_use_reserve, own, promised);
  if (room.code() == Code::kNoSpace) {
    deleter_.Hurry();
  }
  return room;
}

Result<BlobPointer> DbImpl::PutBlob(ByteView value) {
  KVFS_RETURN_IF_ERROR(CheckWritable(value.size(), false));
  if (value.size() > kMaxValueBytes) {
    return Status::InvalidArgument("a value of " + std::to_string(value.size()) + " bytes");
  }
  auto pointer = blobs_.Put(value);
  if (!pointer.ok()) {
    return pointer.error().code() == Code::kNoSpace ? pointer.error()
                                                    : SetBackgroundError(pointer.error());
  }
  user_bytes_.fetch_add(value.size(), std::memory_order_relaxed);
  space_.NoteWritten(pointer->stored_size);
  if (blobs_.HasFull() || blobs_.WantsNext()) {
    const std::lock_guard lock(mutex_);
    Schedule();
  }
  return pointer;
}

void DbImpl::ForgetBlob(const BlobPointer& pointer) { blobs_.Forget(pointer); }

// Every pointer must be to a record that PutBlob gave out and nobody wrote yet.
Status DbImpl::CheckPointers(const WriteBatch& batch) {
  BatchReader reader(batch.Encoded());
  while (reader.Next()) {
    const BatchReader::Entry& entry = reader.entry();
    if (entry.type != EntryType::kBlobPointer) {
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      const auto it = versions_.blobs().find(entry.pointer.file);
      if (it == versions_.blobs().end() || !it->second.unflushed.Contains(entry.pointer.ordinal)) {
        return Status::InvalidArgument("a batch with a pointer that PutBlob did not give out");
      }
    }
    blobs_.MarkReferred(entry.pointer.file);
  }
  return reader.status();
}

Result<Position> DbImpl::Write(const WriteBatch& batch) {
  KVFS_RETURN_IF_ERROR(CheckWritable(batch.ByteSize(), batch.MayUseReserve()));
  if (batch.Empty()) {
    return LastPosition();
  }
  uint64_t hidden = 0;
  uint64_t deletes = 0;
  bool wake = false;
  bool tidy = false;
  Position position = 0;
  {
    const std::lock_guard write_lock(write_mutex_);
    if (failed_.load(std::memory_order_acquire)) {
      return Status::ReadOnly("after an error the store takes no writes until it is reopened: " +
                              BackgroundError().ToString());
    }
    MemLog* memlog = active_.get();
    if (memlog->memtable->ApproximateBytes() >= options_.memtable_bytes &&
        memlog->memtable->EntryCount() > 0) {
      const Status rotated = Rotate();
      if (!rotated.ok()) {
        if (rotated.code() != Code::kNoSpace) {
          return SetBackgroundError(rotated);
        }
        if (memlog->memtable->ApproximateBytes() >= kMemtableSlack * options_.memtable_bytes) {
          return rotated;
        }
      }
      memlog = active_.get();
      wake = rotated.ok();
    }
    // Marked before the record is in the log: a sync that covers the record covers the blobs.
    if (batch.PutsBlobs()) {
      KVFS_RETURN_IF_ERROR(CheckPointers(batch));
    }
    const uint64_t first = last_sequence_.load(std::memory_order_relaxed) + 1;
    position = first + batch.Count() - 1;
    log_header_.clear();
    EncodeLogPayloadHeader(first, batch.Count(), &log_header_);
    const std::array<ByteView, 2> parts{log_header_, batch.Encoded()};
    const uint64_t before = memlog->log->Offset();
    const auto end = memlog->log->AddRecord(parts);
    if (!end.ok()) {
      return end.error().code() == Code::kNoSpace ? end.error() : SetBackgroundError(end.error());
    }
    disk_bytes_.fetch_add(*end - before, std::memory_order_relaxed);
    space_.NoteWritten(*end - before);
    BatchReader reader(batch.Encoded());
    uint64_t sequence = first;
    while (reader.Next()) {
      const BatchReader::Entry& entry = reader.entry();
      memlog->memtable->Add(sequence++, entry.type, entry.key, entry.value);
      if (entry.type == EntryType::kDelete) {
        ++deletes;
        hidden += entry.has_pointer ? entry.pointer.stored_size : 0;
      }
    }
    assert(reader.status().ok() && sequence == position + 1);
    if (deletes > 0) {
      memlog->hidden_bytes.fetch_add(hidden, std::memory_order_relaxed);
      const uint64_t before_these = memlog->deletes.fetch_add(deletes, std::memory_order_relaxed);
      const auto reaches = [&](uint64_t bound) {
        return before_these < bound && before_these + deletes >= bound;
      };
      tidy = hidden > 0 || reaches(kSomeDeletes) || reaches(kManyDeletes);
    }
    last_sequence_.store(position, std::memory_order_release);
  }
  user_bytes_.fetch_add(batch.ByteSize(), std::memory_order_relaxed);
  if (wake || tidy) {
    const std::lock_guard lock(mutex_);
    Schedule();
    if (tidy) {
      ArmTidy();
    }
  }
  return position;
}

Status DbImpl::Rotate() {
  KVFS_ASSIGN_OR_RETURN(auto log, OpenLog());
  auto next = std::make_shared<MemLog>();
  next->memtable = std::make_shared<MemTable>(arena_pool_);
  next->log = std::move(log);
  const std::lock_guard lock(mutex_);
  active_->last_sequence = last_sequence_.load(std::memory_order_relaxed);
  active_->next_log_number = next->log->log_number();
  immutable_.push_back(std::move(active_));
  active_ = std::move(next);
  PublishView();
  return Status::Ok();
}

void DbImpl::PublishView() {
  if (active_ == nullptr) {
    return;  // still being opened
  }
  at_ease_.store(immutable_.empty() && debt_bytes_ == 0 &&
                     versions_.current()->levels[0].size() <= options_.level0_tables,
                 std::memory_order_release);
  auto view = std::make_shared<ReadView>();
  view->memtable = active_->memtable;
  for (auto it = immutable_.rbegin(); it != immutable_.rend(); ++it) {
    view->immutable.push_back((*it)->memtable);
  }
  view->version = versions_.current();
  view_ = std::move(view);
}

// A spare if there is one: its blocks are written already, so a sync within them changes no
// metadata. The name is made durable by the next sync.
Result<std::shared_ptr<LogWriter>> DbImpl::OpenLog() {
  const uint64_t number = versions_.NewFileNumber();
  const std::string path = Path(FileKind::kLog, number);
  uint64_t spare = 0;
  uint64_t written = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_logs_.empty()) {
      std::tie(spare, written) = spare_logs_.back();
      spare_logs_.pop_back();
    }
  }
  if (spare != 0) {
    const Status renamed = env_.files->Rename(Path(FileKind::kLog, spare), path);
    if (!renamed.ok()) {
      return renamed;
    }
  }
  directory_dirty_.store(true);
  KVFS_ASSIGN_OR_RETURN(auto file,
                        env_.files->OpenWritable(path, spare != 0 ? env::FileSystem::Create::kKeep
                                                                  : env::FileSystem::Create::kNew));
  const uint64_t step = std::clamp(options_.memtable_bytes / 64, kMinLogStep, kMaxLogStep);
  return std::make_shared<LogWriter>(std::move(file), number, written, step);
}

Task<Status> DbImpl::Sync(Position position) {
  if (options_.read_only || failed_.load(std::memory_order_acquire)) {
    co_return CheckWritable(0, true);
  }
  const int64_t now = env_.clock->MonotonicMicros();
  if (now - last_sync_micros_.exchange(now, std::memory_order_relaxed) < kOftenMicros) {
    syncs_often_until_.store(now + kOftenForMicros, std::memory_order_relaxed);
  }
  const Position last = LastPosition();
  // A following member of the group may be told of an error another one met first.
  const Status synced = co_await sync_.Sync(std::min(position, last));
  co_return synced;
}

bool DbImpl::SyncsOften() const {
  return env_.clock->MonotonicMicros() < syncs_often_until_.load(std::memory_order_relaxed);
}

// The logs that a round syncs, each up to an offset. Two threads may come to do it: the first does,
// the other waits for it and gets the same answer. Shared by both.
class DbImpl::LogSync {
 public:
  struct Part {
    std::shared_ptr<MemLog> memlog;
    uint64_t offset = 0;
  };
  explicit LogSync(std::vector<Part> parts) : parts_(std::move(parts)) {}

  // Oldest log first: nothing in a log is durable before what precedes it.
  Status Run() {
    const std::lock_guard lock(mutex_);
    for (const Part& part : std::exchange(parts_, {})) {
      status_ = SyncFile(part.memlog->log->file());
      if (!status_.ok()) {
        break;
      }
    }
    return status_;
  }

 private:
  std::mutex mutex_;  // held while it is done
  std::vector<Part> parts_;
  Status status_;
};

Result<uint64_t> DbImpl::SyncLogs() {
  if (failed_.load(std::memory_order_acquire)) {
    return CheckWritable(0, true);
  }
  const uint64_t covered = last_sequence_.load(std::memory_order_acquire);
  std::vector<LogSync::Part> parts;
  const auto add = [&parts](const std::shared_ptr<MemLog>& memlog) {
    const uint64_t offset = memlog->log->Offset();
    if (memlog->synced_offset.load(std::memory_order_relaxed) < offset) {
      parts.push_back({memlog, offset});
    }
  };
  {
    const std::lock_guard lock(mutex_);
    for (const auto& memlog : immutable_) {
      add(memlog);
    }
    add(active_);
  }
  const auto work = [&]() -> Status {
    const auto logs = std::make_shared<LogSync>(parts);
    // A batch marks its blob files before it is in the log, so those marked now are enough. While
    // this thread waits for them another sees to the logs, if one is free.
    if (blobs_.HasReferred()) {
      if (!parts.empty()) {
        env_.scheduler->Post(env::Priority::kForeground, [logs] { (void)logs->Run(); });
      }
      KVFS_RETURN_IF_ERROR(blobs_.SyncReferred(&syncs_));
    }
    if (directory_dirty_.exchange(false)) {
      KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
    }
    KVFS_RETURN_IF_ERROR(logs->Run());
    for (const LogSync::Part& part : parts) {
      syncs_.fetch_add(1, std::memory_order_relaxed);
      part.memlog->synced_offset.store(part.offset, std::memory_order_relaxed);
      part.memlog->log->MarkSynced(part.offset);
    }
    return Status::Ok();
  };
  const Status done = work();
  if (!done.ok()) {
    return SetBackgroundError(done);
  }
  return covered;
}

}  // namespace kvfs::engine
