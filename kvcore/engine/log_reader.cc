#include "kvcore/engine/log_reader.h"

#include <algorithm>
#include <utility>

#include "kvcore/base/coding.h"

namespace kvfs::engine {
namespace {

constexpr uint64_t kWindowBytes = 32 * uint64_t{kLogBlockBytes};
constexpr size_t kLogNumberAt = 4 + 2 + 1;  // within a header

}  // namespace

LogReader::LogReader(std::unique_ptr<env::RandomAccessFile> file, std::string name,
                     uint64_t log_number)
    : file_(std::move(file)),
      name_(std::move(name)),
      log_number_(static_cast<uint32_t>(log_number)) {}

LogReader::~LogReader() = default;

Result<ByteView> LogReader::Block(uint64_t block) {
  const uint64_t offset = block * kLogBlockBytes;
  if (!window_valid_ || offset < window_offset_ || offset >= window_offset_ + kWindowBytes) {
    window_valid_ = false;
    window_offset_ = offset - offset % kWindowBytes;
    KVFS_RETURN_IF_ERROR(file_->ReadAt(window_offset_, kWindowBytes, &window_));
    window_valid_ = true;
  }
  const uint64_t at = offset - window_offset_;
  return at < window_.size() ? ByteView(window_).substr(at, kLogBlockBytes) : ByteView();
}

bool LogReader::ParseFragment(ByteView block, uint64_t offset, FragmentHeader* header,
                              ByteView* payload) const {
  const size_t at = offset % kLogBlockBytes;
  if (at > block.size() || block.size() - at < kLogHeaderBytes) {
    return false;
  }
  const char* p = block.data() + at;
  header->checksum = DecodeFixed32(p);
  header->length = DecodeFixed<uint16_t>(p + 4);
  const auto type = static_cast<uint8_t>(p[6]);
  header->type = static_cast<FragmentType>(type);
  header->log_number = DecodeFixed32(p + kLogNumberAt);
  header->synced_up_to = DecodeFixed32(p + 11);
  const size_t whole = size_t{kLogHeaderBytes} + header->length;
  if (type == 0 || type > kMaxFragmentType || header->log_number != log_number_ ||
      whole > block.size() - at ||
      FragmentChecksum(offset, block.substr(at + 4, whole - 4)) != header->checksum) {
    return false;
  }
  *payload = block.substr(at + kLogHeaderBytes, header->length);
  return true;
}

Result<bool> LogReader::ReadRecord(Bytes* payload, uint64_t* offset) {
  payload->clear();
  if (done_) {
    return false;
  }
  uint64_t at = end_offset_;
  uint64_t start = 0;
  bool inside = false;
  while (true) {
    if (kLogBlockBytes - at % kLogBlockBytes < kLogHeaderBytes) {
      at += kLogBlockBytes - at % kLogBlockBytes;
    }
    KVFS_ASSIGN_OR_RETURN(const ByteView block, Block(at / kLogBlockBytes));
    FragmentHeader header;
    ByteView piece;
    const bool valid = ParseFragment(block, at, &header, &piece);
    const bool begins = header.type == FragmentType::kFull || header.type == FragmentType::kFirst;
    if (!valid || begins == inside) {
      torn_ = inside;
      return EndAt(inside ? start : at, at);
    }
    if (begins) {
      start = at;
      inside = true;
    }
    payload->append(piece);
    synced_up_to_ = std::max<uint64_t>(synced_up_to_, header.synced_up_to);
    at += kLogHeaderBytes + piece.size();
    if (header.type == FragmentType::kFull || header.type == FragmentType::kLast) {
      end_offset_ = at;
      *offset = start;
      return true;
    }
  }
}

Result<bool> LogReader::EndAt(uint64_t start, uint64_t bad) {
  done_ = true;
  Bytes needle;
  PutFixed32(&needle, log_number_);
  uint64_t at = bad;
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const ByteView block, Block(at / kLogBlockBytes));
    const uint64_t block_start = at - at % kLogBlockBytes;
    if (block.size() <= at - block_start) {
      return false;  // the end of the file
    }
    // A damaged header hides where the next fragment begins, so any place that holds our log
    // number where a header has it is tried.
    while (true) {
      const size_t found = block.find(needle, at - block_start + kLogNumberAt);
      if (found == ByteView::npos) {
        break;
      }
      at = block_start + found - kLogNumberAt;
      FragmentHeader header;
      ByteView piece;
      if (!ParseFragment(block, at, &header, &piece)) {
        ++at;
        continue;
      }
      if (header.synced_up_to > start) {
        return Status::Corruption(name_ + " at " + std::to_string(bad) +
                                  ": damaged record below the synced offset " +
                                  std::to_string(header.synced_up_to));
      }
      torn_ = true;
      at += kLogHeaderBytes + piece.size();
    }
    at = block_start + kLogBlockBytes;
  }
}

Result<LogSummary> ScanLog(env::FileSystem* files, const std::string& path, uint64_t log_number) {
  KVFS_ASSIGN_OR_RETURN(auto file, files->OpenRandomAccess(path));
  LogReader reader(std::move(file), path, log_number);
  LogSummary summary;
  Bytes payload;
  uint64_t offset = 0;
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const bool more, reader.ReadRecord(&payload, &offset));
    if (!more) {
      break;
    }
    ++summary.records;
  }
  summary.end_offset = reader.EndOffset();
  summary.synced_up_to = reader.SyncedUpTo();
  summary.torn = reader.Torn();
  return summary;
}

}  // namespace kvfs::engine
