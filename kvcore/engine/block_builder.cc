#include "kvcore/engine/block_builder.h"

#include <algorithm>
#include <cassert>

#include "kvcore/base/coding.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

BlockBuilder::BlockBuilder(uint32_t restart_interval) : restart_interval_(restart_interval) {
  assert(restart_interval > 0);
}

void BlockBuilder::Add(ByteView internal_key, ByteView value) {
  assert(buffer_.empty() || CompareInternalKeys(last_key_, internal_key) < 0);
  size_t shared = 0;
  if (buffer_.empty() || since_restart_ == restart_interval_) {
    restarts_.push_back(static_cast<uint32_t>(buffer_.size()));
    since_restart_ = 0;
  } else {
    const size_t limit = std::min(last_key_.size(), internal_key.size());
    while (shared < limit && last_key_[shared] == internal_key[shared]) {
      ++shared;
    }
  }
  const size_t unshared = internal_key.size() - shared;
  if ((shared | unshared | value.size()) < 0x80) {  // nearly always: varints of one byte
    const char head[] = {static_cast<char>(shared), static_cast<char>(unshared),
                         static_cast<char>(value.size())};
    buffer_.append(head, sizeof(head));
  } else {
    PutVarint64(&buffer_, shared);
    PutVarint64(&buffer_, unshared);
    PutVarint64(&buffer_, value.size());
  }
  buffer_.append(internal_key.substr(shared));
  buffer_.append(value);
  last_key_.resize(shared);
  last_key_.append(internal_key.substr(shared));
  ++since_restart_;
  assert(buffer_.size() <= UINT32_MAX);
}

ByteView BlockBuilder::Finish() {
  for (const uint32_t restart : restarts_) {
    PutFixed32(&buffer_, restart);
  }
  PutFixed32(&buffer_, static_cast<uint32_t>(restarts_.size()));
  return buffer_;
}

void BlockBuilder::Reset() {
  buffer_.clear();
  restarts_.clear();
  since_restart_ = 0;
  last_key_.clear();
}

size_t BlockBuilder::SizeEstimate() const { return buffer_.size() + (restarts_.size() + 1) * 4; }

}  // namespace kvfs::engine
