#include "kvcore/engine/merging_iterator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kvcore/engine/internal_key.h"
#include "kvcore/engine/memtable.h"

namespace kvfs::engine {
namespace {

Bytes Key(ByteView user_key, uint64_t sequence) {
  Bytes key;
  AppendInternalKey(user_key, sequence, EntryType::kValue, &key);
  return key;
}

// Walks a sorted vector; after `fail_at` moves, fails.
class VectorIterator final : public InternalIterator {
 public:
  explicit VectorIterator(std::vector<Bytes> keys, int fail_at = -1)
      : keys_(std::move(keys)), moves_left_(fail_at) {}

  void SeekToFirst() override { Go(0); }
  void SeekToLast() override { Go(Size() - 1); }
  void Seek(ByteView key) override {
    Go(std::lower_bound(keys_.begin(), keys_.end(), key, InternalKeyLess()) - keys_.begin());
  }
  void SeekForPrev(ByteView key) override {
    Go(std::upper_bound(keys_.begin(), keys_.end(), key, InternalKeyLess()) - keys_.begin() - 1);
  }
  void Next() override { Go(at_ + 1); }
  void Prev() override { Go(at_ - 1); }
  Status status() const override { return status_; }

 private:
  ptrdiff_t Size() const { return static_cast<ptrdiff_t>(keys_.size()); }
  void Go(ptrdiff_t at) {
    at_ = at;
    if (moves_left_ >= 0 && moves_left_-- == 0) {
      status_ = Status::IoError("made to fail");
    }
    if (at_ >= 0 && at_ < Size() && status_.ok()) {
      Show(keys_[static_cast<size_t>(at_)], keys_[static_cast<size_t>(at_)]);
    } else {
      ShowNothing();
    }
  }

  std::vector<Bytes> keys_;
  ptrdiff_t at_ = -1;
  int moves_left_;
  Status status_;
};

class MergingIteratorTest : public ::testing::TestWithParam<int> {};

TEST_P(MergingIteratorTest, IsTheSortedUnionUnderAnyWalk) {
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()));
  const size_t children_count = random() % 6 + (GetParam() == 0 ? 0 : 1);
  std::vector<std::vector<Bytes>> parts(children_count);
  std::vector<Bytes> all;
  if (children_count > 0) {
    for (uint64_t sequence = 1; sequence < 200; ++sequence) {
      const Bytes key = Key(std::to_string(random() % 50), sequence);
      parts[random() % children_count].push_back(key);
      all.push_back(key);
      if (random() % 20 == 0) {  // a key in two children
        parts[random() % children_count].push_back(key);
        all.push_back(key);
      }
    }
  }
  std::sort(all.begin(), all.end(), InternalKeyLess());
  std::vector<std::unique_ptr<InternalIterator>> children;
  for (auto& part : parts) {
    std::sort(part.begin(), part.end(), InternalKeyLess());
    children.push_back(std::make_unique<VectorIterator>(part));
  }
  auto it = NewMergingIterator(std::move(children));
  EXPECT_FALSE(it->Valid());

  ptrdiff_t at = -1;
  const auto size = static_cast<ptrdiff_t>(all.size());
  for (int step = 0; step < 5000; ++step) {
    const bool valid = at >= 0 && at < size;
    const Bytes target = Key(std::to_string(random() % 55), random() % 210);
    switch (random() % (valid ? 12 : 4)) {
      case 0:
        it->SeekToFirst();
        at = 0;
        break;
      case 1:
        it->SeekToLast();
        at = size - 1;
        break;
      case 2:
        it->Seek(target);
        at = std::lower_bound(all.begin(), all.end(), target, InternalKeyLess()) - all.begin();
        break;
      case 3:
        it->SeekForPrev(target);
        at = std::upper_bound(all.begin(), all.end(), target, InternalKeyLess()) - all.begin() - 1;
        break;
      case 4:
      case 5:
      case 6:
      case 7:
        it->Next();
        ++at;
        break;
      default:
        it->Prev();
        --at;
        break;
    }
    ASSERT_EQ(it->Valid(), at >= 0 && at < size) << "step " << step;
    if (it->Valid()) {
      ASSERT_EQ(it->key(), all[static_cast<size_t>(at)]) << "step " << step;
      ASSERT_EQ(it->value(), it->key());
    }
    ASSERT_TRUE(it->status().ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MergingIteratorTest, ::testing::Range(0, 20));

TEST(MergingIterator, AnErrorInAChildEndsTheWalk) {
  std::vector<std::unique_ptr<InternalIterator>> children;
  children.push_back(
      std::make_unique<VectorIterator>(std::vector<Bytes>{Key("a", 1), Key("c", 2)}));
  children.push_back(std::make_unique<VectorIterator>(
      std::vector<Bytes>{Key("b", 3), Key("d", 4), Key("e", 5)}, /*fail_at=*/1));
  auto it = NewMergingIterator(std::move(children));
  it->SeekToFirst();
  EXPECT_EQ(UserKey(it->key()), "a");
  it->Next();
  EXPECT_EQ(UserKey(it->key()), "b");
  it->Next();
  EXPECT_FALSE(it->Valid());
  EXPECT_EQ(it->status().code(), Code::kIoError);
}

TEST(MergingIterator, AnErrorAtSeekShows) {
  std::vector<std::unique_ptr<InternalIterator>> children;
  children.push_back(std::make_unique<VectorIterator>(std::vector<Bytes>{Key("a", 1)}));
  children.push_back(NewEmptyIterator(Status::Corruption("damaged")));
  auto it = NewMergingIterator(std::move(children));
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  EXPECT_EQ(it->status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace kvfs::engine
