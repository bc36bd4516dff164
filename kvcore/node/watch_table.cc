#include "kvcore/node/watch_table.h"

#include "kvcore/client/watch_message.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {

using replication::pb::ChangedItems;

namespace {

constexpr size_t kOverhead = 16;  // of a key or pk in a message and in memory, about

}  // namespace

void WatchTable::ForgetExpired(int64_t now_micros) {
  std::erase_if(watchers_, [&](const auto& entry) {
    if (entry.second.until_micros > now_micros) {
      return false;
    }
    waiting_.erase(entry.first);
    return true;
  });
}

Status WatchTable::Watch(env::NodeId from, const replication::pb::WatchRequest& request,
                         int64_t now_micros) {
  const Id id{from, request.session()};
  if (!watchers_.contains(id) && watchers_.size() >= options_.max_watchers) {
    ForgetExpired(now_micros);
    if (watchers_.size() >= options_.max_watchers) {
      return Status::Busy("too many mounts are told of changes");
    }
  }
  Watcher& watcher = watchers_[id];
  watcher.partitions = request.partitions();
  watcher.until_micros = now_micros + options_.lease_micros;
  return Status::Ok();
}

bool WatchTable::Changed(const Bytes& pk, const std::vector<Bytes>& cks, uint64_t origin,
                         int64_t now_micros) {
  if (watchers_.empty()) {
    return false;
  }
  const uint32_t partition = replication::PartitionOf(replication::PlaceOf(pk), partition_bits_);
  bool is_new = false;
  bool any_expired = false;
  for (auto& [id, watcher] : watchers_) {
    if (watcher.until_micros <= now_micros) {
      any_expired = true;
    } else if (id.second != origin && client::HasBit(watcher.partitions, partition)) {
      Queue(&watcher, pk, cks);
      is_new |= waiting_.insert(id).second;
    }
  }
  if (any_expired) {
    ForgetExpired(now_micros);
  }
  return is_new;
}

void WatchTable::Queue(Watcher* watcher, const Bytes& pk, const std::vector<Bytes>& cks) const {
  if (watcher->everything) {
    return;
  }
  const auto [at, is_new] = watcher->changed.try_emplace(pk);
  std::set<Bytes>& keys = at->second;
  if (is_new) {
    watcher->queued_bytes += pk.size() + kOverhead;
  } else if (keys.empty()) {
    return;  // all of it already
  }
  for (const Bytes& ck : cks) {
    if (keys.insert(ck).second) {
      watcher->queued_bytes += ck.size() + kOverhead;
    }
  }
  if (keys.size() > options_.max_keys) {
    for (const Bytes& ck : keys) {
      watcher->queued_bytes -= ck.size() + kOverhead;
    }
    keys.clear();
  }
  if (watcher->queued_bytes > options_.max_queued_bytes) {
    watcher->everything = true;
    watcher->changed.clear();
    watcher->queued_bytes = 0;
  }
}

std::vector<WatchTable::Notice> WatchTable::Take() {
  std::vector<Notice> notices;
  for (const Id& id : waiting_) {
    Watcher& watcher = watchers_.at(id);
    Notice& notice = notices.emplace_back();
    notice.to = id.first;
    notice.body.set_session(id.second);
    notice.body.set_sequence(++watcher.sequence);
    notice.body.set_everything(watcher.everything);
    for (const auto& [pk, cks] : watcher.changed) {
      ChangedItems* const items = notice.body.add_items();
      items->set_pk(pk);
      items->set_all(cks.empty());
      for (const Bytes& ck : cks) {
        items->add_cks(ck);
      }
    }
    watcher.changed.clear();
    watcher.queued_bytes = 0;
    watcher.everything = false;
  }
  waiting_.clear();
  return notices;
}

}  // namespace kvfs::node
