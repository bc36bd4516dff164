#include "kvcore/engine/block_reader.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {
namespace {

constexpr uint32_t kLineBytes = 64;
constexpr uint32_t kPrefetchBytes = 512;

struct EntryHead {
  uint32_t shared = 0;
  uint32_t unshared = 0;
  uint32_t value_size = 0;
};

// Decodes the head of an entry and checks that key suffix and value lie within `in`, which then
// begins with the suffix.
bool ParseHead(ByteView* in, EntryHead* head) {
  if (in->size() < 3) {
    return false;
  }
  const auto* p = reinterpret_cast<const unsigned char*>(in->data());
  if ((p[0] | p[1] | p[2]) < 0x80) {  // nearly always: three varints of one byte
    *head = {p[0], p[1], p[2]};
    in->remove_prefix(3);
  } else if (!GetVarint32(in, &head->shared) || !GetVarint32(in, &head->unshared) ||
             !GetVarint32(in, &head->value_size)) {
    return false;
  }
  return uint64_t{head->unshared} + head->value_size <= in->size();
}

}  // namespace

Status BlockOrigin::Damage(const char* what) const {
  return Status::Corruption((name != nullptr ? *name : std::string("block")) + " at " +
                            std::to_string(offset) + ": " + what);
}

void BlockIterator::Clear() {
  contents_.reset();
  restarts_ = restart_count_ = current_ = next_ = restart_index_ = 0;
  ShowNothing();
  status_ = Status();
}

void BlockIterator::Reset(std::shared_ptr<const Bytes> contents, BlockOrigin origin) {
  Clear();
  contents_ = std::move(contents);
  origin_ = std::move(origin);
  const size_t size = contents_->size();
  if (size < 4 || size > UINT32_MAX) {
    Fail("block has no restart points");
    return;
  }
  const uint32_t count = DecodeFixed32(contents_->data() + size - 4);
  if (count == 0 || count > (size - 4) / 4) {
    Fail("bad count of restart points");
    return;
  }
  restart_count_ = count;
  restarts_ = static_cast<uint32_t>(size - 4 - size_t{4} * count);
}

void BlockIterator::Fail(const char* what) {
  ShowNothing();
  restart_count_ = 0;
  restarts_ = next_ = current_ = 0;
  status_ = origin_.Damage(what);
}

uint32_t BlockIterator::RestartOffset(uint32_t index) const {
  assert(index < restart_count_);
  return DecodeFixed32(contents_->data() + restarts_ + size_t{4} * index);
}

void BlockIterator::GoToRestart(uint32_t index) {
  restart_index_ = index;
  entry_key_.Clear();
  next_ = RestartOffset(index);
}

bool BlockIterator::ParseNext() {
  if (restart_count_ == 0 || next_ == restarts_) {
    ShowNothing();
    return false;
  }
  if (next_ > restarts_) {
    Fail("bad restart point");
    return false;
  }
  ByteView in = ByteView(*contents_).substr(next_, restarts_ - next_);
  EntryHead head;
  if (!ParseHead(&in, &head) || head.shared > entry_key_.size()) {
    Fail("bad entry in block");
    return false;
  }
  __builtin_prefetch(contents_->data() + std::min(next_ + kPrefetchBytes, restarts_));
  entry_key_.Extend(head.shared, in.substr(0, head.unshared));
  if (!IsInternalKey(entry_key_)) {
    Fail("bad key in block");
    return false;
  }
  const ByteView value = in.substr(head.unshared, head.value_size);
  current_ = next_;
  next_ = static_cast<uint32_t>(value.data() + value.size() - contents_->data());
  while (restart_index_ + 1 < restart_count_ && RestartOffset(restart_index_ + 1) <= current_) {
    ++restart_index_;
  }
  Show(entry_key_, value);
  return true;
}

bool BlockIterator::KeyAtRestart(uint32_t index, ByteView* key) {
  const uint32_t offset = RestartOffset(index);
  ByteView in = ByteView(*contents_).substr(0, restarts_);
  EntryHead head;
  if (offset >= in.size()) {
    Fail("bad restart point");
    return false;
  }
  in.remove_prefix(offset);
  if (!ParseHead(&in, &head) || head.shared != 0) {
    Fail("bad entry at restart point");
    return false;
  }
  *key = in.substr(0, head.unshared);
  if (!IsInternalKey(*key)) {
    Fail("bad key in block");
    return false;
  }
  return true;
}

void BlockIterator::SeekToFirst() {
  if (restart_count_ > 0) {
    GoToRestart(0);
    ParseNext();
  }
}

void BlockIterator::SeekToLast() {
  if (restart_count_ > 0) {
    GoToRestart(restart_count_ - 1);
    while (ParseNext() && next_ < restarts_) {
    }
  }
}

void BlockIterator::Seek(ByteView target) {
  if (restart_count_ == 0) {
    return;
  }
  // The last restart point before the target.
  uint32_t low = 0;
  uint32_t high = restart_count_ - 1;
  while (low < high) {
    const uint32_t middle = low + (high - low + 1) / 2;
    ByteView whole;
    if (!KeyAtRestart(middle, &whole)) {
      return;
    }
    if (CompareInternalKeys(whole, target) < 0) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  GoToRestart(low);
  // What is walked over next, all at once: one line after the other would be waited for.
  for (uint32_t ahead = kLineBytes; ahead < kPrefetchBytes; ahead += kLineBytes) {
    __builtin_prefetch(contents_->data() + std::min(next_ + ahead, restarts_));
  }
  while (ParseNext() && CompareInternalKeys(key(), target) < 0) {
  }
}

void BlockIterator::SeekForPrev(ByteView target) {
  Seek(target);
  if (!status_.ok()) {
    return;
  }
  if (!Valid()) {
    SeekToLast();
  }
  while (Valid() && CompareInternalKeys(key(), target) > 0) {
    Prev();
  }
}

void BlockIterator::Next() {
  assert(Valid());
  ParseNext();
}

void BlockIterator::Prev() {
  assert(Valid());
  // Again from the restart point before the current entry, up to the one that ends here.
  const uint32_t original = current_;
  while (RestartOffset(restart_index_) >= original) {
    if (restart_index_ == 0) {
      ShowNothing();  // before the first entry
      next_ = restarts_;
      return;
    }
    --restart_index_;
  }
  GoToRestart(restart_index_);
  while (ParseNext() && next_ < original) {
  }
}

}  // namespace kvfs::engine
