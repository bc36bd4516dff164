// LocalStore: the little that replication and anti-entropy need of a storage
// engine. The node gives them one on top of its engine; tests give them one in
// memory. Thread-safe. Keys and values are opaque here.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/base/task.h"

namespace kvfs::replication {

using Position = uint64_t;  // in the order of writes

struct StoreWrite {
  enum class Kind : uint8_t {
    kPut,
    kPutLarge,
    kPutStaged,  // of what StageLarge has written
    kDelete,
    kDeleteLarge,  // of what may have been a kPutLarge; nothing happens if the key is not there
  };
  Kind kind = Kind::kPut;
  Bytes key;
  Bytes value;     // kPut; kPutStaged: what StageLarge returned
  ByteView large;  // kPutLarge: write-once bytes, borrowed until Apply returns
};

struct ApplyOptions {
  bool will_sync = false;        // a Sync follows: small large values are better kept in the log
  bool may_use_reserve = false;  // the batch frees space: take it on a full disk
};

class StoreIterator {
 public:
  virtual ~StoreIterator() = default;
  virtual bool Valid() const = 0;
  virtual void Next() = 0;
  virtual ByteView key() const = 0;
  virtual ByteView value() const = 0;
  virtual Status status() const = 0;
};

class LocalStore {
 public:
  virtual ~LocalStore() = default;

  // Waits until `bytes` more may be written without outrunning the store. Before taking locks.
  virtual Task<Status> Admit(uint64_t bytes) = 0;
  // Writes a large value ahead of the batch that will hold it, so that this (compressing, writing)
  // is done without anybody's lock. The answer stands for it in one kPutStaged, or is given to
  // Unstage: else its space is lost until the store is opened again.
  virtual Result<Bytes> StageLarge(ByteView value) = 0;
  virtual void Unstage(ByteView staged) = 0;
  // All of it or nothing; visible, and safe against the death of the process, when it returns.
  virtual Result<Position> Apply(std::vector<StoreWrite> writes, const ApplyOptions& options) = 0;
  // Waits until everything up to `position` is durable.
  virtual Task<Status> Sync(Position position) = 0;
  virtual Position LastPosition() const = 0;

  virtual Result<Bytes> Get(ByteView key) = 0;  // kNotFound
  virtual Result<Bytes> GetRange(ByteView key, uint64_t offset, uint64_t size) = 0;
  // Without reading the value.
  virtual Result<bool> Contains(ByteView key) = 0;
  struct ValueSize {
    uint64_t raw_bytes = 0;
    uint64_t stored_bytes = 0;  // compressed; raw_bytes where that is not known
  };
  virtual Result<ValueSize> SizeOf(ByteView key) = 0;  // kNotFound
  // Keys in [begin, end) of this moment, positioned at the first; an empty `end` means to the last.
  virtual std::unique_ptr<StoreIterator> Scan(ByteView begin, ByteView end) = 0;

  struct Space {
    uint64_t total_bytes = 0;
    uint64_t available_bytes = 0;
  };
  virtual Result<Space> GetSpace() = 0;
};

}  // namespace kvfs::replication
