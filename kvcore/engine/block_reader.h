// An iterator over one block (block_builder.h). It holds the block's contents
// alive. Contents may be damaged in any way: that ends the walk with kCorruption.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kvcore/base/bytes.h"
#include "kvcore/engine/internal_iterator.h"
#include "kvcore/engine/key_buffer.h"

namespace kvfs::engine {

// Where a block comes from, for messages: "000012.sst at 4096".
struct BlockOrigin {
  std::shared_ptr<const std::string> name;
  uint64_t offset = 0;

  Status Damage(const char* what) const;
};

class BlockIterator final : public InternalIterator {
 public:
  // Over nothing, until Reset.
  BlockIterator() = default;

  void Reset(std::shared_ptr<const Bytes> contents, BlockOrigin origin);
  void Clear();  // over nothing again; lets the contents go
  bool HasBlock() const { return contents_ != nullptr; }

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(ByteView internal_key) override;
  void SeekForPrev(ByteView internal_key) override;
  void Next() override;
  void Prev() override;
  Status status() const override { return status_; }

 private:
  void Fail(const char* what);
  uint32_t RestartOffset(uint32_t index) const;
  // Makes the entry at restart point `index` the next to be parsed.
  void GoToRestart(uint32_t index);
  // Parses the entry at next_; false at the end and at damage.
  bool ParseNext();
  // The whole key at a restart point; false at damage.
  bool KeyAtRestart(uint32_t index, ByteView* key);

  std::shared_ptr<const Bytes> contents_;
  BlockOrigin origin_;
  uint32_t restarts_ = 0;  // offset of the restart array
  uint32_t restart_count_ = 0;
  uint32_t current_ = 0;        // offset of the current entry
  uint32_t next_ = 0;           // offset of the one after it
  uint32_t restart_index_ = 0;  // the restart point at or before current_
  KeyBuffer entry_key_;         // of the current entry
  Status status_;
};

}  // namespace kvfs::engine
