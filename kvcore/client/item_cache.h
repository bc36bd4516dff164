// ItemCache: items as this client has lately read or written them, so that what may be a moment
// old needs no message. Per partition key it holds items of one PkState, the latest that the
// client was told of: what is told of a later one, without being its very next, throws away the
// rest. So the content of a key is never older than the client's own writes and reads, and is of
// one moment, which lies at most `max_age_micros` back.
//
// Pure but for its lock; told the time. Bounded in items. Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "kvcore/client/types.h"
#include "kvcore/replication/epoch.h"

namespace kvfs::client {

struct ItemCacheOptions {
  int64_t max_age_micros = 1'000'000;  // 0: nothing is kept. 0 .. 60 s
  size_t max_items = 32'768;           // of all keys, absent ones included. 1 .. 10 M
  size_t max_items_of_pk = 8'192;      // of a key that has more nothing is kept. 1 .. max_items
};

class ItemCache {
 public:
  using PkState = replication::PkState;
  // Names the moment at which a read or a write began.
  struct Ticket {
    uint64_t change = 0;
    int64_t began_micros = 0;
  };
  // All items with ck in [begin, end) are among those found.
  struct Range {
    Bytes begin;
    Bytes end;
  };
  using Found = std::vector<std::pair<Bytes, std::optional<Item>>>;  // by ck

  explicit ItemCache(const ItemCacheOptions& options) : options_(options) {}

  // Nothing: not known. Else the item, or that there is none.
  std::optional<std::optional<Item>> Find(const Bytes& pk, const Bytes& ck,
                                          int64_t now_micros) const;

  // Before anything of the pk is asked for that the three below tell of.
  Ticket Begin(const Bytes& pk, int64_t now_micros);
  // A read has found this.
  void Read(const Bytes& pk, const Ticket& ticket, const PkState& state, Found found,
            std::vector<Range> ranges);
  // A read has found the pk in this state.
  void Saw(const Bytes& pk, const Ticket& ticket, const PkState& state);
  // A transaction of this client was carried out at `time`, left the pk in `after`, and what it put
  // in `version`.
  void Wrote(const Bytes& pk, const Ticket& ticket, const PkState& after,
             const std::vector<Write>& writes, const VersionId& version, HybridTime time);

  // Of the pk nothing is to be kept; or it may be, as of all at first.
  void SetKept(const Bytes& pk, bool kept);
  // More items than are read along begin with this byte.
  void NoteMany(const Bytes& pk, char tag);
  bool HasMany(const Bytes& pk, char tag) const;

  // Others may have changed the pk. What is under way tells nothing any more.
  void Drop(const Bytes& pk);
  void Clear();

  size_t items() const;

 private:
  struct Content {
    uint64_t change = 0;  // a number of its own for each time that it was thrown away
    std::optional<PkState> state;
    int64_t as_of_micros = 0;
    std::map<Bytes, std::optional<Item>> items;
    std::vector<Range> ranges;
    Bytes many;        // tags; stays when the rest is thrown away
    bool kept = true;  // stays, too
    std::list<Bytes>::iterator use;
  };
  using Pks = std::map<Bytes, Content>;

  // The five below: REQUIRES mutex_.
  // The content that is to be told of `state`; null where it knows better, or was changed since.
  Content* Open(const Bytes& pk, const Ticket& ticket, const PkState& state, bool is_next);
  void Forget(Content* content);
  // So that what is under way does not bring back what is older than what was known.
  void ThrowAway(Content* content);
  void Put(Content* content, Bytes ck, std::optional<Item> item);
  void Bound(Content* content);

  const ItemCacheOptions options_;
  mutable std::mutex mutex_;  // guards the rest
  Pks pks_;
  std::list<Bytes> used_;  // the pks, the one used last in front
  size_t items_ = 0;
  uint64_t last_change_ = 0;
};

}  // namespace kvfs::client
