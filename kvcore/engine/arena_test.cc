#include "kvcore/engine/arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace kvfs::engine {
namespace {

constexpr uint64_t kBlock = ArenaPool::kBlockBytes;

constexpr size_t kPiece = 500;

// Grows the arena until it has at least so many of the pool's blocks; all that it handed out.
std::set<char*> Fill(Arena* arena, uint64_t blocks) {
  std::set<char*> pieces;
  while (arena->MemoryBytes() < (blocks + 2) * kBlock) {
    char* piece = arena->Allocate(kPiece);
    std::memset(piece, 1, kPiece);
    pieces.insert(piece);
  }
  return pieces;
}

TEST(Arena, WhatOneGivesBackTheNextTakes) {
  const auto pool = std::make_shared<ArenaPool>(64 * kBlock, nullptr);
  std::set<char*> first;
  {
    Arena arena(pool);
    first = Fill(&arena, 4);
    EXPECT_EQ(pool->MemoryBytes(), 0u);
  }
  const uint64_t kept = pool->MemoryBytes();
  EXPECT_GE(kept, 4 * kBlock);
  Arena arena(pool);
  size_t again = 0;
  for (char* piece : Fill(&arena, 4)) {
    again += first.contains(piece) ? 1 : 0;
  }
  EXPECT_GT(again, 3 * kBlock / kPiece);
  EXPECT_LT(pool->MemoryBytes(), kept);
}

TEST(Arena, ThePoolKeepsNoMoreThanItsBound) {
  const auto pool = std::make_shared<ArenaPool>(3 * kBlock, nullptr);
  {
    Arena arena(pool);
    Fill(&arena, 6);
  }
  EXPECT_EQ(pool->MemoryBytes(), 3 * kBlock);
}

TEST(Arena, WithoutAPoolNothingIsKept) {
  Arena arena;
  EXPECT_FALSE(Fill(&arena, 2).empty());
}

}  // namespace
}  // namespace kvfs::engine
