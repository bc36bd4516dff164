#include <gtest/gtest.h>

#include <map>
#include <random>

#include "kvcore/engine/blob_pointer.h"
#include "kvcore/engine/table_builder.h"
#include "kvcore/engine/table_reader.h"
#include "tests/support/bytes_file.h"

namespace kvfs::engine {
namespace {

using Model = std::map<Bytes, Bytes, InternalKeyLess>;

constexpr uint64_t kFile = 12;

Bytes Key(ByteView user_key, uint64_t sequence, EntryType type = EntryType::kValue) {
  Bytes key;
  AppendInternalKey(user_key, sequence, type, &key);
  return key;
}

Model RandomModel(uint64_t seed, size_t entries) {
  std::mt19937_64 random(seed);
  Model model;
  for (size_t i = 0; i < entries; ++i) {
    const auto type = static_cast<EntryType>(random() % 3);
    Bytes value;
    if (type == EntryType::kValue) {
      value = Bytes(random() % 60, static_cast<char>('a' + i % 26));
      if (random() % 4 == 0) {  // does not compress
        for (char& c : value) {
          c = static_cast<char>(random());
        }
      }
    } else if (type == EntryType::kBlobPointer) {
      EncodeBlobPointer({random() % 3 + 1, static_cast<uint32_t>(i), 100, 60}, &value);
    }
    model[Key("dir/" + std::to_string(random() % (entries + 1)) + "/name", i + 1, type)] = value;
  }
  return model;
}

struct Built {
  Bytes bytes;
  TableProperties properties;
};

Built Build(const Model& model, const Options& options) {
  Built built;
  test::BytesWriteFile file(&built.bytes);
  TableBuilder builder(options, kFile, &file);
  for (const auto& [key, value] : model) {
    EXPECT_TRUE(builder.Add(key, value).ok());
  }
  auto properties = builder.Finish();
  EXPECT_TRUE(properties.ok());
  built.properties = *properties;
  EXPECT_EQ(builder.FileSize(), built.bytes.size());
  EXPECT_EQ(builder.EntryCount(), model.size());
  return built;
}

Result<std::shared_ptr<const Table>> Open(const Bytes& bytes, BlockCache* cache,
                                          uint64_t number = kFile) {
  return Table::Open(std::make_unique<test::BytesReadFile>(bytes), "000012.sst", number, cache);
}

Options Small() {
  Options options;
  options.block_bytes = 128;
  options.block_restart_interval = 3;
  return options;
}

TEST(Table, HoldsWhatWasAdded) {
  for (const size_t entries : {1u, 2u, 50u, 2000u}) {
    for (const uint64_t cache_bytes : {uint64_t{0}, uint64_t{4} << 10, uint64_t{8} << 20}) {
      for (const uint32_t bits : {0u, 10u}) {
        Options options = Small();
        options.bloom_bits_per_key = bits;
        if (entries == 2000) {
          options = Options();
        }
        const Model model = RandomModel(entries, entries);
        const Built built = Build(model, options);
        BlockCache cache(cache_bytes, 1);
        auto opened = Open(built.bytes, &cache);
        ASSERT_TRUE(opened.ok()) << opened.error().ToString();
        const Table& table = **opened;
        EXPECT_EQ(table.properties(), built.properties);
        EXPECT_TRUE(table.Verify().ok()) << table.Verify().ToString();

        auto it = table.NewIterator();
        it->SeekToFirst();
        for (const auto& [key, value] : model) {
          ASSERT_TRUE(it->Valid());
          ASSERT_EQ(it->key(), key);
          ASSERT_EQ(it->value(), value);
          it->Next();
        }
        EXPECT_FALSE(it->Valid());
        it->SeekToLast();
        for (auto m = model.rbegin(); m != model.rend(); ++m) {
          ASSERT_TRUE(it->Valid());
          ASSERT_EQ(it->key(), m->first);
          ASSERT_EQ(it->value(), m->second);
          it->Prev();
        }
        EXPECT_FALSE(it->Valid());

        std::mt19937_64 random(entries);
        for (int i = 0; i < 1000; ++i) {
          Bytes user_key = "dir/" + std::to_string(random() % (entries + 5)) + "/name";
          if (random() % 4 == 0) {
            user_key.resize(random() % user_key.size());
          }
          const uint64_t sequence = random() % (entries + 2);
          const Bytes target = SeekKey(user_key, sequence);
          const auto at = model.lower_bound(target);
          it->Seek(target);
          ASSERT_EQ(it->Valid(), at != model.end());
          if (it->Valid()) {
            ASSERT_EQ(it->key(), at->first);
          }
          const auto after = model.upper_bound(target);
          it->SeekForPrev(target);
          ASSERT_EQ(it->Valid(), after != model.begin());
          if (it->Valid()) {
            ASSERT_EQ(it->key(), std::prev(after)->first);
          }
          const auto found = table.Get(user_key, sequence);
          ASSERT_TRUE(found.ok());
          const bool present = at != model.end() && UserKey(at->first) == user_key;
          ASSERT_EQ(found->has_value(), present);
          if (present) {
            ASSERT_EQ((*found)->value, at->second);
            ASSERT_EQ((*found)->type, TypeOf(at->first));
            ASSERT_EQ((*found)->sequence, Sequence(at->first));
          }
        }
        ASSERT_TRUE(it->status().ok());
        EXPECT_LE(cache.GetStats().bytes, cache_bytes);
      }
    }
  }
}

TEST(Table, PropertiesCountEntriesAndReferences) {
  Model model;
  Bytes pointer_a;
  EncodeBlobPointer({7, 0, 100, 60}, &pointer_a);
  Bytes pointer_b;
  EncodeBlobPointer({3, 9, 1000, 500}, &pointer_b);
  model[Key("a", 5)] = "value";
  model[Key("b", 9, EntryType::kDelete)] = "";
  model[Key("c", 2, EntryType::kBlobPointer)] = pointer_a;
  model[Key("d", 4, EntryType::kBlobPointer)] = pointer_b;
  model[Key("e", 6, EntryType::kBlobPointer)] = pointer_a;
  const TableProperties p = Build(model, Small()).properties;
  EXPECT_EQ(p.entries, 5u);
  EXPECT_EQ(p.deletes, 1u);
  EXPECT_EQ(p.blob_pointers, 3u);
  EXPECT_EQ(p.key_bytes, 5u);
  EXPECT_EQ(p.value_bytes, 5 + 2 * pointer_a.size() + pointer_b.size());
  EXPECT_EQ(p.smallest, Key("a", 5));
  EXPECT_EQ(p.largest, Key("e", 6, EntryType::kBlobPointer));
  EXPECT_EQ(p.smallest_sequence, 2u);
  EXPECT_EQ(p.largest_sequence, 9u);
  EXPECT_EQ(p.blobs, (std::vector<BlobReference>{{3, 1, 500}, {7, 2, 120}}));
}

TEST(Table, CompressesWhatCompresses) {
  Model text;
  Model noise;
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const Bytes key = Key(std::to_string(10000 + i), 1);
    text[key] = Bytes(100, 'x');
    Bytes value(100, '\0');
    for (char& c : value) {
      c = static_cast<char>(random());
    }
    noise[key] = value;
  }
  EXPECT_LT(Build(text, Options()).bytes.size(), 40'000u);
  const size_t size = Build(noise, Options()).bytes.size();
  EXPECT_GT(size, 100'000u);
  EXPECT_LT(size, 125'000u);
}

TEST(Table, TheFilterSparesReads) {
  Model model;
  for (int i = 0; i < 2000; ++i) {
    model[Key(std::to_string(i), 1)] = "v";
  }
  BlockCache cache(16u << 20, 1);
  const auto table = *Open(Build(model, Small()).bytes, &cache);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_FALSE((*table->Get("absent" + std::to_string(i), 9)).has_value());
  }
  EXPECT_LT(cache.GetStats().entries, 50u);  // filter, index, few data blocks
}

TEST(Table, IteratorsKeepItAliveAndNeedNoCache) {
  const Model model = RandomModel(3, 500);
  BlockCache cache(64u << 10, 1);
  auto table = *Open(Build(model, Small()).bytes, &cache);
  auto it = table->NewIterator(/*fill_cache=*/false);
  table.reset();
  size_t count = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    ++count;
  }
  EXPECT_EQ(count, model.size());
  EXPECT_LE(cache.GetStats().entries, 1u);  // the index
}

TEST(Table, AWalkFromBlockToBlockReadsAhead) {
  const Model model = RandomModel(8, 5000);
  const Built built = Build(model, Small());
  int reads = 0;
  BlockCache cache(64u << 10, 1);
  const auto table = *Table::Open(std::make_unique<test::BytesReadFile>(built.bytes, &reads),
                                  "000012.sst", kFile, &cache);
  const int opening = reads;
  auto it = table->NewIterator(/*fill_cache=*/false);
  it->SeekToFirst();
  for (const auto& [key, value] : model) {
    ASSERT_TRUE(it->Valid());
    ASSERT_EQ(it->key(), key);
    ASSERT_EQ(it->value(), value);
    it->Next();
  }
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
  EXPECT_LT(reads - opening, 20);  // of 5,000 entries in blocks of 128 bytes

  // Who jumps about reads single blocks, and finds the same.
  std::mt19937_64 random(8);
  for (int i = 0; i < 300; ++i) {
    auto at = model.lower_bound(Key("dir/" + std::to_string(random() % 5000), 1));
    if (at == model.end()) {
      continue;
    }
    it->Seek(at->first);
    for (int steps = 0; steps < 7 && at != model.end(); ++steps, ++at) {
      ASSERT_TRUE(it->Valid());
      ASSERT_EQ(it->key(), at->first);
      ASSERT_EQ(it->value(), at->second);
      it->Next();
    }
  }
}

// Reads everything a table offers; the first error.
Status ReadEverything(const Bytes& bytes, const Model& model, uint64_t number = kFile) {
  BlockCache cache(8u << 20, 1);
  auto opened = Open(bytes, &cache, number);
  KVFS_RETURN_IF_ERROR(opened.status());
  const Status verified = (*opened)->Verify();
  // Whatever Verify says, other ways in must not crash, and must not give wrong answers.
  auto it = (*opened)->NewIterator();
  size_t steps = 0;
  for (it->SeekToFirst(); it->Valid() && steps < 2 * model.size(); it->Next()) {
    ++steps;
    EXPECT_TRUE(model.contains(Bytes(it->key())));
  }
  it->Seek(model.begin()->first);
  it->SeekForPrev(model.rbegin()->first);
  for (const auto& [key, value] : model) {
    const auto found = (*opened)->Get(UserKey(key), Sequence(key));
    if (found.ok() && found->has_value()) {
      EXPECT_EQ((*found)->value, value);
    }
  }
  return verified;
}

TEST(Table, EveryFlippedBitIsFoundAndNamed) {
  const Model model = RandomModel(4, 40);
  const Bytes bytes = Build(model, Small()).bytes;
  ASSERT_TRUE(ReadEverything(bytes, model).ok());
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const Status status = ReadEverything(damaged, model);
      ASSERT_EQ(status.code(), Code::kCorruption) << at << " bit " << bit;
      ASSERT_NE(status.message().find("000012.sst at "), Bytes::npos) << status.message();
    }
  }
}

TEST(Table, EveryTruncationIsFound) {
  const Model model = RandomModel(5, 40);
  const Bytes bytes = Build(model, Small()).bytes;
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(ReadEverything(bytes.substr(0, size), model).code(), Code::kCorruption) << size;
  }
}

TEST(Table, AFileUnderAnotherNumberIsRefused) {
  const Model model = RandomModel(6, 40);
  EXPECT_EQ(ReadEverything(Build(model, Small()).bytes, model, kFile + 1).code(),
            Code::kCorruption);
}

TEST(Table, ABlockInAnotherPlaceDoesNotVerify) {
  const Bytes contents(100, 'x');
  for (const bool compress : {false, true}) {
    Bytes file(1000, '\0');
    Bytes sealed;
    const uint32_t size = SealBlock(contents, compress, kFile, 300, &sealed);
    EXPECT_EQ(size + kBlockTrailerBytes, sealed.size());
    EXPECT_EQ(size < contents.size(), compress);
    file.replace(300, sealed.size(), sealed);
    file.replace(600, sealed.size(), sealed);
    const test::BytesReadFile reader(file);
    auto right = ReadBlock(reader, "000012.sst", kFile, {300, size});
    ASSERT_TRUE(right.ok());
    EXPECT_EQ(*right, contents);
    const auto moved = ReadBlock(reader, "000012.sst", kFile, {600, size});
    EXPECT_EQ(moved.status().code(), Code::kCorruption);
    const auto other_file = ReadBlock(reader, "000013.sst", kFile + 1, {300, size});
    EXPECT_EQ(other_file.status().code(), Code::kCorruption);
  }
}

TEST(Table, AWriteErrorIsReported) {
  Bytes bytes;
  test::BytesWriteFile file(&bytes);
  file.fail_next = true;
  TableBuilder builder(Options(), kFile, &file);
  EXPECT_TRUE(builder.Add(Key("a", 1), "v").ok());
  EXPECT_EQ(builder.Finish().status().code(), Code::kIoError);
}

// Remembers what was read of the file behind it, and how much at once.
class RecordingFile final : public env::RandomAccessFile {
 public:
  using Reads = std::vector<std::pair<uint64_t, uint64_t>>;  // offset, size
  RecordingFile(Bytes bytes, Reads* reads) : file_(std::move(bytes)), reads_(reads) {}
  Status ReadAt(uint64_t offset, size_t size, Bytes* out) const override {
    reads_->emplace_back(offset, size);
    return file_.ReadAt(offset, size, out);
  }
  Result<size_t> ReadInto(uint64_t offset, size_t size, char* out) const override {
    reads_->emplace_back(offset, size);
    return file_.ReadInto(offset, size, out);
  }
  Result<uint64_t> Size() const override { return file_.Size(); }

 private:
  const test::BytesReadFile file_;
  Reads* const reads_;
};

// Lookups here and there: a region is read whole at its second miss, once.
TEST(Table, MissesNearEachOtherFetchWhatLiesAround) {
  constexpr uint64_t kRegion = MissRegions::kRegionBytes;
  Model model;
  std::mt19937_64 random(9);
  for (uint64_t i = 0; i < 600; ++i) {
    Bytes value(1000, '\0');
    for (char& c : value) {
      c = static_cast<char>(random());  // does not compress
    }
    model[Key("key " + std::to_string(1000 + i), 1)] = value;
  }
  const Bytes bytes = Build(model, Options()).bytes;
  ASSERT_GT(bytes.size(), 2 * kRegion);
  BlockCache cache(0);  // everything is a miss
  RecordingFile::Reads reads;
  const auto table =
      *Table::Open(std::make_unique<RecordingFile>(bytes, &reads), "000012.sst", kFile, &cache);
  // The regions read whole by these lookups.
  const auto regions_read = [&](std::initializer_list<uint64_t> numbers) {
    reads.clear();
    for (const uint64_t number : numbers) {
      const auto found = table->Get("key " + std::to_string(1000 + number), 5);
      EXPECT_TRUE(found.ok() && found->has_value());
    }
    std::vector<uint64_t> regions;
    for (const auto& [offset, size] : reads) {
      if (size == kRegion) {
        regions.push_back(offset / kRegion);
      }
    }
    return regions;
  };
  EXPECT_EQ(regions_read({0, 300}), std::vector<uint64_t>());
  EXPECT_EQ(regions_read({120}), std::vector<uint64_t>{0});
  EXPECT_EQ(regions_read({420}), std::vector<uint64_t>{1});
  EXPECT_EQ(regions_read({1, 2, 3, 4, 5, 6, 7, 8, 301, 302, 303, 304, 305, 306}),
            std::vector<uint64_t>());
}

}  // namespace
}  // namespace kvfs::engine
