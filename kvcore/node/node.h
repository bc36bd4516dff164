// Node: one whole node of kvfs in this process: engine, replication and the client on
// them. Composed from an Env and a directory; the composition root owns it and destroys
// it after every user of its client, before the Env. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kvcore/client/local_client.h"
#include "kvcore/engine/db.h"
#include "kvcore/env/env.h"
#include "kvcore/node/engine_local_store.h"
#include "kvcore/node/identity.h"

namespace kvfs::node {

struct NodeOptions {
  // What memtables and block cache may take together. 4 MiB .. 1 TiB.
  uint64_t memory_bytes = 160u << 20;
  // As in engine::Options: bound on the directory (0 = the disk's), space kept free for deletes,
  // age at which written data is synced unasked.
  uint64_t capacity_bytes = 0;
  uint64_t reserve_bytes = 64u << 20;
  int64_t background_sync_micros = 5'000'000;
  // Refuses every write and touches no file.
  bool read_only = false;
  // Said to whoever finds the directory in use.
  std::string holder = "kvfs";
};

// How the node divides its memory; also the place for tests to make everything small.
engine::Options EngineOptions(const NodeOptions& options);

class Node {
 public:
  // Makes the store if the directory holds none. Errors as of Db::Open.
  static Task<Result<std::unique_ptr<Node>>> Open(NodeOptions options, env::Env env,
                                                  std::string directory);
  static Task<Result<std::unique_ptr<Node>>> Open(engine::Options options, env::Env env,
                                                  std::string directory);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  client::Client* client() { return client_.get(); }
  engine::Db* db() { return db_.get(); }
  replication::LocalStore* store() { return &store_; }
  const Identity& identity() const { return identity_; }
  replication::Primary::Stats GetCommitStats() const { return primary_->GetStats(); }

  // A copy of this moment in `directory` (must not exist), ready to be opened by another process.
  Task<Status> Checkpoint(std::string directory);

  // Before a clean end: gives unused numbers back and makes everything durable. No user may be
  // left.
  Task<Status> Close();

 private:
  Node(std::unique_ptr<engine::Db> db, env::Env env);
  // Reads or makes the identity and builds what stands on it.
  Task<Status> Start(const std::string& directory, bool read_only);

  const env::Env env_;
  std::unique_ptr<engine::Db> db_;
  EngineLocalStore store_;
  Identity identity_;
  versioning::HybridClock hybrid_clock_;
  std::unique_ptr<replication::NumberSource> dots_;
  std::unique_ptr<replication::NumberSource> inodes_;
  std::unique_ptr<replication::Primary> primary_;
  std::unique_ptr<client::LocalClient> client_;
};

}  // namespace kvfs::node
