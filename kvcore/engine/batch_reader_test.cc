#include "kvcore/engine/batch_reader.h"

#include <gtest/gtest.h>

#include "kvcore/base/coding.h"
#include "kvcore/engine/write_batch.h"

namespace kvfs::engine {
namespace {

constexpr BlobPointer kPointer{300, 70000, 1u << 20, (1u << 20) - 5};

WriteBatch Sample() {
  WriteBatch batch;
  batch.Put("key", "value");
  batch.Delete("gone");
  batch.PutBlob("blob", kPointer);
  batch.DeleteBlob("old", kPointer);
  batch.Put("", "");
  return batch;
}

TEST(BatchReader, ReadsWhatWasWritten) {
  const WriteBatch batch = Sample();
  EXPECT_EQ(batch.Count(), 5u);
  EXPECT_EQ(batch.ByteSize(), batch.Encoded().size());
  BatchReader reader(batch.Encoded());
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.entry().type, EntryType::kValue);
  EXPECT_EQ(reader.entry().key, "key");
  EXPECT_EQ(reader.entry().value, "value");
  EXPECT_FALSE(reader.entry().has_pointer);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.entry().type, EntryType::kDelete);
  EXPECT_EQ(reader.entry().key, "gone");
  EXPECT_EQ(reader.entry().value, "");
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.entry().type, EntryType::kBlobPointer);
  EXPECT_EQ(reader.entry().pointer, kPointer);
  ByteView stored = reader.entry().value;
  BlobPointer decoded;
  EXPECT_TRUE(DecodeBlobPointer(&stored, &decoded));
  EXPECT_TRUE(stored.empty());
  EXPECT_EQ(decoded, kPointer);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.entry().type, EntryType::kDelete);
  EXPECT_TRUE(reader.entry().has_pointer);
  EXPECT_EQ(reader.entry().pointer, kPointer);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.entry().key, "");
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.status().ok());
}

TEST(WriteBatch, KnowsWhenItOnlyDeletes) {
  WriteBatch batch;
  EXPECT_TRUE(batch.OnlyDeletes());
  batch.Delete("a");
  batch.DeleteBlob("b", kPointer);
  EXPECT_TRUE(batch.OnlyDeletes());
  EXPECT_TRUE(batch.MayUseReserve());
  batch.Put("c", "");
  EXPECT_FALSE(batch.OnlyDeletes());
  EXPECT_FALSE(batch.MayUseReserve());
  batch.AllowReserve();
  EXPECT_TRUE(batch.MayUseReserve());
  batch.Clear();
  EXPECT_TRUE(batch.Empty());
  EXPECT_EQ(batch.ByteSize(), 0u);
  EXPECT_TRUE(batch.OnlyDeletes());
}

TEST(BatchReader, EveryTruncationIsToldOrEndsBetweenEntries) {
  const Bytes whole = Sample().Encoded();
  int clean = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut = whole.substr(0, size);  // its own allocation, so that an over-read shows
    BatchReader reader(cut);
    while (reader.Next()) {
    }
    clean += reader.status().ok() ? 1 : 0;
    EXPECT_TRUE(reader.status().ok() || reader.status().code() == Code::kCorruption);
  }
  EXPECT_EQ(clean, 5);  // after 0, 1, 2, 3 and 4 entries
}

TEST(LogPayload, RoundTrips) {
  const WriteBatch batch = Sample();
  Bytes record;
  EncodeLogPayloadHeader(123456789, batch.Count(), &record);
  record += batch.Encoded();
  LogPayload payload;
  ASSERT_TRUE(DecodeLogPayload(record, &payload).ok());
  EXPECT_EQ(payload.first_sequence, 123456789u);
  EXPECT_EQ(payload.count, 5u);
  EXPECT_EQ(payload.batch, batch.Encoded());
}

TEST(LogPayload, RefusesWhatIsNotOne) {
  const WriteBatch batch = Sample();
  LogPayload payload;
  EXPECT_EQ(DecodeLogPayload("", &payload).code(), Code::kCorruption);
  for (size_t size = 0;; ++size) {
    Bytes record;
    EncodeLogPayloadHeader(7, batch.Count(), &record);
    record += batch.Encoded();
    if (size == record.size()) {
      break;
    }
    EXPECT_EQ(DecodeLogPayload(record.substr(0, size), &payload).code(), Code::kCorruption);
  }
  Bytes wrong_count;
  EncodeLogPayloadHeader(7, batch.Count() + 1, &wrong_count);
  EXPECT_EQ(DecodeLogPayload(wrong_count + batch.Encoded(), &payload).code(), Code::kCorruption);
  Bytes huge_sequence;
  EncodeLogPayloadHeader(kMaxSequence, 5, &huge_sequence);
  EXPECT_EQ(DecodeLogPayload(huge_sequence + batch.Encoded(), &payload).code(), Code::kCorruption);
}

TEST(BatchReader, RefusesAKeyOverTheBound) {
  Bytes encoded(1, '\0');
  PutLengthPrefixed(&encoded, Bytes(kMaxUserKeyBytes + 1, 'k'));
  BatchReader reader(encoded);
  EXPECT_FALSE(reader.Next());
  EXPECT_EQ(reader.status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace kvfs::engine
