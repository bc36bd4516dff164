#include "kvcore/engine/log_writer.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "kvcore/base/coding.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {
namespace {

constexpr uint32_t kMaxPayload = kLogBlockBytes - kLogHeaderBytes;

// Hands out the concatenation of several parts in pieces.
class PartReader {
 public:
  explicit PartReader(std::span<const ByteView> parts) : parts_(parts) {}

  // The end of what was copied to `out`.
  char* CopyTo(size_t size, char* out) {
    while (size > 0) {
      const ByteView part = parts_.front().substr(used_);
      const size_t taken = std::min(size, part.size());
      out = std::copy_n(part.data(), taken, out);
      size -= taken;
      used_ += taken;
      if (used_ == parts_.front().size()) {
        parts_ = parts_.subspan(1);
        used_ = 0;
      }
    }
    return out;
  }

 private:
  std::span<const ByteView> parts_;
  size_t used_ = 0;  // of the first part
};

FragmentType TypeFor(bool first, bool last) {
  if (first) {
    return last ? FragmentType::kFull : FragmentType::kFirst;
  }
  return last ? FragmentType::kLast : FragmentType::kMiddle;
}

}  // namespace

uint64_t LogWriter::MaxRecordBytes(uint64_t size) {
  const uint64_t fragments = size / kMaxPayload + 2;
  return size + fragments * kLogHeaderBytes + kLogHeaderBytes;
}

Result<uint64_t> LogWriter::AddRecord(std::span<const ByteView> parts) {
  uint64_t left = 0;
  for (const ByteView part : parts) {
    left += part.size();
  }
  const uint64_t start = Offset();
  if (MaxRecordBytes(left) > kMaxLogBytes - start) {
    return Status::NoSpace("log " + std::to_string(log_number_) + " is full");
  }
  const auto synced_up_to = static_cast<uint32_t>(SyncedUpTo());
  PartReader payload(parts);
  // Never made smaller for the next record, which would be filled with zeros again.
  if (const uint64_t most = MaxRecordBytes(left); buffer_.size() < most) {
    buffer_.resize(most);
  }
  char* out = buffer_.data();
  const auto filled = [&] { return static_cast<uint64_t>(out - buffer_.data()); };
  bool first = true;
  bool last = false;
  while (!last) {
    uint64_t offset = start + filled();
    uint32_t room = kLogBlockBytes - static_cast<uint32_t>(offset % kLogBlockBytes);
    if (room < kLogHeaderBytes) {
      out = std::fill_n(out, room, '\0');
      offset += room;
      room = kLogBlockBytes;
    }
    const uint64_t size = std::min<uint64_t>(left, room - kLogHeaderBytes);
    left -= size;
    last = left == 0;
    char* const header = out;
    EncodeFixed16(header + 4, static_cast<uint16_t>(size));
    header[6] = static_cast<char>(TypeFor(first, last));
    EncodeFixed32(header + 7, static_cast<uint32_t>(log_number_));
    EncodeFixed32(header + 11, synced_up_to);
    out = payload.CopyTo(size, header + kLogHeaderBytes);
    EncodeFixed32(header, FragmentChecksum(offset, {header + 4, out}));
    first = false;
  }
  const uint64_t end = start + filled();
  WriteAhead(end);
  KVFS_RETURN_IF_ERROR(file_->WriteAt(start, ByteView(buffer_).substr(0, filled())));
  offset_.store(end, std::memory_order_release);
  if (buffer_.capacity() > (4u << 20)) {
    buffer_ = Bytes();  // one huge batch should not hold memory for good
  }
  return end;
}

// Only while somebody syncs: for writes that nobody waits for it would be work for nothing.
void LogWriter::WriteAhead(uint64_t end) {
  const uint64_t written = written_.load(std::memory_order_relaxed);
  const uint64_t synced = SyncedUpTo();
  if (step_ == 0 || end <= written || synced == synced_at_step_) {
    return;
  }
  synced_at_step_ = synced;
  // Never over a record: an earlier attempt may have failed, and records gone past it. It is no
  // loss if there is no room.
  const uint64_t begin = std::max(written, Offset());
  const uint64_t target = (end / step_ + 1) * step_;
  if (file_->WriteAt(begin, Bytes(target - begin, '\0')).ok()) {
    written_.store(target, std::memory_order_relaxed);
  }
}

void LogWriter::MarkSynced(uint64_t offset) {
  assert(offset <= Offset());
  uint64_t old = synced_up_to_.load(std::memory_order_relaxed);
  while (old < offset &&
         !synced_up_to_.compare_exchange_weak(old, offset, std::memory_order_release)) {
  }
}

Status PrewriteLog(env::FileSystem* files, const std::string& path, uint64_t bytes) {
  KVFS_ASSIGN_OR_RETURN(auto file, files->OpenWritable(path, env::FileSystem::Create::kTruncate));
  const Bytes zeros(1u << 20, '\0');
  for (uint64_t offset = 0; offset < bytes; offset += zeros.size()) {
    const uint64_t size = std::min<uint64_t>(zeros.size(), bytes - offset);
    KVFS_RETURN_IF_ERROR(file->WriteAt(offset, ByteView(zeros).substr(0, size)));
  }
  KVFS_RETURN_IF_ERROR(SyncFile(file.get()));
  return file->Close();
}

}  // namespace kvfs::engine
