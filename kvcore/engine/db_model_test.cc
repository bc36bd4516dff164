// Random operations against a std::map, under random options: whatever the options, the
// answers are the same.
#include <gtest/gtest.h>

#include "kvcore/engine/db_test_support.h"

namespace kvfs::engine::testing {
namespace {

class DbModelTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  struct Held {
    std::unique_ptr<Snapshot> snapshot;
    Contents contents;
  };

  void Open() {
    auto opened = Db::Open(options_, machine_.env(), kDirectory);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    db_ = std::move(*opened);
  }

  void Reopen() {
    held_.clear();
    db_.reset();
    machine_.files->Crash(machine_.random, env::sim::CrashMode::kProcessDeath);
    machine_.Boot();
    options_ = RandomOptions(&machine_);
    Open();
  }

  Bytes RandomKey() {
    Bytes key = "k" + std::to_string(machine_.Below(keys_));
    if (key.back() == '7') {
      key += Bytes(machine_.Below(30), 'x');
    }
    return key;
  }

  uint64_t RandomSize() {
    switch (machine_.Below(8)) {
      case 0:
        return 0;
      case 1:
        return machine_.Below(100'000);
      case 2:
        return machine_.Below(5000);
      default:
        return machine_.Below(100);
    }
  }

  void WriteSomething() {
    WriteBatch batch;
    Contents after = model_;
    for (uint64_t i = 0, n = 1 + machine_.Below(4); i < n; ++i) {
      const Bytes key = RandomKey();
      if (machine_.OneIn(3)) {
        const auto pointer = db_->GetBlobPointer(key);
        // The pointer is of the state before the batch; only then does the key hold it.
        const bool same = after.contains(key) && model_.contains(key) && after[key] == model_[key];
        if (pointer.ok() && same && machine_.OneIn(2)) {
          batch.DeleteBlob(key, *pointer);
        } else {
          batch.Delete(key);
        }
        after.erase(key);
        continue;
      }
      Bytes value = RandomValue(&machine_, RandomSize());
      if (machine_.OneIn(3)) {
        const auto pointer = db_->PutBlob(value);
        ASSERT_TRUE(pointer.ok()) << pointer.error().ToString();
        if (machine_.OneIn(5)) {
          if (machine_.OneIn(2)) {
            db_->ForgetBlob(*pointer);
          }
          continue;  // never referred to
        }
        batch.PutBlob(key, *pointer);
      } else {
        batch.Put(key, value);
      }
      after[key] = std::move(value);
    }
    const auto position = db_->Write(batch);
    ASSERT_TRUE(position.ok()) << position.error().ToString();
    model_ = std::move(after);
    if (machine_.OneIn(10)) {
      const Status synced = machine_.scheduler->Run(db_->Sync(*position));
      ASSERT_TRUE(synced.ok()) << synced.ToString();
    }
  }

  void CheckGet() {
    const Bytes key = RandomKey();
    ReadOptions read;
    const Contents* expected = &model_;
    if (!held_.empty() && machine_.OneIn(2)) {
      const Held& held = held_[machine_.Below(held_.size())];
      read.snapshot = held.snapshot.get();
      expected = &held.contents;
    }
    const auto it = expected->find(key);
    const auto value = db_->Get(key, read);
    if (it == expected->end()) {
      ASSERT_FALSE(value.ok());
      ASSERT_EQ(value.error().code(), Code::kNotFound) << value.error().ToString();
      return;
    }
    ASSERT_TRUE(value.ok()) << key << ": " << value.error().ToString();
    ASSERT_EQ(*value, it->second);
    const uint64_t offset = machine_.Below(it->second.size() + 2);
    const uint64_t size = machine_.Below(40'000);
    const auto range = db_->GetRange(key, offset, size, read);
    ASSERT_TRUE(range.ok()) << range.error().ToString();
    ASSERT_EQ(*range, offset >= it->second.size() ? Bytes() : it->second.substr(offset, size));
  }

  // A walk of random moves, beside the same walk over the model.
  void CheckIterator() {
    ReadOptions read;
    Contents expected = model_;
    if (!held_.empty() && machine_.OneIn(2)) {
      const Held& held = held_[machine_.Below(held_.size())];
      read.snapshot = held.snapshot.get();
      expected = held.contents;
    }
    if (machine_.OneIn(2)) {
      read.lower_bound = RandomKey();
      expected.erase(expected.begin(), expected.lower_bound(read.lower_bound));
    }
    if (machine_.OneIn(2)) {
      read.upper_bound = RandomKey();
      expected.erase(expected.lower_bound(read.upper_bound), expected.end());
    }
    const auto it = db_->NewIterator(read);
    auto at = expected.end();
    for (int i = 0; i < 30; ++i) {
      const Bytes target = RandomKey();
      switch (machine_.Below(at == expected.end() ? 4 : 10)) {
        case 0:
          it->SeekToFirst();
          at = expected.begin();
          break;
        case 1:
          it->SeekToLast();
          at = expected.empty() ? expected.end() : std::prev(expected.end());
          break;
        case 2:
          it->Seek(target);
          at = expected.lower_bound(target);
          break;
        case 3:
          it->SeekForPrev(target);
          at = expected.upper_bound(target);
          at = at == expected.begin() ? expected.end() : std::prev(at);
          break;
        case 4:
        case 5:
        case 6:
          it->Next();
          ++at;
          break;
        default:
          it->Prev();
          at = at == expected.begin() ? expected.end() : std::prev(at);
          break;
      }
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
      ASSERT_EQ(it->Valid(), at != expected.end()) << "after " << i << " moves";
      if (it->Valid()) {
        ASSERT_EQ(it->key(), at->first);
        ASSERT_EQ(it->value(), at->second);
      }
    }
  }

  void CheckAll() {
    Contents actual;
    ASSERT_TRUE(ReadAll(db_.get(), {}, &actual));
    ASSERT_TRUE(Same(model_, actual));
    const Status verified = machine_.scheduler->Run(db_->Verify());
    ASSERT_TRUE(verified.ok()) << verified.ToString();
  }

  void CheckCheckpoint() {
    const std::string copy = "/copy" + std::to_string(++copies_);
    const Status made = machine_.scheduler->Run(db_->Checkpoint(copy));
    ASSERT_TRUE(made.ok()) << made.ToString();
    auto opened = Db::Open(options_, machine_.env(), copy);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    Contents actual;
    ASSERT_TRUE(ReadAll(opened->get(), {}, &actual));
    ASSERT_TRUE(Same(model_, actual));
    const Status verified = machine_.scheduler->Run((*opened)->Verify());
    ASSERT_TRUE(verified.ok()) << verified.ToString();
  }

  void Step() {
    switch (machine_.Below(100)) {
      case 0:
        Reopen();
        break;
      case 1:
        CheckAll();
        break;
      case 2:
        if (machine_.OneIn(3)) {
          const Status compacted = machine_.scheduler->Run(db_->CompactAll());
          ASSERT_TRUE(compacted.ok()) << compacted.ToString();
        }
        break;
      case 3:
        if (machine_.OneIn(4)) {
          CheckCheckpoint();
        }
        break;
      case 4:
      case 5:
        held_.push_back({db_->GetSnapshot(), model_});
        break;
      case 6:
      case 7:
        if (!held_.empty()) {
          held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(machine_.Below(held_.size())));
        }
        break;
      case 8:
        machine_.scheduler->RunFor(static_cast<int64_t>(machine_.Below(3'000'000)));
        break;
      case 9:
        machine_.scheduler->RunUntilIdle();
        break;
      case 10:
      case 11:
        machine_.RunSome(machine_.Below(20));  // background work is left half done
        break;
      case 12:
      case 13:
      case 14:
        CheckIterator();
        break;
      default:
        if (machine_.OneIn(3)) {
          CheckGet();
        } else {
          WriteSomething();
        }
        break;
    }
  }

  Machine machine_{GetParam()};
  uint64_t keys_ = machine_.OneIn(2) ? 40 : 400;
  Options options_ = RandomOptions(&machine_);
  std::unique_ptr<Db> db_;
  Contents model_;
  std::vector<Held> held_;
  int copies_ = 0;
};

TEST_P(DbModelTest, AnswersAsTheModelDoes) {
  Open();
  for (int i = 0; i < 1500 && !HasFatalFailure(); ++i) {
    Step();
  }
  if (!HasFatalFailure()) {
    CheckAll();
  }
  held_.clear();
  db_.reset();
}

INSTANTIATE_TEST_SUITE_P(Seeds, DbModelTest, testing::Seeds(12));

}  // namespace
}  // namespace kvfs::engine::testing
