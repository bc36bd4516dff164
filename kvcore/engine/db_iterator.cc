#include "kvcore/engine/db_iterator.h"

#include <cassert>

#include "kvcore/engine/internal_key.h"
#include "kvcore/engine/key_buffer.h"

namespace kvfs::engine {

namespace {

// Forward: input_ stands on the entry that is shown. Backward: on the entry before all
// entries of the key that is shown, which is in key_, stored_ and type_.
class DbIterator final : public Iterator {
 public:
  DbIterator(std::unique_ptr<InternalIterator> input, std::shared_ptr<const ReadView> view,
             uint64_t sequence, BlobFileCache* blob_files, const ReadOptions& options)
      : view_(std::move(view)),
        input_(std::move(input)),
        sequence_(sequence),
        blob_files_(blob_files),
        lower_(options.lower_bound),
        upper_(options.upper_bound) {}

  bool Valid() const override { return valid_; }

  void SeekToFirst() override {
    if (lower_.empty()) {
      StartForward();
      input_->SeekToFirst();
      FindForward(false);
    } else {
      Seek(lower_);
    }
  }

  void SeekToLast() override {
    StartBackward();
    if (upper_.empty()) {
      input_->SeekToLast();
    } else {
      SeekBefore(upper_);
    }
    FindBackward();
  }

  void Seek(ByteView target) override {
    StartForward();
    input_->Seek(
        SeekKey(!lower_.empty() && target < lower_ ? ByteView(lower_) : target, sequence_));
    FindForward(false);
  }

  void SeekForPrev(ByteView target) override {
    StartBackward();
    if (!upper_.empty() && target >= upper_) {
      SeekBefore(upper_);
    } else {
      // The last of all possible entries of the key.
      Bytes last;
      AppendInternalKey(target, 0, EntryType::kDelete, &last);
      input_->SeekForPrev(last);
    }
    FindBackward();
  }

  void Next() override {
    assert(valid_ || !status_.ok());
    if (!valid_) {
      return;  // the value could not be read
    }
    if (!forward_) {
      forward_ = true;
      // Before the first entry of key_: step to the entries after it.
      input_->Seek(SeekKey(key_, kMaxSequence));
    } else {
      key_.Assign(UserKey(input_->key()));
      input_->Next();  // it was shown
    }
    FindForward(true);
  }

  void Prev() override {
    assert(valid_ || !status_.ok());
    if (!valid_) {
      return;
    }
    if (forward_) {
      forward_ = false;
      key_.Assign(UserKey(input_->key()));
      SeekBefore(key_);
    }
    FindBackward();
  }

  ByteView key() const override {
    assert(valid_ || !status_.ok());
    return forward_ ? UserKey(input_->key()) : key_.view();
  }

  ByteView value() const override {
    assert(valid_ || !status_.ok());
    const ByteView stored = forward_ ? input_->value() : ByteView(stored_);
    const EntryType type = forward_ ? TypeOf(input_->key()) : type_;
    if (type != EntryType::kBlobPointer) {
      return stored;
    }
    if (!blob_read_) {
      ReadBlob(stored);
    }
    return blob_;
  }

  Status status() const override { return status_.ok() ? input_->status() : status_; }

 private:
  void StartForward() {
    forward_ = true;
    Reset();
  }
  void StartBackward() {
    forward_ = false;
    Reset();
  }
  void Reset() {
    valid_ = false;
    status_ = Status::Ok();
    blob_read_ = false;
  }

  // The last entry of any key before `user_key`.
  void SeekBefore(ByteView user_key) {
    input_->Seek(SeekKey(user_key, kMaxSequence));
    if (input_->Valid()) {
      input_->Prev();
    } else if (input_->status().ok()) {
      input_->SeekToLast();
    }
  }

  // To the first entry to be shown at or after input_'s place; with `skipping`, past key_.
  void FindForward(bool skipping) {
    blob_read_ = false;
    valid_ = false;
    for (; input_->Valid(); input_->Next()) {
      const ByteView internal = input_->key();
      const ByteView user_key = UserKey(internal);
      if (!upper_.empty() && user_key >= upper_) {
        return;
      }
      if (Sequence(internal) > sequence_ || (skipping && SameBytes(user_key, key_))) {
        continue;
      }
      if (TypeOf(internal) == EntryType::kDelete) {
        key_.Assign(user_key);
        skipping = true;
        continue;
      }
      valid_ = true;
      return;
    }
  }

  // input_ stands on the last entry of some key, or is done: shows the newest visible entry of
  // it, or of a key before it.
  void FindBackward() {
    blob_read_ = false;
    valid_ = false;
    bool found = false;
    for (; input_->Valid(); input_->Prev()) {
      const ByteView internal = input_->key();
      const ByteView user_key = UserKey(internal);
      if (found && !SameBytes(user_key, key_)) {
        if (type_ != EntryType::kDelete) {
          break;
        }
        found = false;
      }
      if (!lower_.empty() && user_key < lower_) {
        break;
      }
      if (Sequence(internal) > sequence_) {
        continue;
      }
      // Backwards an entry is older than the next one of its key: the last visible one counts.
      found = true;
      key_.Assign(user_key);
      stored_.assign(input_->value());
      type_ = TypeOf(internal);
    }
    valid_ = found && type_ != EntryType::kDelete && input_->status().ok();
  }

  void ReadBlob(ByteView stored) const {
    blob_read_ = true;
    BlobPointer pointer;
    Status read = DecodeBlobPointer(&stored, &pointer)
                      ? view_->version->ReadBlob(blob_files_, pointer, &blob_)
                      : Status::Corruption("bad blob pointer under key " + ToHex(key()));
    if (!read.ok()) {
      blob_.clear();
      status_ = std::move(read);
      valid_ = false;
    }
  }

  const std::shared_ptr<const ReadView> view_;
  const std::unique_ptr<InternalIterator> input_;
  const uint64_t sequence_;
  BlobFileCache* const blob_files_;
  const Bytes lower_;
  const Bytes upper_;
  bool forward_ = true;
  KeyBuffer key_;
  Bytes stored_;
  EntryType type_ = EntryType::kDelete;
  // value() reads the blob when first asked, and may find it damaged.
  mutable bool valid_ = false;
  mutable Status status_;
  mutable bool blob_read_ = false;
  mutable Bytes blob_;
};

class FailedIterator final : public Iterator {
 public:
  explicit FailedIterator(Status status) : status_(std::move(status)) {}

  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(ByteView) override {}
  void SeekForPrev(ByteView) override {}
  void Next() override { assert(false); }
  void Prev() override { assert(false); }
  ByteView key() const override { return {}; }
  ByteView value() const override { return {}; }
  Status status() const override { return status_; }

 private:
  const Status status_;
};

}  // namespace

std::unique_ptr<Iterator> NewDbIterator(std::unique_ptr<InternalIterator> input,
                                        std::shared_ptr<const ReadView> view, uint64_t sequence,
                                        BlobFileCache* blob_files, const ReadOptions& options) {
  return std::make_unique<DbIterator>(std::move(input), std::move(view), sequence, blob_files,
                                      options);
}

std::unique_ptr<Iterator> NewFailedIterator(Status status) {
  return std::make_unique<FailedIterator>(std::move(status));
}

}  // namespace kvfs::engine
