// Gossip: lets a node take part in finding out who is there: carries out what
// membership::Membership decides (doc/membership.md). Its incarnation is a note of the node and
// durable before anybody hears of it.
//
// Owned by the node; what it is built from is borrowed. Thread-safe.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kvcore/env/env.h"
#include "kvcore/env/task_set.h"
#include "kvcore/membership/membership.h"
#include "kvcore/node/address_book.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::node {

struct GossipOptions {
  membership::Options membership;
  membership::Peer self;                // the incarnation is read from the store
  std::vector<membership::Peer> known;  // members, from the beginning taken for alive
  std::vector<std::string> seeds;       // addresses to ask for the others
  // Told what has changed, one thing after the other; must not call back.
  std::function<void(const membership::Membership::Event&)> on_event;
};

class Gossip {
 public:
  // `env.bus` carries nothing else (BusFork). kCorruption: the note cannot be read.
  static Result<std::unique_ptr<Gossip>> Open(GossipOptions options, env::Env env,
                                              replication::LocalStore* store,
                                              AddressBook* addresses);
  Gossip(const Gossip&) = delete;
  Gossip& operator=(const Gossip&) = delete;

  void Start();
  // Tells some members that this node goes, so that they need not find out.
  void Leave();
  // No message may come any more. Returns when nothing runs.
  Task<void> Close();

  // As it is at this moment.
  std::shared_ptr<const membership::View> view() const;

 private:
  using Output = membership::Membership::Output;

  Gossip(GossipOptions options, env::Env env, replication::LocalStore* store,
         AddressBook* addresses, uint64_t incarnation);
  void Receive(const env::Message& message);
  // REQUIRES: mutex_ held. True: Deliver has to be started.
  bool Add(Output out);
  Task<void> Run();
  Task<void> Deliver();
  Task<void> Persist(uint64_t incarnation);
  void Send(membership::Membership::Envelope envelope);

  const GossipOptions options_;
  const env::Env env_;
  replication::LocalStore* const store_;
  AddressBook* const addresses_;
  std::atomic<bool> closing_{false};
  mutable std::mutex mutex_;  // guards the rest but for tasks_
  membership::Membership membership_;
  std::shared_ptr<const membership::View> view_;  // of the version last published
  std::map<env::NodeId, std::string> reached_;    // addresses that `addresses_` was told
  std::deque<Output> outputs_;                    // to be carried out, in this order
  bool delivering_ = false;
  env::TaskSet tasks_;
};

}  // namespace kvfs::node
