// The vocabulary of writing to the store: keys, transactions, chunks, commits.
// Values, no synchronisation. Users of the store see it through kvcore/client/types.h.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/hash.h"
#include "kvcore/base/status.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/versioning/version.h"

namespace kvfs::replication {

using versioning::VersionId;

// ---- versioned items -------------------------------------------------------

// Not an aggregate, and neither is Commit: g++ 12 copies an aggregate that is made inside a
// co_await expression (`co_await client->Get({pk, ck})`) byte for byte into the coroutine's frame,
// and later frees it twice.
struct ItemKey {
  ItemKey() = default;
  ItemKey(Bytes pk_bytes, Bytes ck_bytes) : pk(std::move(pk_bytes)), ck(std::move(ck_bytes)) {}

  Bytes pk;  // 1..64 bytes; placed on the ring by its hash (keys.h says which the store keeps)
  Bytes ck;  // 1..1024 bytes; orders the items of one pk; begins with neither 0x00 nor 0xff
};

struct Item {
  Bytes ck;
  VersionId version;
  std::vector<versioning::Sibling> siblings;  // never empty, never tombstones alone

  // The value where there is one sibling, else that of the sibling with the greatest (time, dot).
  // Callers whose values can truly conflict look at `siblings` themselves.
  const Bytes& value() const;
};

struct Assert {
  enum class Kind : uint8_t {
    kAbsent,       // no item at ck
    kPresent,      // an item at ck
    kVersion,      // the item at ck is in state `version` (zero: absent)
    kPrefixEmpty,  // no item whose ck begins with `ck`
  };
  Kind kind = Kind::kPresent;
  Bytes ck;
  VersionId version;
};

struct Write {
  enum class Kind : uint8_t { kPut, kErase };
  Kind kind = Kind::kPut;
  Bytes ck;
  Bytes value;
};

// A line of the work index of the partition that pk lies in: background jobs found again after a
// crash without a scan. Ordered by (due, kind, id).
struct WorkKey {
  int64_t due_millis = 0;  // wall clock
  uint8_t kind = 0;        // the user's; from kMergedWork on the store's own
  Bytes id;                // 1..64 bytes

  bool operator==(const WorkKey&) const = default;
};
// The kind of the lines that the store leaves when it has merged a branch into a pk (the id): items
// for the user to look at. The value is a MergedWork (merged_work.h). The user erases the line.
inline constexpr uint8_t kMergedWork = 200;

struct WorkItem {
  uint32_t partition = 0;
  WorkKey key;
  Bytes value;
};

// Who asks, and which of its requests this is: a retry is recognised by it.
struct OpId {
  uint64_t session = 0;
  uint64_t sequence = 0;

  bool operator==(const OpId&) const = default;
};

// A mini-transaction on one partition key: all asserts hold and all writes happen, or none.
// Asserts are checked against the state before the writes. Of several writes to one ck the last
// counts.
struct Txn {
  Bytes pk;
  std::vector<Assert> asserts;
  std::vector<Write> writes;
  std::vector<std::pair<WorkKey, Bytes>> work_puts;
  std::vector<WorkKey> work_erases;
  // True: from then on the pk takes nothing in while no majority answers. False: it does again.
  // Where the pk has one home it changes nothing.
  std::optional<bool> set_strong;
};

// ---- immutable chunks ------------------------------------------------------

using ChunkId = Sha256Digest;

// Why a chunk is kept: place (level, position) of the content tree of one inode.
struct ChunkRef {
  uint64_t home = 0;
  uint64_t ino = 0;
  uint8_t level = 0;  // 0 = data, above = tree nodes
  uint64_t position = 0;

  auto operator<=>(const ChunkRef&) const = default;
};

// Stores the bytes under their hash, unless they are there, and the reference with them. Without
// bytes: adds a reference to a chunk that must be there (else the commit fails with kNotFound).
struct ChunkPut {
  ChunkId id{};
  ChunkRef ref;
  std::optional<ByteView> data;  // borrowed until the commit is done; id is its SHA-256
};

// Takes the reference away; the bytes go with their last reference.
struct ChunkDrop {
  ChunkId id{};
  ChunkRef ref;
};

// ---- commits ---------------------------------------------------------------

// Chunks are stored first, then the transactions take effect together (one pk: at its primary;
// several: by the protocol of doc/multi-directory.md), then the drops. Where every primary is this
// process it is all one record of the log.
struct Commit {
  Commit() = default;

  std::vector<ChunkPut> chunks;
  std::vector<Txn> txns;  // distinct pks; txns[0] is where the outcome is decided
  std::vector<ChunkDrop> drops;
  bool sync = false;             // durable before it is acknowledged
  bool may_use_reserve = false;  // frees space: to be taken on a full disk
};

// OK: everything happened. kConflict: an assert did not hold, nothing happened; the two numbers
// say which. kNotFound: a chunk to refer to is not there.
struct CommitResult {
  Status status;
  size_t failed_txn = 0;
  size_t failed_assert = 0;
  // The version that every put of this commit left its item in (one dot per commit and pk, so all
  // puts of one txn share it).
  std::vector<VersionId> versions;  // one per txn
  // Of a cluster: no majority answered, and some of it was taken in by the homes that did. It will
  // be merged with what others have done meanwhile; both are kept where they contradict each other.
  bool degraded = false;
  // Of a cluster: what each txn left its pk in. Empty where it is not known.
  std::vector<PkState> states;
  // Of a cluster and one txn: the time of its writes, where it is known that they were carried out
  // just now, and by them alone the pk is in its state. Else 0.
  versioning::HybridTime time = 0;
};

struct ScanPage {
  std::vector<Item> items;
  bool more = false;  // go on from just after the last ck
};

// How a chunk is kept, for people.
struct ChunkInfo {
  bool present = false;
  uint64_t raw_bytes = 0;
  uint64_t stored_bytes = 0;  // compressed
  uint64_t references = 0;
};

}  // namespace kvfs::replication
