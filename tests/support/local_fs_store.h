// LocalFsStore: a whole store in memory behind the real Client, in one object: what
// a test of the filesystem needs to stand on.
//
//   testing::LocalFsStore store;
//   Namespace names(store.client(), store.env());
//   auto info = store.Await(names.Lookup(root, "a"));
#pragma once

#include <map>
#include <memory>

#include "kvcore/client/local_client.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::testing {

class LocalFsStore {
 public:
  struct Options {
    uint64_t seed = 1;
    uint32_t chunk_bytes = 128u << 10;
    uint64_t storage_epoch = 0x6b766673;  // of the dots
    uint64_t inode_grant = 1;
    bool one_actor = true;            // nobody else's dots are in the store
    std::map<Bytes, Bytes> contents;  // what is in it from the start
  };
  explicit LocalFsStore(uint64_t seed = 1, uint32_t chunk_bytes = 128u << 10);
  explicit LocalFsStore(Options options);

  client::Client* client() { return client_.get(); }
  env::Env env() { return steps_.env(); }
  StepEnv& steps() { return steps_; }
  MemoryLocalStore& memory() { return memory_; }

  template <typename T>
  T Await(Task<T> task) {
    return steps_.Await(std::move(task));
  }
  // As after a restart of the node: new counters, the same items.
  void Restart();

 private:
  const Options options_;
  StepEnv steps_;
  MemoryLocalStore memory_;
  std::unique_ptr<versioning::HybridClock> hybrid_clock_;
  std::unique_ptr<replication::NumberSource> dots_;
  std::unique_ptr<replication::NumberSource> inodes_;
  std::unique_ptr<replication::Primary> primary_;
  std::unique_ptr<client::LocalClient> client_;
};

}  // namespace kvfs::testing
