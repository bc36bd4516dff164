#include "kvcore/node/layout_note.h"

#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/ring/difference.h"

namespace kvfs::node {
namespace {

Bytes LayoutKey() { return replication::NodeLocalKey("layout"); }

}  // namespace

Result<ring::AgreementState> LoadLayout(replication::LocalStore* store) {
  KVFS_ASSIGN_OR_RETURN(const Bytes note, store->Get(LayoutKey()));
  auto state = ring::DecodeAgreementState(note);
  if (!state.ok()) {
    return state.status().Annotate("note of the layout");
  }
  if (state->decided == nullptr) {
    return Status::Corruption("note of the layout: there is none in it");
  }
  return state;
}

Task<Status> SaveLayout(Bytes encoded, replication::LocalStore* store) {
  std::vector<replication::StoreWrite> writes(1);
  writes[0].key = LayoutKey();
  writes[0].value = std::move(encoded);
  KVFS_CO_ASSIGN_OR_RETURN(const replication::Position position,
                           store->Apply(std::move(writes), {.will_sync = true}));
  Status synced = co_await store->Sync(position);
  co_return synced;
}

Task<Result<ring::AgreementState>> AdoptLayout(std::shared_ptr<const ring::Layout> given,
                                               replication::LocalStore* store) {
  auto kept = LoadLayout(store);
  if (kept.ok()) {
    if (given != nullptr && kept->decided->id().number == 1 && kept->decided->id() != given->id()) {
      const std::string difference = ring::DifferenceBetween(given->spec(), kept->decided->spec());
      co_return Status::InvalidArgument(
          "the members given are not those that the store was made with: " +
          (difference.empty() ? "the partitions lie elsewhere" : difference));
    }
    co_return kept;
  }
  if (kept.status().code() != Code::kNotFound || given == nullptr) {
    co_return kept.status();
  }
  ring::AgreementState state;
  state.decided = std::move(given);
  Status saved = co_await SaveLayout(ring::Encode(state), store);
  KVFS_CO_RETURN_IF_ERROR(saved);
  co_return state;
}

}  // namespace kvfs::node
