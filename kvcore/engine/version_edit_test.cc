#include "kvcore/engine/version_edit.h"

#include <gtest/gtest.h>

#include <set>

#include "kvcore/engine/internal_key.h"
#include "kvcore/env/sim/sim_random.h"

namespace kvfs::engine {
namespace {

Bytes Key(const Bytes& user_key, uint64_t sequence) {
  Bytes key;
  AppendInternalKey(user_key, sequence, EntryType::kValue, &key);
  return key;
}

VersionEdit FullEdit() {
  VersionEdit edit;
  edit.next_file_number = 1000;
  edit.log_number = 0;
  edit.last_sequence = kMaxSequence;
  edit.deleted_tables = {{0, 7}, {6, 1u << 30}};
  edit.added_tables.push_back({1,
                               {.number = 12,
                                .file_bytes = 4096,
                                .entries = 10,
                                .deletes = 3,
                                .longest_dead_run = 2,
                                .hidden_bytes = 70'000,
                                .smallest_sequence = 4,
                                .largest_sequence = 99,
                                .smallest = Key("", 4),
                                .largest = Key(Bytes("\xff\0", 2), 99)}});
  edit.blob_files = {{.logical = 5, .physical = 9, .file_bytes = 100, .record_bytes = 60},
                     {.logical = 6, .physical = 6}};
  edit.removed_blob_files = {3, 4};
  BlobChange& change = edit.blob_changes[5];
  for (const uint32_t ordinal : {0u, 1u, 2u, 70u, 500u, 501u}) {
    change.added.Insert(ordinal);
  }
  change.added_bytes = 1234;
  change.removed.Insert(9);
  change.removed_bytes = 77;
  return edit;
}

TEST(VersionEditTest, ComesBackAsItWas) {
  for (const VersionEdit& edit : {VersionEdit{}, FullEdit()}) {
    Bytes encoded;
    edit.Encode(&encoded);
    const auto decoded = VersionEdit::Decode(encoded);
    ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
    EXPECT_EQ(*decoded, edit);
  }
}

TEST(VersionEditTest, EveryTruncationIsRefusedOrAShorterEdit) {
  Bytes encoded;
  FullEdit().Encode(&encoded);
  for (size_t size = 0; size < encoded.size(); ++size) {
    const auto decoded = VersionEdit::Decode(ByteView(encoded).substr(0, size));
    if (decoded.ok()) {
      EXPECT_NE(*decoded, FullEdit());
    } else {
      EXPECT_EQ(decoded.error().code(), Code::kCorruption);
    }
  }
}

TEST(VersionEditTest, RandomBytesDoNoHarm) {
  env::sim::SimRandom random(1);
  Bytes valid;
  FullEdit().Encode(&valid);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = valid;
    for (uint64_t n = 1 + env::sim::Uniform(random, 4); n > 0; --n) {
      bytes[env::sim::Uniform(random, bytes.size())] = static_cast<char>(random.Next());
    }
    const auto decoded = VersionEdit::Decode(bytes);
    if (decoded.ok()) {
      Bytes again;
      decoded->Encode(&again);
      const auto twice = VersionEdit::Decode(again);
      ASSERT_TRUE(twice.ok());
      EXPECT_EQ(*twice, *decoded);
    }
  }
}

TEST(OrdinalSetTest, IsASet) {
  env::sim::SimRandom random(2);
  OrdinalSet set;
  std::set<uint32_t> model;
  for (int i = 0; i < 5000; ++i) {
    const auto ordinal = static_cast<uint32_t>(env::sim::Uniform(random, 700));
    if (env::sim::Uniform(random, 3) == 0) {
      EXPECT_EQ(set.Erase(ordinal), model.erase(ordinal) == 1);
    } else {
      EXPECT_EQ(set.Insert(ordinal), model.insert(ordinal).second);
    }
    ASSERT_EQ(set.Count(), model.size());
    ASSERT_EQ(set.Contains(ordinal), model.contains(ordinal));
  }
  EXPECT_EQ(set.Ordinals(), std::vector<uint32_t>(model.begin(), model.end()));
  Bytes encoded;
  set.Encode(&encoded);
  encoded += "rest";
  ByteView in = encoded;
  OrdinalSet decoded;
  ASSERT_TRUE(decoded.Decode(&in));
  EXPECT_EQ(in, "rest");
  EXPECT_EQ(decoded, set);
  decoded.Insert(100'000);
  EXPECT_FALSE(decoded == set);
  decoded.Erase(100'000);
  EXPECT_EQ(decoded, set);
}

TEST(OrdinalSetTest, RunsOutOfOrderOrRangeAreRefused) {
  const auto decodes = [](const Bytes& bytes) {
    ByteView in = bytes;
    OrdinalSet set;
    return set.Decode(&in);
  };
  EXPECT_TRUE(decodes(Bytes("\x00", 1)));
  EXPECT_TRUE(decodes("\x01\x05\x02"));
  EXPECT_FALSE(decodes(""));
  EXPECT_FALSE(decodes(Bytes("\x01\x05\x00", 3)));              // an empty run
  EXPECT_FALSE(decodes(Bytes("\x02\x05\x02\x00\x01", 5)));      // two runs that touch
  EXPECT_FALSE(decodes("\x01\xff\xff\xff\x7f\x01"));            // past the bound
  EXPECT_FALSE(decodes(Bytes("\x01\x00\xff\xff\xff\x7f", 6)));  // longer than the bound
}

TEST(TableMeta, SaysWhatThePropertiesSay) {
  const TableProperties properties{.entries = 90,
                                   .deletes = 40,
                                   .longest_dead_run = 30,
                                   .smallest_sequence = 5,
                                   .largest_sequence = 700,
                                   .smallest = SeekKey("a", 5),
                                   .largest = SeekKey("b", 6)};
  const TableMeta meta = MakeTableMeta(12, 4096, 77, properties);
  EXPECT_EQ(meta.number, 12u);
  EXPECT_EQ(meta.file_bytes, 4096u);
  EXPECT_EQ(meta.hidden_bytes, 77u);
  EXPECT_EQ(meta.entries, 90u);
  EXPECT_EQ(meta.deletes, 40u);
  EXPECT_EQ(meta.longest_dead_run, 30u);
  EXPECT_EQ(meta.smallest_sequence, 5u);
  EXPECT_EQ(meta.largest_sequence, 700u);
  EXPECT_EQ(meta.smallest, SeekKey("a", 5));
  EXPECT_EQ(meta.largest, SeekKey("b", 6));
}

}  // namespace
}  // namespace kvfs::engine
