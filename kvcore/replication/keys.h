// Keys: how items, chunks and the node's own notes are ordered on disk
// (doc/formats/item.md). Pure functions.
//
//   0x00 | name                                             a note of this node alone
//   0x01 | place (u16, big-endian) | length of pk | pk | ck   an item
//   0x02 | the same                                         an item of the pk's branch
//
// `place` is the leading 16 bits of SHA-256(pk), for a chunk of its own hash; a
// partition of 2^k is the range of places that share their top k bits, so one
// partition is one range of keys whatever k is.
#pragma once

#include <cstdint>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

inline constexpr size_t kMaxPkBytes = 64;
inline constexpr size_t kMaxCkBytes = 1024;
inline constexpr size_t kMaxWorkIdBytes = 64;  // no less than kMaxPkBytes

// The kind of work the store gives itself: look whether partition key `id` has any items left.
inline constexpr uint8_t kSweepWork = 0xff;

// Partition keys the store keeps for itself: 'W', one per partition, and 'C' + hash. Users'
// partition keys are anything else.
inline constexpr char kWorkPk = 'W';   // ck = due | kind | id
inline constexpr char kChunkPk = 'C';  // + 32 bytes; ck = 'd' or 'r' + reference

// Clustering keys the store keeps for itself in every pk: 0x00... and 0xff...
inline constexpr char kStateCk = '\x00';  // (epoch, seq) of the pk
inline constexpr char kOutcomeCk[] =
    "\xff"
    "o";  // + session | sequence
inline constexpr char kExpiredCk[] =
    "\xff"
    "e";  // + session: up to where its outcomes are forgotten
inline constexpr char kPkWorkCk[] =
    "\xff"
    "w";  // + due | kind | id: a line of the work index, where pk has several homes
inline constexpr char kMergedCk[] =
    "\xff"
    "m";  // how much of each branch has been merged into the pk
inline constexpr char kStrongCk[] =
    "\xff"
    "s";  // the pk takes nothing in without a majority

// 1..64 bytes and none of the store's own.
Status CheckUserPk(ByteView pk);
// 1..1024 bytes, outside the reserved ranges.
Status CheckUserCk(ByteView ck);

// The place of a user's pk.
uint16_t PlaceOf(ByteView pk);
uint16_t PlaceOf(const ChunkId& id);
inline uint32_t PartitionOf(uint16_t place, uint32_t partition_bits) {
  return partition_bits == 0 ? 0 : uint32_t{place} >> (16 - partition_bits);
}
// The first place of a partition; where its work index lies.
inline uint16_t FirstPlace(uint32_t partition, uint32_t partition_bits) {
  return partition_bits == 0 ? uint16_t{0}
                             : static_cast<uint16_t>(partition << (16 - partition_bits));
}

// The keys of a partition are those in [first, second).
std::pair<Bytes, Bytes> PartitionRange(uint32_t partition, uint32_t partition_bits);

// Everything before the ck.
Bytes PkPrefix(uint16_t place, ByteView pk);
inline Bytes PkPrefix(ByteView pk) { return PkPrefix(PlaceOf(pk), pk); }

// The same in the space of branches, which every home keeps for itself: at kStateCk the note of
// what is held, at OutcomeCk + actor what became of operations, else items and lines of work.
Bytes BranchPrefix(ByteView pk);
// All branches are in [first, second).
std::pair<Bytes, Bytes> BranchRange();
Bytes BranchOutcomeCk(const OpId& id, uint64_t actor);
// What a home may be sent for a branch: an item, a line of work or an outcome.
Status CheckBranchCk(ByteView ck);
bool IsBranchOutcomeCk(ByteView ck);
// REQUIRES: IsBranchOutcomeCk.
std::pair<OpId, uint64_t> DecodeBranchOutcomeCk(ByteView ck);

Bytes NodeLocalKey(ByteView name);
Bytes ChunkPrefix(const ChunkId& id);
Bytes ChunkDataKey(const ChunkId& id);
Bytes ChunkRefKey(const ChunkId& id, const ChunkRef& ref);
// The references of one chunk are the keys in [first, second).
std::pair<Bytes, Bytes> ChunkRefRange(const ChunkId& id);
Bytes WorkPrefix(uint16_t place);
// Before every line due at `due_millis` or later, after every other.
Bytes WorkDuePrefix(uint16_t place, int64_t due_millis);
Bytes WorkItemKey(uint16_t place, const WorkKey& work);
// due | kind | id, as DecodeWorkCk takes it.
Bytes WorkCk(const WorkKey& work);
// What became of an operation on the pk.
Bytes OutcomeKey(ByteView pk, const OpId& id);
Bytes OutcomeCk(const OpId& id);
Bytes ExpiredCk(uint64_t session);
// Of the kind that OutcomeCk makes.
bool IsOutcomeCk(ByteView ck);

// The smallest key greater than every key that begins with `prefix`; empty = there is none.
Bytes PrefixEnd(ByteView prefix);

// ---- the way back: input from disk, kCorruption ----------------------------

enum class KeyKind : uint8_t {
  kNodeLocal,      // ck = name
  kItem,           // a user's
  kState,          // (epoch, seq) of pk
  kWork,           // ck, for DecodeWorkCk
  kOutcome,        // of an operation on pk
  kExpired,        // up to where the outcomes of a session are forgotten
  kPkWork,         // ck, for DecodePkWorkCk
  kMerged,         // how much of each branch of pk is merged
  kStrong,         // pk is strong
  kBranchNote,     // of pk
  kBranchItem,     // of pk, or a line of work: ck as of kItem and kPkWork
  kBranchOutcome,  // ck, for DecodeBranchOutcomeCk
  kChunkData,      // pk = 'C' + hash
  kChunkRef,       // ck, for DecodeRefCk
};

struct ParsedKey {
  KeyKind kind = KeyKind::kItem;
  uint16_t place = 0;
  ByteView pk;  // into the input
  ByteView ck;
};
// Checks the shape, and that a place is the one of its pk where `check_place` (a SHA-256 each).
Result<ParsedKey> ParseKey(ByteView key, bool check_place);
Result<WorkKey> DecodeWorkCk(ByteView ck);
Result<WorkKey> DecodePkWorkCk(ByteView ck);
Result<ChunkRef> DecodeRefCk(ByteView ck);
ChunkId ChunkIdOfPk(ByteView pk);  // REQUIRES: of a ParsedKey of a chunk

// ---- the value of a state item ---------------------------------------------

void EncodePkState(const PkState& state, Bytes* out);
Result<PkState> DecodePkState(ByteView in);

}  // namespace kvfs::replication
