// Two mounts of three simulated nodes, on machines of their own, while the network between them
// breaks: strong directories, and files that are being written when it is whole again.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "fs/meta/posix.h"
#include "fs/vfs/vfs.h"
#include "kvcore/node/sim_nodes_test_support.h"

namespace kvfs::fs {
namespace {

constexpr int64_t kSecond = 1'000'000;
const Bytes kConsistency = "user.kvfs.consistency";

class VfsPartitionTest : public ::testing::Test {
 protected:
  enum Side : size_t { kNear, kFar };  // far: with one node, and without a majority

  VfsPartitionTest() : nodes_(7) {
    client::ClusterClient* const clients[] = {nodes_.client(), nodes_.AnotherClient(1)};
    for (const Side side : {kNear, kFar}) {
      VfsOptions options;
      options.is_shared = true;
      options.orphan_grace_micros = 60 * kSecond;
      vfs_[side] =
          Vfs::Create(options, clients[side], nodes_.world().machine(nodes_.nodes() + side).env());
      EXPECT_TRUE(nodes_.Run(vfs_[side]->Start(who_)).ok());
    }
    Sleep(2 * kSecond);
  }
  ~VfsPartitionTest() override {
    for (auto& vfs : vfs_) {
      (void)nodes_.Run(vfs->Stop());
    }
  }

  void Sleep(int64_t micros) { nodes_.Run(env::SleepFor(&nodes_.world().scheduler(), micros)); }
  void Cut() { (void)nodes_.world().bus().Partition({3, nodes_.ClientId(1)}); }
  void Mend() { nodes_.world().bus().MendAll(); }
  int64_t Now() { return nodes_.world().scheduler().NowMicros(); }

  Ino Walk(Side side, const std::string& path) {
    Ino ino = kRootIno;
    for (size_t begin = 1; begin < path.size();) {
      const size_t end = std::min(path.find('/', begin), path.size());
      const auto found = nodes_.Run(vfs_[side]->Lookup(ino, path.substr(begin, end - begin)));
      if (!found.ok()) {
        return 0;
      }
      ino = found->attr.ino;
      begin = end + 1;
    }
    return ino;
  }
  // Of the root.
  std::set<std::string> Names(Side side) {
    std::set<std::string> names;
    const auto handle = nodes_.Run(vfs_[side]->OpenDirectory(kRootIno));
    EXPECT_TRUE(handle.ok());
    const Errno listed = nodes_.Run(vfs_[side]->ReadDirectory(
        kRootIno, *handle, 0, false, [&](const DirEntry& entry, const Attr*) {
          if (!entry.name.starts_with(".") && entry.name != "lost+found") {
            names.insert(entry.name);
          }
          return true;
        }));
    EXPECT_TRUE(listed.ok());
    (void)nodes_.Run(vfs_[side]->ReleaseDirectory(kRootIno, *handle));
    return names;
  }
  struct Open {
    Ino ino = 0;
    uint64_t handle = 0;
  };
  int Create(Side side, Ino parent, const std::string& name, Open* open) {
    const auto created =
        nodes_.Run(vfs_[side]->CreateFile(parent, name, 0644, O_RDWR | O_TRUNC, who_));
    if (!created.ok()) {
      return created.error().value();
    }
    *open = {created->attr.ino, created->open.handle};
    return 0;
  }
  void Write(Side side, const Open& open, uint64_t offset, const Bytes& data) {
    EXPECT_TRUE(nodes_.Run(vfs_[side]->Write(open.ino, open.handle, offset, data)).ok());
  }
  void Publish(Side side, const Open& open) {
    EXPECT_TRUE(nodes_.Run(vfs_[side]->Flush(open.ino, open.handle)).ok());
  }
  void Close(Side side, const Open& open) {
    Publish(side, open);
    EXPECT_TRUE(nodes_.Run(vfs_[side]->Release(open.ino, open.handle)).ok());
  }
  int WriteFile(Side side, Ino parent, const std::string& name, const Bytes& content) {
    Open open;
    const int error = Create(side, parent, name, &open);
    if (error == 0) {
      Write(side, open, 0, content);
      Close(side, open);
    }
    return error;
  }
  Bytes ReadFile(Side side, const std::string& path) {
    const Ino ino = Walk(side, path);
    const auto open = nodes_.Run(vfs_[side]->Open(ino, O_RDONLY));
    if (!open.ok()) {
      return "E" + std::to_string(open.error().value());
    }
    const auto pieces = nodes_.Run(vfs_[side]->Read(ino, open->handle, 0, 1 << 20));
    Bytes bytes;
    for (const ReadPiece& piece : pieces.ok() ? *pieces : ReadPieces()) {
      bytes += piece.buffer == nullptr ? Bytes(piece.size, '\0')
                                       : piece.buffer->substr(piece.offset, piece.size);
    }
    (void)nodes_.Run(vfs_[side]->Release(ino, open->handle));
    return bytes;
  }
  Bytes Consistency(Side side, const std::string& path) {
    const auto value = nodes_.Run(vfs_[side]->GetXattr(Walk(side, path), kConsistency));
    return value.ok() ? *value : "E" + std::to_string(value.error().value());
  }
  int SetConsistency(Side side, Ino ino, const Bytes& value) {
    return nodes_.Run(vfs_[side]->SetXattr(ino, kConsistency, value, 0, false)).value();
  }
  // What files of both sides hold, and how often.
  std::multiset<Bytes> Contents(Side side) {
    std::multiset<Bytes> contents;
    for (const std::string& name : Names(side)) {
      contents.insert(ReadFile(side, "/" + name));
    }
    return contents;
  }
  void ExpectBothSee(const std::multiset<Bytes>& expected) {
    for (const Side side : {kNear, kFar}) {
      const auto found = Contents(side);
      EXPECT_TRUE(found == expected) << "side " << side << ": " << found.size() << " files";
      for (const Bytes& content : found) {
        if (!expected.contains(content)) {
          ADD_FAILURE() << "a mixture: " << content.size() << " bytes, "
                        << std::count(content.begin(), content.end(), 'n') << " of near's, "
                        << std::count(content.begin(), content.end(), 'f') << " of far's";
        }
      }
    }
  }
  // `slow` has the file half written when the network is whole again, `quick` has written it.
  void WriteAcross(Side slow, Side quick, bool slow_begins, uint64_t size) {
    const Bytes slow_text(size, slow == kNear ? 'n' : 'f');
    const Bytes quick_text(size + 100, quick == kNear ? 'n' : 'f');
    ASSERT_EQ(WriteFile(kNear, kRootIno, "file", Bytes(size + 200, 'o')), 0);
    ASSERT_NE(Walk(kFar, "/file"), 0u);
    Sleep(kSecond);
    Cut();
    Open open;
    for (const bool first : {true, false}) {
      if (first == slow_begins) {
        ASSERT_EQ(Create(slow, kRootIno, "file", &open), 0);
        Write(slow, open, 0, slow_text.substr(0, size / 2));
        Publish(slow, open);
      } else {
        ASSERT_EQ(WriteFile(quick, kRootIno, "file", quick_text), 0);
      }
      Sleep(kSecond);
    }
    Mend();
    Sleep(20 * kSecond);  // merged and resolved
    Write(slow, open, size / 2, slow_text.substr(size / 2));
    Close(slow, open);
    Sleep(20 * kSecond);
    ExpectBothSee({slow_text, quick_text});
    // Whoever opens the file now writes the file.
    ASSERT_EQ(WriteFile(slow, kRootIno, "file", "again"), 0);
    Sleep(2 * kSecond);
    EXPECT_EQ(ReadFile(quick, "/file"), "again");
  }

  node::test::SimNodes nodes_;
  Credentials who_{.uid = 1000, .gid = 1000, .umask = 022, .pid = 1};
  std::unique_ptr<Vfs> vfs_[2];
};

TEST_F(VfsPartitionTest, AFileThatIsWrittenAcrossTheHealingIsNoMixture) {
  WriteAcross(kFar, kNear, true, 1000);
}
TEST_F(VfsPartitionTest, NorOneThatWon) { WriteAcross(kFar, kNear, false, 1000); }
TEST_F(VfsPartitionTest, NorWhereTheMajorityIsSlow) { WriteAcross(kNear, kFar, true, 1000); }
TEST_F(VfsPartitionTest, NorOneInChunks) { WriteAcross(kFar, kNear, true, 400'000); }
TEST_F(VfsPartitionTest, NorOneInChunksOfTheMajority) { WriteAcross(kNear, kFar, true, 400'000); }
TEST_F(VfsPartitionTest, NorOneInChunksThatWon) { WriteAcross(kNear, kFar, false, 400'000); }

// Only truncated so far.
TEST_F(VfsPartitionTest, WhatWasEmptiedAndNotYetWrittenIsNoMixture) {
  ASSERT_EQ(WriteFile(kNear, kRootIno, "file", Bytes(3000, 'o')), 0);
  ASSERT_NE(Walk(kFar, "/file"), 0u);
  Cut();
  Open open;
  ASSERT_EQ(Create(kFar, kRootIno, "file", &open), 0);
  Sleep(kSecond);
  ASSERT_EQ(WriteFile(kNear, kRootIno, "file", Bytes(2000, 'n')), 0);
  Mend();
  Sleep(20 * kSecond);
  Write(kFar, open, 0, Bytes(1000, 'f'));
  Close(kFar, open);
  Sleep(20 * kSecond);
  ExpectBothSee({Bytes(2000, 'n'), Bytes(1000, 'f')});
}

TEST_F(VfsPartitionTest, AStrongDirectoryWaitsForAMajority) {
  const auto made = nodes_.Run(vfs_[kNear]->MakeDirectory(kRootIno, "d", 0755, who_));
  ASSERT_TRUE(made.ok());
  const Ino dir = made->attr.ino;
  ASSERT_EQ(SetConsistency(kNear, dir, "strong"), 0);
  ASSERT_TRUE(nodes_.Run(vfs_[kNear]->MakeDirectory(dir, "inner", 0755, who_)).ok());
  ASSERT_EQ(WriteFile(kNear, dir, "f", "before"), 0);
  EXPECT_EQ(Consistency(kFar, "/d/inner"), "strong");
  const Ino inner = Walk(kFar, "/d/inner");
  ASSERT_NE(Walk(kFar, "/d/f"), 0u);
  for (const auto& vfs : vfs_) {
    EXPECT_FALSE(vfs->MayKeepNames(dir));
    EXPECT_FALSE(nodes_.Run(vfs->GetAttr(inner))->is_settled);
    EXPECT_TRUE(vfs->MayKeepNames(kRootIno));
  }
  Sleep(2 * kSecond);
  Cut();
  Open open;
  int64_t began = Now();
  EXPECT_EQ(Create(kFar, inner, "x", &open), ETIMEDOUT);
  EXPECT_LT(Now() - began, 15 * kSecond);
  began = Now();
  EXPECT_EQ(ReadFile(kFar, "/d/f"), "E" + std::to_string(ESTALE));  // not even looked up
  EXPECT_EQ(SetConsistency(kFar, dir, "available"), ETIMEDOUT);
  EXPECT_EQ(WriteFile(kNear, dir, "f", "near"), 0);
  EXPECT_EQ(WriteFile(kNear, inner, "y", "near"), 0);
  EXPECT_EQ(WriteFile(kFar, kRootIno, "elsewhere", "far"), 0);
  // Whether all homes know it cannot be said now.
  EXPECT_EQ(SetConsistency(kNear, kRootIno, "strong"), ETIMEDOUT);
  EXPECT_EQ(Consistency(kNear, "/"), "available");
  Mend();
  Sleep(10 * kSecond);
  EXPECT_EQ(ReadFile(kFar, "/d/f"), "near");
  EXPECT_EQ(ReadFile(kNear, "/elsewhere"), "far");
  EXPECT_EQ(Walk(kNear, "/d/inner/x"), 0u);
  EXPECT_EQ(SetConsistency(kFar, dir, "available"), 0);
  EXPECT_TRUE(vfs_[kFar]->MayKeepNames(dir));
  Sleep(2 * kSecond);
  Cut();
  EXPECT_EQ(WriteFile(kFar, dir, "f", "far"), 0);
  EXPECT_EQ(Create(kFar, inner, "x", &open), ETIMEDOUT);
}

}  // namespace
}  // namespace kvfs::fs
