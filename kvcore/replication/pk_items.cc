#include "kvcore/replication/pk_items.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::replication {
namespace {

constexpr char kFirstUserCk = '\x01';
constexpr char kEndOfUserCks = '\xff';

}  // namespace

CkRange UserRange(const pb::Range& range) {
  const Bytes end(1, kEndOfUserCks);
  return {std::max<Bytes>(range.begin(), Bytes(1, kFirstUserCk)),
          range.end().empty() ? end : std::min<Bytes>(range.end(), end)};
}

Status ReadAll(LocalStore* store, ByteView prefix, const Bytes& after, uint64_t max_bytes,
               google::protobuf::RepeatedPtrField<pb::Entry>* entries, bool* more) {
  uint64_t bytes = 0;
  const auto stored = store->Scan(Bytes(prefix) + after, PrefixEnd(prefix));
  for (; stored->Valid(); stored->Next()) {
    const ByteView ck = stored->key().substr(prefix.size());
    if (ck == after || ck == ByteView(&kStateCk, 1)) {
      continue;
    }
    if (bytes >= max_bytes) {
      *more = true;
      break;
    }
    pb::Entry* const entry = entries->Add();
    entry->set_ck(Bytes(ck));
    entry->set_value(Bytes(stored->value()));
    bytes += BytesOf(*entry);
  }
  return stored->status();
}

Status ReadRange(LocalStore* store, ByteView pk_prefix, const pb::Range& range, uint64_t max_bytes,
                 pb::Page* page) {
  const auto cks = UserRange(range);
  if (cks.empty()) {
    return Status::Ok();
  }
  uint64_t bytes = 0;
  const auto stored = store->Scan(Bytes(pk_prefix) + cks.begin, Bytes(pk_prefix) + cks.end);
  for (; stored->Valid(); stored->Next()) {
    if (static_cast<uint32_t>(page->entries_size()) >= range.limit() ||
        (bytes >= max_bytes && page->entries_size() > 0)) {
      page->set_more(true);
      break;
    }
    pb::Entry* const entry = page->add_entries();
    entry->set_ck(Bytes(stored->key().substr(pk_prefix.size())));
    entry->set_value(Bytes(stored->value()));
    bytes += entry->ck().size() + entry->value().size();
  }
  return stored->status();
}

void IndexWork(uint16_t work_place, std::vector<StoreWrite>* writes) {
  const size_t count = writes->size();
  for (size_t i = 0; i < count; ++i) {
    const auto parsed = ParseKey((*writes)[i].key, false);
    if (!parsed.ok() || parsed->kind != KeyKind::kPkWork) {
      continue;
    }
    StoreWrite line;
    line.kind = (*writes)[i].kind;
    line.key = WorkPrefix(work_place) + Bytes(parsed->ck.substr(sizeof(kPkWorkCk) - 1));
    line.value = (*writes)[i].value;
    writes->push_back(std::move(line));
  }
}

Result<std::vector<WorkItem>> DueLines(LocalStore* store, uint32_t partition,
                                       uint32_t partition_bits, int64_t now_millis,
                                       uint32_t limit) {
  std::vector<WorkItem> found;
  const uint16_t place = FirstPlace(partition, partition_bits);
  const Bytes prefix = WorkPrefix(place);
  const Bytes end =
      now_millis == INT64_MAX ? PrefixEnd(prefix) : WorkDuePrefix(place, now_millis + 1);
  const auto lines = store->Scan(prefix, end);
  for (; lines->Valid() && found.size() < limit; lines->Next()) {
    WorkItem item;
    item.partition = partition;
    KVFS_ASSIGN_OR_RETURN(item.key, DecodeWorkCk(lines->key().substr(prefix.size())));
    KVFS_ASSIGN_OR_RETURN(versioning::VersionedValue value, versioning::Decode(lines->value()));
    if (!value.siblings.empty()) {
      item.value = std::move(value.siblings[0].value);
    }
    found.push_back(std::move(item));
  }
  KVFS_RETURN_IF_ERROR(lines->status());
  return found;
}

}  // namespace kvfs::replication
