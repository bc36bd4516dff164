#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "kvcore/engine/blob_file.h"
#include "kvcore/engine/blob_writer.h"
#include "tests/support/bytes_file.h"

namespace kvfs::engine {
namespace {

using test::BytesReadFile;
using test::BytesWriteFile;

constexpr BlobFileId kId{5, 12, 0x123456789abcdefu};

Bytes Noise(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  Bytes bytes(size, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random());
  }
  return bytes;
}

// Half compressible: runs and noise by turns, so that sub-blocks of both kinds occur.
Bytes Mixed(uint64_t seed, size_t size) {
  Bytes bytes = Noise(seed, size);
  for (size_t at = 0; at < size; at += 100'000) {
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), std::min<size_t>(50'000, size - at),
                'r');
  }
  return bytes;
}

struct Written {
  Bytes bytes;
  std::vector<Bytes> values;
  std::vector<BlobPointer> pointers;
};

Written Write(const std::vector<Bytes>& values, bool finish, const BlobFileId& id = kId) {
  Written written;
  auto writer =
      std::move(*BlobFileWriter::Create(std::make_unique<BytesWriteFile>(&written.bytes), id));
  for (const Bytes& value : values) {
    auto pointer = writer->Put(value);
    EXPECT_TRUE(pointer.ok());
    written.pointers.push_back(*pointer);
  }
  written.values = values;
  if (finish) {
    EXPECT_TRUE(writer->Finish().ok());
  }
  EXPECT_EQ(writer->Size(), written.bytes.size());
  return written;
}

Result<std::shared_ptr<const BlobFile>> Open(const Bytes& bytes, uint64_t physical = 12) {
  return BlobFile::Open(std::make_unique<BytesReadFile>(bytes), "000012.blob", physical);
}

std::vector<Bytes> SampleValues() {
  return {Bytes(),
          Bytes("small"),
          Bytes(kSubBlockBytes, 'x'),
          Noise(1, kSubBlockBytes + 1),
          Mixed(2, 300'000),
          Bytes(1u << 20, '\0')};
}

TEST(BlobFile, ValuesRoundTripFinishedOrNot) {
  for (const bool finish : {true, false}) {
    const Written written = Write(SampleValues(), finish);
    auto file = Open(written.bytes);
    ASSERT_TRUE(file.ok()) << file.error().ToString();
    EXPECT_EQ((*file)->Finished(), finish);
    EXPECT_EQ((*file)->id(), kId);
    EXPECT_EQ((*file)->index().Count(), written.values.size());
    EXPECT_TRUE((*file)->VerifyAll(finish).ok());
    EXPECT_EQ((*file)->VerifyAll(true).ok(), finish);
    for (size_t i = 0; i < written.values.size(); ++i) {
      const BlobPointer& pointer = written.pointers[i];
      EXPECT_EQ(pointer.file, kId.logical);
      EXPECT_EQ(pointer.ordinal, i);
      EXPECT_EQ(pointer.raw_size, written.values[i].size());
      auto value = (*file)->Read(pointer);
      ASSERT_TRUE(value.ok()) << value.error().ToString();
      EXPECT_EQ(*value, written.values[i]);
      EXPECT_TRUE((*file)->Verify(pointer).ok());
    }
  }
}

TEST(BlobFile, CompressesWhatCompresses) {
  const Written written = Write({Bytes(1u << 20, 'x'), Noise(1, 1u << 20)}, true);
  EXPECT_LT(written.pointers[0].stored_size, 100'000u);
  EXPECT_GE(written.pointers[1].stored_size, 1u << 20);
  EXPECT_LT(written.pointers[1].stored_size, (1u << 20) + 500);
}

TEST(BlobFile, RangesReadTheirPart) {
  const std::vector<Bytes> values = {Mixed(3, 500'000), Noise(4, 40'000), Bytes("tiny")};
  const Written written = Write(values, true);
  const auto file = *Open(written.bytes);
  std::mt19937_64 random(7);
  for (size_t i = 0; i < values.size(); ++i) {
    for (int round = 0; round < 500; ++round) {
      const uint64_t offset = random() % (values[i].size() + 10);
      const uint64_t size = random() % (round % 2 == 0 ? 5000 : values[i].size() + 10);
      auto part = file->ReadRange(written.pointers[i], offset, size);
      ASSERT_TRUE(part.ok()) << part.error().ToString();
      const Bytes expected = offset >= values[i].size() ? Bytes() : values[i].substr(offset, size);
      ASSERT_EQ(*part, expected) << offset << " " << size;
    }
    EXPECT_EQ(*file->ReadRange(written.pointers[i], 0, UINT64_MAX), values[i]);
    EXPECT_EQ(*file->ReadRange(written.pointers[i], UINT64_MAX, UINT64_MAX), "");
  }
}

// Counts reads, and their bytes, of the file behind it.
class CountingFile final : public env::RandomAccessFile {
 public:
  CountingFile(Bytes bytes, int* reads, uint64_t* read_bytes)
      : file_(std::move(bytes)), reads_(reads), read_bytes_(read_bytes) {}
  Status ReadAt(uint64_t offset, size_t size, Bytes* out) const override {
    ++*reads_;
    *read_bytes_ += size;
    return file_.ReadAt(offset, size, out);
  }
  Result<size_t> ReadInto(uint64_t offset, size_t size, char* out) const override {
    ++*reads_;
    *read_bytes_ += size;
    return file_.ReadInto(offset, size, out);
  }
  Result<uint64_t> Size() const override { return file_.Size(); }

 private:
  const BytesReadFile file_;
  int* const reads_;
  uint64_t* const read_bytes_;
};

TEST(BlobFile, ASmallRangeIsAtMostTwoSmallReads) {
  const Written written = Write({Noise(5, 4u << 20)}, true);
  int reads = 0;
  uint64_t read_bytes = 0;
  const auto file = *BlobFile::Open(
      std::make_unique<CountingFile>(written.bytes, &reads, &read_bytes), "000012.blob", 12);
  for (const uint64_t offset : {0u, 40'000u, 1u << 20, (4u << 20) - 4096}) {
    reads = 0;
    read_bytes = 0;
    ASSERT_TRUE(file->ReadRange(written.pointers[0], offset, 4096).ok());
    EXPECT_LE(reads, 2);
    EXPECT_LE(read_bytes, 100'000u);
  }
}

TEST(BlobFile, ReadableWhileItGrowsAndAfterItIsFinished) {
  Bytes bytes;
  auto writer = std::move(*BlobFileWriter::Create(std::make_unique<BytesWriteFile>(&bytes), kId));
  const auto first = *writer->Put(Mixed(1, 100'000));
  const auto file = BlobFile::OpenGrowing(std::make_unique<BytesReadFile>(bytes), "000012.blob",
                                          kId, writer->index());
  EXPECT_EQ(*file->Read(first), Mixed(1, 100'000));
  EXPECT_EQ(file->Read({kId.logical, 1, 10, 60}).status().code(), Code::kCorruption);
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(*file->Read(first), Mixed(1, 100'000));
}

TEST(BlobFile, ThreadsPutAtOnce) {
  // One file whose bytes are guarded here; the writer itself must only give out disjoint places.
  class LockedFile final : public env::WritableFile {
   public:
    explicit LockedFile(Bytes* bytes) : file_(bytes) {}
    Status WriteAt(uint64_t offset, ByteView data) override {
      const std::lock_guard lock(mutex_);
      return file_.WriteAt(offset, data);
    }
    Status Sync() override { return {}; }
    void StartWriteback(uint64_t, uint64_t) override {}
    Status Reserve(uint64_t) override { return {}; }
    Status Truncate(uint64_t) override { return {}; }
    Status Close() override { return {}; }

   private:
    std::mutex mutex_;
    BytesWriteFile file_;
  };
  Bytes bytes;
  auto writer = std::move(*BlobFileWriter::Create(std::make_unique<LockedFile>(&bytes), kId));
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 50;
  std::vector<std::vector<BlobPointer>> pointers(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < kEach; ++i) {
        auto pointer = writer->Put(Bytes(1000 + i, static_cast<char>('a' + t)));
        ASSERT_TRUE(pointer.ok());
        pointers[t].push_back(*pointer);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const bool finish : {false, true}) {
    if (finish) {
      ASSERT_TRUE(writer->Finish().ok());
    }
    const auto file = *Open(bytes);
    EXPECT_EQ(file->index().Count(), kThreads * kEach);
    for (size_t t = 0; t < kThreads; ++t) {
      for (size_t i = 0; i < kEach; ++i) {
        EXPECT_EQ(*file->Read(pointers[t][i]), Bytes(1000 + i, static_cast<char>('a' + t)));
      }
    }
  }
}

TEST(BlobFile, AFailedPutLeavesAHoleThatIsPassedOver) {
  Bytes bytes;
  auto sink = std::make_unique<BytesWriteFile>(&bytes);
  BytesWriteFile* raw = sink.get();
  auto writer = std::move(*BlobFileWriter::Create(std::move(sink), kId));
  const auto before = *writer->Put("before");
  raw->fail_next = true;
  EXPECT_EQ(writer->Put(Noise(1, 50'000)).status().code(), Code::kIoError);
  const auto after = *writer->Put("after");
  EXPECT_EQ(after.ordinal, 2u);
  for (const bool finish : {false, true}) {
    if (finish) {
      ASSERT_TRUE(writer->Finish().ok());
    }
    const auto file = *Open(bytes);
    EXPECT_EQ(file->Finished(), finish);
    EXPECT_EQ(file->index().Count(), 2u);
    EXPECT_EQ(*file->Read(before), "before");
    EXPECT_EQ(*file->Read(after), "after");
  }
}

TEST(BlobFile, ARewrittenFileKeepsOrdinalsAndPointers) {
  const std::vector<Bytes> values = SampleValues();
  const Written old = Write(values, true);
  const auto old_file = *Open(old.bytes);
  const BlobFileId id{kId.logical, 20, 999};
  Bytes bytes;
  auto writer = std::move(*BlobFileWriter::Create(std::make_unique<BytesWriteFile>(&bytes), id));
  for (const uint32_t ordinal : {1u, 3u, 4u}) {
    ASSERT_TRUE(writer->CopyRecord(ordinal, *old_file->ReadRecord(ordinal)).ok());
  }
  for (const bool finish : {false, true}) {
    if (finish) {
      ASSERT_TRUE(writer->Finish().ok());
    }
    const auto file = *Open(bytes, 20);
    EXPECT_EQ(file->index().Count(), 3u);
    EXPECT_TRUE(file->VerifyAll(finish).ok());
    for (uint32_t ordinal = 0; ordinal < values.size(); ++ordinal) {
      const auto value = file->Read(old.pointers[ordinal]);
      if (ordinal == 1 || ordinal == 3 || ordinal == 4) {
        EXPECT_EQ(*value, values[ordinal]);
      } else {
        EXPECT_EQ(value.status().code(), Code::kCorruption);
      }
    }
  }
}

TEST(BlobFile, AWrongPointerIsCorruption) {
  const Written written = Write({Noise(1, 100'000), Noise(2, 100'000)}, true);
  const auto file = *Open(written.bytes);
  BlobPointer pointer = written.pointers[0];
  pointer.ordinal = 7;
  EXPECT_EQ(file->Read(pointer).status().code(), Code::kCorruption);
  pointer = written.pointers[0];
  pointer.stored_size += 1;
  EXPECT_EQ(file->Read(pointer).status().code(), Code::kCorruption);
  for (const int change : {-1, 1, 40'000, -40'000}) {
    pointer = written.pointers[0];
    pointer.raw_size += static_cast<uint32_t>(change);
    EXPECT_EQ(file->Read(pointer).status().code(), Code::kCorruption);
    EXPECT_EQ(file->ReadRange(pointer, 50'000, 10).status().code(), Code::kCorruption);
    EXPECT_EQ(file->Verify(pointer).code(), Code::kCorruption);
  }
  EXPECT_EQ(Open(written.bytes, 13).status().code(), Code::kCorruption);  // another name
}

// A value that holds whole blob files of the same logical number must not be mistaken for records.
TEST(BlobFile, ValuesThatLookLikeRecordsAreNotTaken) {
  const BlobFileId other{kId.logical, kId.physical, kId.salt + 1};
  Bytes fake = Write({Noise(9, 1000), Noise(10, 1000)}, true, other).bytes;
  Bytes bytes;
  auto sink = std::make_unique<BytesWriteFile>(&bytes);
  auto writer = std::move(*BlobFileWriter::Create(std::move(sink), kId));
  ASSERT_TRUE(writer->Put(Noise(1, 100)).ok());
  ASSERT_TRUE(writer->Put(fake).ok());
  bytes[kBlobFileHeaderBytes + 8] ^= 1;  // the first head is damaged: the scan must search
  const auto file = *Open(bytes);
  EXPECT_FALSE(file->Finished());
  EXPECT_EQ(file->index().Count(), 1u);
}

// Reads everything a file offers. An error is returned; a wrong byte fails the test.
Status ReadEverything(const Written& written, const Bytes& bytes) {
  auto opened = Open(bytes);
  KVFS_RETURN_IF_ERROR(opened.status());
  Status result = (*opened)->VerifyAll(true);
  for (size_t i = 0; i < written.values.size(); ++i) {
    const auto value = (*opened)->Read(written.pointers[i]);
    if (value.ok()) {
      EXPECT_EQ(*value, written.values[i]);
    } else if (result.ok()) {
      result = value.error();
    }
    const uint64_t half = written.values[i].size() / 2;
    const auto part = (*opened)->ReadRange(written.pointers[i], half, 10);
    if (part.ok()) {
      EXPECT_EQ(*part, written.values[i].substr(half, 10));
    }
  }
  return result;
}

TEST(BlobFile, EveryFlippedBitIsFoundAndNamed) {
  const Written written = Write({Bytes("abc"), Bytes(200, 'z'), Noise(3, 100), Bytes()}, true);
  ASSERT_TRUE(ReadEverything(written, written.bytes).ok());
  for (size_t at = 0; at < written.bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = written.bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const Status status = ReadEverything(written, damaged);
      ASSERT_EQ(status.code(), Code::kCorruption) << at << " bit " << bit;
      ASSERT_NE(status.message().find("000012.blob at "), Bytes::npos) << status.message();
    }
  }
}

TEST(BlobFile, TruncatedFilesGiveTheWholeRecords) {
  const Written written = Write({Bytes("abc"), Bytes(200, 'z'), Noise(3, 100), Bytes()}, true);
  uint64_t end = kBlobFileHeaderBytes;
  std::vector<uint64_t> ends;
  for (const BlobPointer& pointer : written.pointers) {
    ends.push_back(end += pointer.stored_size);
  }
  for (size_t size = 0; size < written.bytes.size(); ++size) {
    const auto file = Open(written.bytes.substr(0, size));
    if (size < kBlobFileHeaderBytes) {
      ASSERT_EQ(file.status().code(), Code::kCorruption);
      continue;
    }
    ASSERT_TRUE(file.ok()) << size;
    EXPECT_FALSE((*file)->Finished());
    for (size_t i = 0; i < written.values.size(); ++i) {
      const auto value = (*file)->Read(written.pointers[i]);
      ASSERT_EQ(value.ok(), ends[i] <= size) << size << " " << i;
      if (value.ok()) {
        EXPECT_EQ(*value, written.values[i]);
      }
    }
  }
}

TEST(BlobIndex, TakesOrdinalsInAnyOrderOnce) {
  BlobIndex index;
  for (const uint32_t ordinal : {0u, 2u, 1u, 9u, 5u}) {
    EXPECT_TRUE(index.Insert({ordinal, 10, ordinal * uint64_t{100}}));
  }
  EXPECT_FALSE(index.Insert({2, 10, 7}));
  EXPECT_EQ(index.Find(2)->offset, 200u);
  EXPECT_EQ(index.Find(9)->offset, 900u);
  EXPECT_FALSE(index.Find(3).has_value());
  EXPECT_FALSE(index.Find(10).has_value());
  Bytes encoded;
  index.Encode(&encoded);
  BlobIndex copy;
  ASSERT_TRUE(copy.Decode(encoded));
  EXPECT_EQ(copy.Entries(), index.Entries());
  EXPECT_FALSE(copy.Decode(encoded.substr(1)));
  std::swap_ranges(encoded.begin(), encoded.begin() + 16, encoded.begin() + 16);
  EXPECT_FALSE(copy.Decode(encoded));
}

}  // namespace
}  // namespace kvfs::engine
