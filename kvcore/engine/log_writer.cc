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

  void AppendTo(size_t size, Bytes* out) {
    while (size > 0) {
      const ByteView part = parts_.front().substr(used_);
      const size_t taken = std::min(size, part.size());
      out->append(part.substr(0, taken));
      size -= taken;
      used_ += taken;
      if (used_ == parts_.front().size()) {
        parts_ = parts_.subspan(1);
        used_ = 0;
      }
    }
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
  buffer_.clear();
  buffer_.reserve(MaxRecordBytes(left));
  bool first = true;
  bool last = false;
  while (!last) {
    uint64_t offset = start + buffer_.size();
    uint32_t room = kLogBlockBytes - static_cast<uint32_t>(offset % kLogBlockBytes);
    if (room < kLogHeaderBytes) {
      buffer_.append(room, '\0');
      offset += room;
      room = kLogBlockBytes;
    }
    const uint64_t size = std::min<uint64_t>(left, room - kLogHeaderBytes);
    left -= size;
    last = left == 0;
    const size_t header = buffer_.size();
    PutFixed32(&buffer_, 0);  // the checksum, below
    PutFixed<uint16_t>(&buffer_, static_cast<uint16_t>(size));
    buffer_.push_back(static_cast<char>(TypeFor(first, last)));
    PutFixed32(&buffer_, static_cast<uint32_t>(log_number_));
    PutFixed32(&buffer_, synced_up_to);
    payload.AppendTo(size, &buffer_);
    EncodeFixed32(buffer_.data() + header,
                  FragmentChecksum(offset, ByteView(buffer_).substr(header + 4)));
    first = false;
  }
  WriteAhead(start + buffer_.size());
  KVFS_RETURN_IF_ERROR(file_->WriteAt(start, buffer_));
  const uint64_t end = start + buffer_.size();
  offset_.store(end, std::memory_order_release);
  if (buffer_.capacity() > (4u << 20)) {
    buffer_ = Bytes();  // one huge batch should not hold memory for good
  }
  return end;
}

void LogWriter::WriteAhead(uint64_t end) {
  const uint64_t written = written_.load(std::memory_order_relaxed);
  if (step_ == 0 || end <= written) {
    return;
  }
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
