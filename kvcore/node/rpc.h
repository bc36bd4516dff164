// Rpc: requests and replies between nodes, on a message bus that may lose, repeat and
// reorder. A request is carried out at most once: it names the life of the node it is meant
// for, and numbers that come again are dropped. Nothing is sent a second time by itself.
//
// Owned by the node. Thread-safe; the handler is called as a foreground task, for calls to
// the node itself inline.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include "kvcore/env/completion.h"
#include "kvcore/env/env.h"
#include "kvcore/env/task_set.h"
#include "kvcore/node/once.h"
#include "kvcore/proto/rpc.pb.h"
#include "kvcore/replication/peers.h"
#include "kvcore/ring/ring_view.h"

namespace kvfs::node {

class Rpc final : public replication::Peers {
 public:
  using Method = replication::Method;
  using Handler = std::function<Task<Result<Bytes>>(env::NodeId from, Method method, Bytes body)>;
  // Of what is told one way. Must not wait.
  using Notices = std::function<void(env::NodeId from, Method method, Bytes body)>;

  // `life` is greater than every earlier one of this node, and durably so; at least 1.
  Rpc(env::Env env, env::NodeId self, uint64_t life);
  ~Rpc() override;

  // By which layouts this node chooses whom it asks; set when they count for that already. From now
  // on requests and replies say so. Requests that were chosen by others are refused:
  // kInvalidArgument where the cluster's members were told differently, kBusy where one of the two
  // has not heard of a change yet. An answer by others than the request was sent by is
  // kOutcomeUnknown: it must not be counted.
  void SetLayout(const ring::LayoutStage& layout);
  // Told who goes by newer layouts, whenever a message says so. Must not wait. Before Start.
  using Newer = std::function<void(env::NodeId from)>;
  void OnNewerLayout(Newer newer) { newer_ = std::move(newer); }
  // Whether anybody has been heard who goes by the layouts of this node.
  bool HasMetSame();
  // Requests are taken from now on; what is told one way is dropped where there is no `notices`.
  void Start(Handler handler, Notices notices = {});
  // Tells a node something, which may be lost, come twice or late. kUnavailable: it was not sent.
  Status Tell(env::NodeId to, Method method, Bytes body);
  Task<Result<Bytes>> Call(env::NodeId to, Method method, Bytes body,
                           int64_t timeout_micros) override;
  void GiveUp(env::NodeId to) override;
  // No request is taken any more, no call waits any longer. Returns when no handler runs and every
  // call has returned; so a handler must not wait for it.
  Task<void> Close();

 private:
  struct Pending {
    env::NodeId to = 0;
    Method method{};
    Bytes body;  // kept while the peer's life is not sure
    env::Completion<Result<Bytes>> done;
    env::Scheduler::TimerId timer = 0;
    uint64_t life = 0;  // of the peer that it was sent for; 0: that nobody has
    int64_t deadline_micros = 0;
    uint64_t layout = 0;  // the version it was sent by; 0: none
  };

  // Sends what is pending under this number.
  Status Send(uint64_t number, Pending* pending);
  void Receive(env::Message message);
  void ReceiveReply(env::NodeId from, const pb::RpcHeader& header, Bytes body);
  Task<void> Serve(env::NodeId from, pb::RpcHeader header, Bytes body);
  void Reply(env::NodeId to, const pb::RpcHeader& request, pb::RpcHeader reply, Bytes body);
  // Whether a request may be carried out here. REQUIRES: mutex_ held.
  Status CheckLayout(env::NodeId from, const pb::RpcHeader& header) const;
  // The own layouts, as a message says them. REQUIRES: mutex_ held.
  void SayLayout(pb::RpcHeader* header) const;
  // Whether the sender goes by newer ones than this node. REQUIRES: mutex_ held.
  bool IsNewer(const pb::RpcHeader& header) const;
  // A call is over. REQUIRES: mutex_ held.
  void Leave();
  Task<void> CallSelf(Task<Result<Bytes>> task, env::Completion<Result<Bytes>> done);
  env::Scheduler::TimerId StartTimer(env::NodeId to, env::Completion<Result<Bytes>> done,
                                     int64_t micros);

  const env::Env env_;
  const env::NodeId self_;
  const uint64_t life_;
  Handler handler_;   // set once, before anything is received
  Newer newer_;       // the same
  Notices notices_;   // the same
  std::mutex mutex_;  // guards the rest
  bool closing_ = false;
  ring::LayoutStage layout_;           // hash 0: none
  bool has_met_same_ = false;          // somebody by that, or by one that was before it
  uint64_t calls_ = 0;                 // under way
  env::Completion<bool> calls_ended_;  // none is, and none will be
  uint64_t last_number_ = 0;
  std::map<uint64_t, Pending> pending_;
  std::map<env::NodeId, uint64_t> lives_;  // of peers, the latest known
  Once once_;
  env::TaskSet tasks_;
};

}  // namespace kvfs::node
