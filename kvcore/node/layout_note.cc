#include "kvcore/node/layout_note.h"

#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/ring/difference.h"

namespace kvfs::node {
namespace {

using replication::StoreWrite;

Bytes LayoutKey() { return replication::NodeLocalKey("layout"); }
Bytes PreviousKey() { return replication::NodeLocalKey("layout-before"); }

Task<Status> Save(std::vector<StoreWrite> writes, replication::LocalStore* store) {
  KVFS_CO_ASSIGN_OR_RETURN(const replication::Position position,
                           store->Apply(std::move(writes), {.will_sync = true}));
  Status synced = co_await store->Sync(position);
  co_return synced;
}

StoreWrite AgreementWrite(Bytes agreement) {
  StoreWrite write;
  write.key = LayoutKey();
  write.value = std::move(agreement);
  return write;
}

std::shared_ptr<const ring::Layout> PreviousOf(const ring::RingView& view) {
  return view.next() == nullptr ? nullptr : std::make_shared<const ring::Layout>(view.current());
}

}  // namespace

Result<KeptLayouts> LoadLayouts(replication::LocalStore* store) {
  KVFS_ASSIGN_OR_RETURN(const Bytes note, store->Get(LayoutKey()));
  auto state = ring::DecodeAgreementState(note);
  if (!state.ok()) {
    return state.status().Annotate("note of the layout");
  }
  if (state->decided == nullptr) {
    return Status::Corruption("note of the layout: there is none in it");
  }
  ring::RingView view(state->decided);
  const auto before = store->Get(PreviousKey());
  if (before.ok()) {
    auto previous = ring::DecodeLayout(*before);
    if (!previous.ok()) {
      return previous.status().Annotate("note of the layout before");
    }
    if (previous->id().number + 1 != state->decided->id().number ||
        previous->partition_count() != state->decided->partition_count()) {
      return Status::Corruption("note of the layout before: it is not the one before");
    }
    view = ring::RingView(std::make_shared<const ring::Layout>(std::move(*previous)));
    view.Begin(state->decided);
  } else if (before.status().code() != Code::kNotFound) {
    return before.status();
  }
  return KeptLayouts{std::move(*state), std::move(view)};
}

Task<Status> SaveAgreement(Bytes agreement, replication::LocalStore* store) {
  std::vector<StoreWrite> writes;
  writes.push_back(AgreementWrite(std::move(agreement)));
  Status saved = co_await Save(std::move(writes), store);
  co_return saved;
}

Task<Status> ForgetPrevious(replication::LocalStore* store) {
  std::vector<StoreWrite> writes(1);
  writes[0].kind = StoreWrite::Kind::kDelete;
  writes[0].key = PreviousKey();
  Status saved = co_await Save(std::move(writes), store);
  co_return saved;
}

Task<Status> SaveLayouts(Bytes agreement, std::shared_ptr<const ring::Layout> previous,
                         replication::LocalStore* store) {
  std::vector<StoreWrite> writes;
  writes.push_back(AgreementWrite(std::move(agreement)));
  StoreWrite& before = writes.emplace_back();
  before.key = PreviousKey();
  if (previous == nullptr) {
    before.kind = StoreWrite::Kind::kDelete;
  } else {
    before.value = ring::Encode(*previous);
  }
  Status saved = co_await Save(std::move(writes), store);
  co_return saved;
}

Task<Result<KeptLayouts>> AdoptLayouts(std::optional<ring::RingView> given,
                                       replication::LocalStore* store) {
  auto kept = LoadLayouts(store);
  if (!kept.ok() && (kept.status().code() != Code::kNotFound || !given.has_value())) {
    co_return kept.status();
  }
  if (kept.ok()) {
    if (!given.has_value()) {
      co_return kept;
    }
    const ring::Layout& newest = kept->view.newest();
    const ring::Layout& other = given->newest();
    if (other.id().number == newest.id().number && other.id() != newest.id()) {
      const std::string difference = ring::DifferenceBetween(other.spec(), newest.spec());
      co_return Status::InvalidArgument(
          "the members given are not those that the store was made with: " +
          (difference.empty() ? "the partitions lie elsewhere" : difference));
    }
    if (given->stage().version() <= kept->view.stage().version()) {
      co_return kept;
    }
  }
  ring::AgreementState state;
  if (kept.ok() && kept->view.newest().id() == given->newest().id()) {
    state = kept->agreement;
  } else {
    state.decided = given->shared_newest();
  }
  KeptLayouts adopted{std::move(state), std::move(*given)};
  auto previous = PreviousOf(adopted.view);
  Bytes encoded = ring::Encode(adopted.agreement);
  Status saved = co_await SaveLayouts(std::move(encoded), std::move(previous), store);
  KVFS_CO_RETURN_IF_ERROR(saved);
  co_return adopted;
}

}  // namespace kvfs::node
