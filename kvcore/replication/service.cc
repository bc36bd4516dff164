#include "kvcore/replication/service.h"

#include <utility>

#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

template <typename Message>
Task<Result<Bytes>> Serialized(Task<Result<Message>> task) {
  const Result<Message> reply = co_await task;
  if (!reply.ok()) {
    co_return reply.status();
  }
  co_return reply->SerializeAsString();
}

}  // namespace

Task<Result<Bytes>> Service::Handle(env::NodeId from, Method method, Bytes body) {
  switch (method) {
    case Method::kPromise: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Parse<pb::PromiseRequest>(body));
      co_return co_await Serialized(
          home_->Promise(request.partition(), FromProto(request.epoch())));
    }
    case Method::kState: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Parse<pb::StateRequest>(body));
      co_return co_await Serialized(home_->State(request.pk(), FromProto(request.epoch())));
    }
    case Method::kApply: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Parse<pb::ApplyRequest>(body));
      co_return co_await Serialized(home_->Apply(std::move(request)));
    }
    case Method::kInstall: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Parse<pb::InstallRequest>(body));
      const PkState state = FromProto(request.state());
      co_return co_await Serialized(home_->Install(request.pk(), FromProto(request.epoch()), from,
                                                   state, state, request.sync()));
    }
    case Method::kPage: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Parse<pb::PageRequest>(body));
      co_return co_await Serialized(home_->Page(std::move(request)));
    }
    case Method::kList: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Parse<pb::ListRequest>(body));
      co_return co_await Serialized(home_->List(std::move(request)));
    }
    case Method::kRepair: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Parse<pb::RepairRequest>(body));
      Bytes pk = request.pk();
      co_await primary_->Repair(std::move(pk));
      co_return Bytes();
    }
    case Method::kSubmit: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Parse<pb::SubmitRequest>(body));
      if (request.degraded()) {
        if (branches_ == nullptr) {
          break;
        }
        const pb::SubmitReply taken = co_await branches_->Submit(std::move(request));
        co_return taken.SerializeAsString();
      }
      const pb::SubmitReply reply = co_await primary_->Submit(std::move(request));
      co_return reply.SerializeAsString();
    }
    case Method::kRead: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Parse<pb::ReadRequest>(body));
      if (request.degraded()) {
        if (branches_ == nullptr) {
          break;
        }
        const pb::ReadReply seen = co_await branches_->Read(std::move(request));
        co_return seen.SerializeAsString();
      }
      if (request.settled()) {
        const pb::ReadReply reply = co_await primary_->Read(std::move(request));
        co_return reply.SerializeAsString();
      }
      co_return co_await Serialized(home_->Read(std::move(request)));
    }
    default:  // of the storage service
      co_return co_await HandleBranch(from, method, std::move(body));
  }
  co_return Status::InvalidArgument("message of a peer: an unknown method");
}

Task<Result<Bytes>> Service::HandleBranch(env::NodeId from, Method method, Bytes body) {
  switch (method) {
    case Method::kBranchPush: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Parse<pb::BranchPushRequest>(body));
      co_return co_await Serialized(home_->Join(std::move(request)));
    }
    case Method::kBranchInstall: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Parse<pb::BranchInstallRequest>(body));
      co_return co_await Serialized(home_->JoinWhole(request.pk(), from, request.sync()));
    }
    case Method::kBranchPage: {
      KVFS_CO_ASSIGN_OR_RETURN(auto request, Parse<pb::BranchPageRequest>(body));
      co_return co_await Serialized(home_->BranchPage(std::move(request)));
    }
    case Method::kMerge: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Parse<pb::MergeRequest>(body));
      Bytes pk = request.pk();
      const pb::MergeReply reply = co_await primary_->Merge(std::move(pk), from);
      co_return reply.SerializeAsString();
    }
    case Method::kMergeNow: {
      KVFS_CO_ASSIGN_OR_RETURN(const auto request, Parse<pb::MergeNowRequest>(body));
      if (branches_ == nullptr) {
        break;
      }
      Bytes pk = request.pk();
      const Status merged = co_await branches_->MergeNow(std::move(pk));
      pb::MergeReply reply;
      reply.set_merged(merged.ok());
      reply.set_code(static_cast<uint32_t>(merged.code()));
      reply.set_message(merged.message());
      co_return reply.SerializeAsString();
    }
    default:
      break;
  }
  co_return Status::InvalidArgument("message of a peer: an unknown method");
}

}  // namespace kvfs::replication
