// Files whose bytes lie in a string, for tests and fuzzers of single file formats. What needs
// directories, crashes or faults uses kvcore/env/sim.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/env/file_system.h"

namespace kvfs::test {

// Reads a copy of the bytes. The buffer is exactly as large as the content, so that a sanitizer
// sees any read past the end.
class BytesReadFile final : public env::RandomAccessFile {
 public:
  // `reads` (may be null) counts.
  explicit BytesReadFile(Bytes content, int* reads = nullptr)
      : content_(std::move(content)), reads_(reads) {}

  Status ReadAt(uint64_t offset, size_t size, Bytes* out) const override {
    out->resize(size);
    KVFS_ASSIGN_OR_RETURN(const size_t n, ReadInto(offset, size, out->data()));
    out->resize(n);
    return {};
  }
  Result<size_t> ReadInto(uint64_t offset, size_t size, char* out) const override {
    if (reads_ != nullptr) {
      ++*reads_;
    }
    if (offset >= content_.size()) {
      return size_t{0};
    }
    const size_t n = std::min<uint64_t>(size, content_.size() - offset);
    if (n > 0) {
      std::memcpy(out, content_.data() + offset, n);
    }
    return n;
  }
  Result<uint64_t> Size() const override { return uint64_t{content_.size()}; }

 private:
  const Bytes content_;
  int* const reads_;
};

// Writes into a string that outlives it.
class BytesWriteFile final : public env::WritableFile {
 public:
  explicit BytesWriteFile(Bytes* content) : content_(content) {}

  Status WriteAt(uint64_t offset, ByteView data) override {
    ++writes;
    if (fail_next) {
      fail_next = false;
      return Status::IoError("made to fail");
    }
    if (content_->size() < offset + data.size()) {
      content_->resize(offset + data.size());
    }
    if (!data.empty()) {
      std::memcpy(content_->data() + offset, data.data(), data.size());
    }
    return {};
  }
  Status Sync() override { return {}; }
  void StartWriteback(uint64_t, uint64_t) override {}
  Status Reserve(uint64_t) override { return {}; }
  Status Truncate(uint64_t size) override {
    content_->resize(size);
    return {};
  }
  Status Close() override { return {}; }

  int writes = 0;
  bool fail_next = false;

 private:
  Bytes* const content_;
};

}  // namespace kvfs::test
