#include "kvcore/node/layout_keeper.h"

#include <utility>

namespace kvfs::node {
namespace {

using Kind = ring::AgreementMessage::Kind;
using replication::Method;

constexpr int64_t kAskMicros = 2'000'000;

Status Closing() { return Status::Unavailable("the node is stopping"); }

}  // namespace

LayoutKeeper::LayoutKeeper(const ring::LayoutAgreement::Options& options, env::NodeId self,
                           const KeptLayouts& kept, Parts parts)
    : self_(self),
      parts_(std::move(parts)),
      tick_micros_(options.round_micros / 2),
      mutex_(parts_.scheduler),
      agreement_(self, kept.agreement, options),
      tasks_(parts_.scheduler) {
  agreement_.SetComplete(kept.view.next() == nullptr);
  parts_.rpc->SetLayout(kept.view.stage());
}

Task<void> LayoutKeeper::Close() {
  closing_ = true;
  {
    auto guard = co_await mutex_.Lock();
    if (proposal_.has_value()) {
      proposal_->Set(Closing());
      proposal_.reset();
    }
  }
  co_await tasks_.Drain();
}

Task<void> LayoutKeeper::Tick() {
  while (true) {
    const bool goes_on = co_await env::SleepUnless(parts_.scheduler, tick_micros_, &closing_);
    if (!goes_on) {
      co_return;
    }
    auto guard = co_await mutex_.Lock();
    Output out = agreement_.Tick(parts_.clock->MonotonicMicros());
    (void)(co_await CarryOut(std::move(out))).ok();  // the next round is another attempt
  }
}

// Before the requests of this node say so: what it counts by the new layouts may then have been
// sent by the old, of which more have to agree; never the reverse.
void LayoutKeeper::GoOver(ring::RingView view) {
  const ring::LayoutStage stage = view.stage();
  if (parts_.placement->Replace(std::move(view))) {
    agreement_.SetComplete(!stage.in_transition);
    parts_.rpc->SetLayout(stage);
    if (parts_.changed) {
      parts_.changed(stage);
    }
  }
}

Task<Status> LayoutKeeper::CarryOut(Output out) {
  if (out.decided != nullptr) {
    // What comes next is decided only after the one before was complete, so this node's is, though
    // it has not heard of that.
    const auto previous = parts_.placement->view()->shared_newest();
    Status saved = co_await SaveLayouts(std::move(*out.persist), previous, parts_.store);
    KVFS_CO_RETURN_IF_ERROR(saved);
    ring::RingView view(previous);
    view.Begin(out.decided);
    GoOver(std::move(view));
  } else if (out.persist.has_value()) {
    Status saved = co_await SaveAgreement(std::move(*out.persist), parts_.store);
    KVFS_CO_RETURN_IF_ERROR(saved);
  }
  for (const Output::Envelope& envelope : out.messages) {
    (void)parts_.rpc->Tell(envelope.to, Method::kLayout, ring::Encode(envelope.message)).ok();
  }
  if (out.proposal.has_value() && proposal_.has_value()) {
    proposal_->Set(*out.proposal);
    proposal_.reset();
  }
  co_return Status::Ok();
}

Task<Status> LayoutKeeper::Propose(std::shared_ptr<const ring::Layout> next) {
  const env::Completion<Status> done(parts_.scheduler);
  {
    auto guard = co_await mutex_.Lock();
    if (closing_) {
      co_return Closing();
    }
    KVFS_CO_ASSIGN_OR_RETURN(Output out,
                             agreement_.Propose(std::move(next), parts_.clock->MonotonicMicros()));
    proposal_.emplace(done);
    Status carried = co_await CarryOut(std::move(out));
    KVFS_CO_RETURN_IF_ERROR(carried);
  }
  co_return co_await done.Get();
}

void LayoutKeeper::Take(env::NodeId from, Bytes body) {
  if (!closing_) {
    tasks_.Start(TakeNow(from, std::move(body)));
  }
}

Task<void> LayoutKeeper::TakeNow(env::NodeId from, Bytes body) {
  const auto message = ring::DecodeAgreementMessage(body);
  if (!message.ok()) {
    co_return;
  }
  auto guard = co_await mutex_.Lock();
  const uint64_t newest = agreement_.decided().id().number;
  if (message->kind == Kind::kDecided && message->layout->id().number > newest + 1) {
    Seen(from);  // which one was before it, and whether that still counts, is to be asked
    co_return;
  }
  Output out = agreement_.Step(from, *message);
  (void)(co_await CarryOut(std::move(out))).ok();  // what is not durable is not answered
}

void LayoutKeeper::Seen(env::NodeId from) {
  const bool may_learn = may_learn_ || parts_.rpc->HasMetSame();
  if (!closing_ && may_learn && !following_.exchange(true)) {
    tasks_.Start(Follow(from));
  }
}

Task<void> LayoutKeeper::Follow(env::NodeId from) {
  const uint64_t before = parts_.placement->Version();
  (void)(co_await LearnFrom(from)).ok();
  // It may have been a client that knows more; then some other node does too.
  const std::vector<env::NodeId> others = parts_.placement->view()->Keepers();
  for (const env::NodeId other : others) {
    if (closing_ || parts_.placement->Version() != before) {
      break;
    }
    if (other != self_) {
      (void)(co_await LearnFrom(other)).ok();
    }
  }
  following_ = false;
}

Task<Status> LayoutKeeper::LearnFrom(env::NodeId node) {
  KVFS_CO_ASSIGN_OR_RETURN(const Bytes answer,
                           co_await parts_.rpc->Call(node, Method::kMembers, {}, kAskMicros));
  KVFS_CO_ASSIGN_OR_RETURN(client::ToldLayouts told, client::ParseMembers(answer));
  auto guard = co_await mutex_.Lock();
  const auto own = parts_.placement->view();
  const ring::Layout& newest = told.view.newest();
  if (closing_ || told.view.stage().version() <= own->stage().version()) {
    co_return Status::Ok();
  }
  if (newest.partition_count() != own->newest().partition_count()) {
    co_return Status::InvalidArgument("the layout of another cluster");
  }
  std::shared_ptr<const ring::Layout> previous;
  if (told.view.next() != nullptr) {
    previous = std::make_shared<const ring::Layout>(told.view.current());
  }
  if (newest.id().number == own->newest().id().number) {
    guard.Release();
    Status completed = co_await Complete(newest.id());
    co_return completed;
  }
  ring::AgreementMessage decided;
  decided.kind = Kind::kDecided;
  decided.number = newest.id().number;
  decided.layout = told.view.shared_newest();
  Output out = agreement_.Step(node, decided);
  if (!out.persist.has_value()) {
    co_return Status::InvalidArgument("a layout that cannot come next");
  }
  Status saved = co_await SaveLayouts(std::move(*out.persist), std::move(previous), parts_.store);
  KVFS_CO_RETURN_IF_ERROR(saved);
  GoOver(std::move(told.view));
  if (out.proposal.has_value() && proposal_.has_value()) {
    proposal_->Set(*out.proposal);
    proposal_.reset();
  }
  co_return Status::Ok();
}

Task<Status> LayoutKeeper::Complete(ring::LayoutId layout) {
  auto guard = co_await mutex_.Lock();
  const auto own = parts_.placement->view();
  if (own->next() == nullptr || own->next()->id() != layout) {
    co_return Status::Ok();
  }
  Status forgotten = co_await ForgetPrevious(parts_.store);
  KVFS_CO_RETURN_IF_ERROR(forgotten);
  GoOver(ring::RingView(own->shared_newest()));
  co_return Status::Ok();
}

}  // namespace kvfs::node
