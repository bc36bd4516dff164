#include <gtest/gtest.h>

#include <random>

#include "kvcore/base/coding.h"
#include "kvcore/engine/log_reader.h"
#include "kvcore/engine/log_writer.h"
#include "tests/support/bytes_file.h"

namespace kvfs::engine {
namespace {

using test::BytesReadFile;
using test::BytesWriteFile;

struct Record {
  Bytes payload;
  uint64_t offset = 0;
  uint64_t end = 0;
};

struct Outcome {
  std::vector<Record> records;
  Status status;
  uint64_t end = 0;
  uint64_t synced_up_to = 0;
  bool torn = false;
};

Outcome ReadAll(const Bytes& file, uint64_t log_number) {
  LogReader reader(std::make_unique<BytesReadFile>(file), "000007.log", log_number);
  Outcome outcome;
  while (true) {
    Record record;
    auto more = reader.ReadRecord(&record.payload, &record.offset);
    if (!more.ok()) {
      outcome.status = more.error();
      break;
    }
    if (!*more) {
      break;
    }
    record.end = reader.EndOffset();
    outcome.records.push_back(std::move(record));
  }
  outcome.end = reader.EndOffset();
  outcome.synced_up_to = reader.SyncedUpTo();
  outcome.torn = reader.Torn();
  return outcome;
}

// A log being written into a string.
class TestLog {
 public:
  explicit TestLog(uint64_t log_number = 7, Bytes before = {})
      : bytes(std::move(before)), writer(std::make_unique<BytesWriteFile>(&bytes), log_number) {}

  void Add(const Bytes& payload) {
    const uint64_t offset = writer.Offset();
    auto end = writer.AddRecord(payload);
    ASSERT_TRUE(end.ok());
    records.push_back({payload, offset, *end});
  }

  Bytes bytes;
  LogWriter writer;
  std::vector<Record> records;
};

void ExpectRecords(const Outcome& outcome, const std::vector<Record>& expected) {
  ASSERT_EQ(outcome.records.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(outcome.records[i].payload, expected[i].payload) << i;
    EXPECT_EQ(outcome.records[i].end, expected[i].end) << i;
    EXPECT_GE(outcome.records[i].offset, expected[i].offset) << i;  // padding may come before it
    EXPECT_LT(outcome.records[i].offset, expected[i].end) << i;
  }
}

TEST(Log, AnEmptyFileIsAnEmptyLog) {
  for (const Bytes& file : {Bytes(), Bytes(100, '\0'), Bytes(size_t{3} * kLogBlockBytes, '\0')}) {
    const Outcome outcome = ReadAll(file, 7);
    EXPECT_TRUE(outcome.status.ok());
    EXPECT_TRUE(outcome.records.empty());
    EXPECT_FALSE(outcome.torn);
    EXPECT_EQ(outcome.end, 0u);
  }
}

TEST(Log, RecordsOfEverySizeRoundTrip) {
  TestLog log;
  std::mt19937_64 random(3);
  log.Add("");
  log.Add("small");
  log.Add(Bytes(kLogBlockBytes - kLogHeaderBytes, 'b'));
  log.Add(Bytes(5 * kLogBlockBytes + 17, 'l'));
  for (int i = 0; i < 300; ++i) {
    log.Add(Bytes(random() % 2000, static_cast<char>(i)));
  }
  log.writer.MarkSynced(log.writer.Offset());
  log.Add("last");
  const Outcome outcome = ReadAll(log.bytes, 7);
  EXPECT_TRUE(outcome.status.ok());
  ExpectRecords(outcome, log.records);
  EXPECT_EQ(outcome.end, log.writer.Offset());
  EXPECT_EQ(outcome.synced_up_to, log.records[log.records.size() - 2].end);
  EXPECT_FALSE(outcome.torn);
}

TEST(Log, EveryDistanceFromTheBlockEnd) {
  for (uint32_t left = 0; left <= 2 * kLogHeaderBytes; ++left) {
    TestLog log;
    log.Add(Bytes(kLogBlockBytes - kLogHeaderBytes - left, 'x'));
    ASSERT_EQ(log.writer.Offset(), kLogBlockBytes - left);
    log.Add("second");
    log.Add("");
    log.Add("fourth");
    const Outcome outcome = ReadAll(log.bytes, 7);
    EXPECT_TRUE(outcome.status.ok()) << left;
    ExpectRecords(outcome, log.records);
    EXPECT_FALSE(outcome.torn) << left;
  }
}

TEST(Log, OneRecordIsOneWriteAndPartsAreJoined) {
  Bytes bytes;
  auto file = std::make_unique<BytesWriteFile>(&bytes);
  BytesWriteFile* raw = file.get();
  LogWriter writer(std::move(file), 7);
  const Bytes big(100'000, 'x');
  const ByteView parts[] = {"head", "", big, "tail"};
  auto end = writer.AddRecord(parts);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(raw->writes, 1);
  EXPECT_EQ(*end, bytes.size());
  EXPECT_LE(*end, LogWriter::MaxRecordBytes(big.size() + 8));
  const Outcome outcome = ReadAll(bytes, 7);
  ASSERT_EQ(outcome.records.size(), 1u);
  EXPECT_EQ(outcome.records[0].payload, "head" + big + "tail");
}

TEST(Log, ARecycledFileEndsWhereTheNewLogDoes) {
  TestLog old(6);
  for (int i = 0; i < 200; ++i) {
    old.Add("old record " + std::to_string(i));
    old.writer.MarkSynced(old.writer.Offset());
  }
  // Some new records end exactly where an old one begins.
  for (const int count : {0, 1, 5, 150}) {
    TestLog log(7, old.bytes);
    for (int i = 0; i < count; ++i) {
      log.Add("new record " + std::to_string(i));
    }
    const Outcome outcome = ReadAll(log.bytes, 7);
    EXPECT_TRUE(outcome.status.ok());
    EXPECT_FALSE(outcome.torn);
    ExpectRecords(outcome, log.records);
  }
}

TEST(Log, AFailedWriteIsOverwrittenByTheNextRecord) {
  Bytes bytes;
  auto file = std::make_unique<BytesWriteFile>(&bytes);
  BytesWriteFile* raw = file.get();
  LogWriter writer(std::move(file), 7);
  ASSERT_TRUE(writer.AddRecord(ByteView("one")).ok());
  raw->fail_next = true;
  EXPECT_EQ(writer.AddRecord(ByteView("lost")).status().code(), Code::kIoError);
  ASSERT_TRUE(writer.AddRecord(ByteView("two")).ok());
  const Outcome outcome = ReadAll(bytes, 7);
  ASSERT_EQ(outcome.records.size(), 2u);
  EXPECT_EQ(outcome.records[1].payload, "two");
}

TEST(Log, ZerosAreWrittenAheadWhileSomebodySyncs) {
  Bytes bytes;
  constexpr uint64_t kStep = 4096;
  LogWriter writer(std::make_unique<BytesWriteFile>(&bytes), 7, 0, kStep);
  const Bytes payload(100, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(writer.AddRecord(payload).ok());
  }
  EXPECT_EQ(writer.FileBytes(), writer.Offset());
  EXPECT_EQ(bytes.size(), writer.Offset());

  // A sync: from now on each crossing of a step takes zeros with it, as long as syncs go on.
  writer.MarkSynced(writer.Offset());
  ASSERT_TRUE(writer.AddRecord(payload).ok());
  const uint64_t ahead = writer.FileBytes();
  EXPECT_EQ(ahead % kStep, 0u);
  EXPECT_GE(ahead, writer.Offset());
  EXPECT_EQ(bytes.size(), ahead);
  while (writer.FileBytes() == ahead) {
    ASSERT_TRUE(writer.AddRecord(payload).ok());
    writer.MarkSynced(writer.Offset());
  }
  EXPECT_EQ(writer.FileBytes(), ahead + kStep);
  const Outcome outcome = ReadAll(bytes, 7);
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.end, writer.Offset());
}

TEST(Log, AFullLogRefuses) {
  Bytes bytes;
  LogWriter writer(std::make_unique<BytesWriteFile>(&bytes), 7);
  // A view that claims 4 GiB must be refused before it is touched.
  const char byte = 'x';
  const ByteView huge(&byte, kMaxLogBytes);
  EXPECT_EQ(writer.AddRecord(huge).status().code(), Code::kNoSpace);
  EXPECT_EQ(writer.Offset(), 0u);
}

TEST(Log, EveryTruncationIsATornTail) {
  TestLog log;
  for (int i = 0; i < 30; ++i) {
    log.Add(Bytes(static_cast<size_t>(i * 3), static_cast<char>('a' + i)));
  }
  for (size_t size = 0; size <= log.bytes.size(); ++size) {
    for (const bool zeros : {false, true}) {
      Bytes cut = log.bytes.substr(0, size);
      if (zeros) {
        cut.resize(log.bytes.size());
      }
      const Outcome outcome = ReadAll(cut, 7);
      ASSERT_TRUE(outcome.status.ok());
      size_t whole = 0;
      while (whole < log.records.size() && log.records[whole].end <= size) {
        ++whole;
      }
      // A record that ends in zeros is whole without them.
      ASSERT_GE(outcome.records.size(), whole);
      for (size_t i = 0; i < outcome.records.size(); ++i) {
        ASSERT_EQ(outcome.records[i].payload, log.records[i].payload);
      }
    }
  }
}

// Every single flipped bit: records before it are read; what was promised durable and is damaged is
// corruption, named; damage behind the promise ends the log. Never a record that was not written.
TEST(Log, EveryFlippedBitIsFound) {
  TestLog log;
  for (int i = 0; i < 12; ++i) {
    log.Add(Bytes(static_cast<size_t>(i * 5 + 1), static_cast<char>('a' + i)));
  }
  log.writer.MarkSynced(log.writer.Offset());
  const uint64_t promised = log.writer.Offset();
  for (int i = 0; i < 6; ++i) {
    log.Add(Bytes(static_cast<size_t>(i * 5 + 1), static_cast<char>('A' + i)));
  }
  const uint64_t first_carrier_end = log.records[12].end;
  for (size_t at = 0; at < log.bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = log.bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const Outcome outcome = ReadAll(damaged, 7);
      size_t before = 0;
      while (log.records[before].end <= at) {
        ++before;
      }
      ASSERT_EQ(outcome.records.size(), before) << at << " bit " << bit;
      for (size_t i = 0; i < before; ++i) {
        ASSERT_EQ(outcome.records[i].payload, log.records[i].payload);
      }
      if (at < promised) {
        ASSERT_EQ(outcome.status.code(), Code::kCorruption) << at;
        ASSERT_NE(outcome.status.message().find("000007.log at " +
                                                std::to_string(log.records[before].offset)),
                  Bytes::npos)
            << outcome.status.message();
      } else {
        ASSERT_TRUE(outcome.status.ok()) << at;
        ASSERT_EQ(outcome.torn, at < log.records[16].end) << at;
        ASSERT_EQ(outcome.synced_up_to, at < first_carrier_end ? 0u : promised);
      }
    }
  }
}

TEST(Log, DamageInAWholeBlockIsFoundThroughLaterBlocks) {
  TestLog log;
  for (int i = 0; i < 20; ++i) {
    log.Add(Bytes(kLogBlockBytes / 2, static_cast<char>('a' + i)));
  }
  const uint64_t middle = log.writer.Offset();
  Bytes torn = log.bytes;
  log.writer.MarkSynced(middle);
  log.Add("carries the promise");
  Bytes damaged = log.bytes;
  std::fill_n(damaged.begin() + kLogBlockBytes, 3 * kLogBlockBytes, '\0');
  Outcome outcome = ReadAll(damaged, 7);
  EXPECT_EQ(outcome.status.code(), Code::kCorruption);
  EXPECT_LT(outcome.records.size(), 20u);

  // The same damage, with nothing promised, is a torn tail.
  std::fill_n(torn.begin() + kLogBlockBytes, 3 * kLogBlockBytes, '\0');
  outcome = ReadAll(torn, 7);
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_TRUE(outcome.torn);
  EXPECT_FALSE(outcome.records.empty());
}

// A file kept in the store may itself hold fragments of a log with the same number. They are not
// at their own offset, so they prove nothing.
TEST(Log, FragmentsWithinPayloadsProveNothing) {
  TestLog inner;
  inner.Add("x");
  inner.writer.MarkSynced(inner.writer.Offset());
  inner.Add("promise");
  for (size_t shift = 0; shift < 3; ++shift) {
    TestLog log;
    log.Add(Bytes(shift, '.') + inner.bytes);
    Bytes damaged = log.bytes;
    damaged[5] ^= 1;  // the length of the outer fragment
    const Outcome outcome = ReadAll(damaged, 7);
    EXPECT_TRUE(outcome.status.ok());
    EXPECT_TRUE(outcome.records.empty());
  }
}

TEST(Log, RandomBytesNeverCrashAndNeverReadAsRecords) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 300; ++round) {
    Bytes file(random() % (size_t{3} * kLogBlockBytes), '\0');
    for (char& c : file) {
      c = static_cast<char>(random() % 9);  // many log numbers and types that look right
    }
    const Outcome outcome = ReadAll(file, 0x01010101u * (random() % 9));
    EXPECT_TRUE(outcome.records.empty());
  }
}

}  // namespace
}  // namespace kvfs::engine
