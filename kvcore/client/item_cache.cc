#include "kvcore/client/item_cache.h"

#include <algorithm>

namespace kvfs::client {

std::optional<std::optional<Item>> ItemCache::Find(const Bytes& pk, const Bytes& ck,
                                                   int64_t now_micros) const {
  std::lock_guard lock(mutex_);
  const auto at = pks_.find(pk);
  if (at == pks_.end() || !at->second.state.has_value() ||
      now_micros - at->second.as_of_micros >= options_.max_age_micros) {
    return std::nullopt;
  }
  const Content& content = at->second;
  if (const auto found = content.items.find(ck); found != content.items.end()) {
    return found->second;
  }
  const bool is_absent =
      std::any_of(content.ranges.begin(), content.ranges.end(),
                  [&](const Range& range) { return range.begin <= ck && ck < range.end; });
  std::optional<std::optional<Item>> answer;
  if (is_absent) {
    answer.emplace();
  }
  return answer;
}

ItemCache::Ticket ItemCache::Begin(const Bytes& pk, int64_t now_micros) {
  std::lock_guard lock(mutex_);
  auto at = pks_.find(pk);
  if (at == pks_.end()) {
    at = pks_.try_emplace(pk).first;
    at->second.change = ++last_change_;
    used_.push_front(pk);
    at->second.use = used_.begin();
    Bound(&at->second);
  } else {
    used_.splice(used_.begin(), used_, at->second.use);
  }
  return {at->second.change, now_micros};
}

ItemCache::Content* ItemCache::Open(const Bytes& pk, const Ticket& ticket, const PkState& state,
                                    bool is_next) {
  const auto at = pks_.find(pk);
  if (at == pks_.end() || options_.max_age_micros == 0) {
    return nullptr;
  }
  Content& content = at->second;
  if (content.change != ticket.change) {
    // It adds nothing to what was found since. But what is of an earlier state, or is still being
    // read, may be from before this.
    if (!content.state.has_value() || *content.state < state) {
      ThrowAway(&content);
    }
    return nullptr;
  }
  if (!content.kept) {
    return nullptr;
  }
  if (content.state.has_value() && state < *content.state) {
    return nullptr;
  }
  const bool goes_on =
      content.state.has_value() &&
      (is_next ? state.epoch == content.state->epoch && state.seq == content.state->seq + 1
               : state == *content.state);
  if (!goes_on) {
    if (content.state == state) {
      return nullptr;  // a write, of which a read has told more
    }
    Forget(&content);
  }
  content.state = state;
  content.as_of_micros =
      goes_on ? std::max(content.as_of_micros, ticket.began_micros) : ticket.began_micros;
  return &content;
}

void ItemCache::Forget(Content* content) {
  items_ -= content->items.size();
  content->items.clear();
  content->ranges.clear();
  content->state.reset();
}

void ItemCache::ThrowAway(Content* content) {
  Forget(content);
  content->change = ++last_change_;
}

void ItemCache::Put(Content* content, Bytes ck, std::optional<Item> item) {
  const auto [at, is_new] = content->items.insert_or_assign(std::move(ck), std::move(item));
  items_ += is_new ? 1 : 0;
}

void ItemCache::Bound(Content* content) {
  if (content->items.size() > options_.max_items_of_pk) {
    ThrowAway(content);
  }
  // A key counts as an item, too.
  while (items_ + pks_.size() > options_.max_items && pks_.size() > 1) {
    const auto oldest = pks_.find(used_.back());
    items_ -= oldest->second.items.size();
    pks_.erase(oldest);
    used_.pop_back();
  }
}

void ItemCache::Read(const Bytes& pk, const Ticket& ticket, const PkState& state, Found found,
                     std::vector<Range> ranges) {
  std::lock_guard lock(mutex_);
  Content* const content = Open(pk, ticket, state, false);
  if (content == nullptr) {
    return;
  }
  for (auto& [ck, item] : found) {
    Put(content, std::move(ck), std::move(item));
  }
  for (Range& range : ranges) {
    const bool is_known = std::any_of(
        content->ranges.begin(), content->ranges.end(),
        [&](const Range& known) { return known.begin == range.begin && known.end == range.end; });
    if (!is_known) {
      content->ranges.push_back(std::move(range));
    }
  }
  Bound(content);
}

void ItemCache::Saw(const Bytes& pk, const Ticket& ticket, const PkState& state) {
  std::lock_guard lock(mutex_);
  (void)Open(pk, ticket, state, false);
}

void ItemCache::Wrote(const Bytes& pk, const Ticket& ticket, const PkState& after,
                      const std::vector<Write>& writes, const VersionId& version, HybridTime time) {
  std::lock_guard lock(mutex_);
  Content* const content = Open(pk, ticket, after, true);
  if (content == nullptr) {
    return;
  }
  for (const Write& write : writes) {
    std::optional<Item> item;
    if (write.kind == Write::Kind::kPut) {
      item.emplace();
      item->ck = write.ck;
      item->version = version;
      item->siblings.push_back({.dot = {version.high, version.low},
                                .time = time,
                                .tombstone = false,
                                .value = write.value});
    }
    Put(content, write.ck, std::move(item));
  }
  Bound(content);
}

void ItemCache::SetKept(const Bytes& pk, bool kept) {
  std::lock_guard lock(mutex_);
  const auto at = pks_.find(pk);
  if (at == pks_.end() || at->second.kept == kept) {
    return;
  }
  at->second.kept = kept;
  ThrowAway(&at->second);
}

void ItemCache::NoteMany(const Bytes& pk, char tag) {
  std::lock_guard lock(mutex_);
  const auto at = pks_.find(pk);
  if (at != pks_.end() && at->second.many.find(tag) == Bytes::npos) {
    at->second.many.push_back(tag);
  }
}

bool ItemCache::HasMany(const Bytes& pk, char tag) const {
  std::lock_guard lock(mutex_);
  const auto at = pks_.find(pk);
  return at != pks_.end() && at->second.many.find(tag) != Bytes::npos;
}

void ItemCache::Drop(const Bytes& pk) {
  std::lock_guard lock(mutex_);
  if (const auto at = pks_.find(pk); at != pks_.end()) {
    ThrowAway(&at->second);
  }
}

void ItemCache::Clear() {
  std::lock_guard lock(mutex_);
  pks_.clear();
  used_.clear();
  items_ = 0;
}

size_t ItemCache::items() const {
  std::lock_guard lock(mutex_);
  return items_;
}

}  // namespace kvfs::client
