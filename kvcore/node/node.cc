#include "kvcore/node/node.h"

#include <algorithm>
#include <utility>

#include "kvcore/engine/file_names.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

using replication::NodeLocalKey;
using replication::NumberSource;

// One fdatasync per this many commits, and per this many new inodes.
constexpr uint64_t kDotBlock = 1u << 20;
constexpr uint64_t kInodeBlock = 1u << 14;
// How far ahead of this machine's clock another's may be.
constexpr int64_t kMaxClockLeadMillis = 60'000;

constexpr uint64_t kMinMemtableBytes = 1u << 20;
constexpr uint64_t kMaxMemtableBytes = 64u << 20;

// What tells the directory of a store from a copy of it. The engine makes the lock with the store
// and never replaces it; programs that copy or restore a directory make another file of it.
Result<Bytes> DirectoryIdentity(const std::string& directory, env::FileSystem* files) {
  return files->FileIdentity(engine::FilePath(directory, engine::FileKind::kLock));
}

}  // namespace

engine::Options EngineOptions(const NodeOptions& options) {
  engine::Options engine;
  // One memtable that fills and up to two that wait for their flush; the cache gets the rest.
  engine.memtable_bytes =
      std::clamp(options.memory_bytes / 6, kMinMemtableBytes, kMaxMemtableBytes);
  engine.block_cache_bytes =
      options.memory_bytes - std::min(options.memory_bytes / 2, 3 * engine.memtable_bytes);
  engine.capacity_bytes = options.capacity_bytes;
  engine.reserve_bytes = options.reserve_bytes;
  engine.background_sync_micros = options.background_sync_micros;
  engine.read_only = options.read_only;
  engine.holder = options.holder;
  return engine;
}

Node::Node(std::unique_ptr<engine::Db> db, env::Env env)
    : env_(env), db_(std::move(db)), store_(db_.get()), hybrid_clock_(kMaxClockLeadMillis) {}

Task<Result<std::unique_ptr<Node>>> Node::Open(NodeOptions options, env::Env env,
                                               std::string directory) {
  return Open(EngineOptions(options), env, std::move(directory));
}

Task<Result<std::unique_ptr<Node>>> Node::Open(engine::Options options, env::Env env,
                                               std::string directory) {
  KVFS_CO_ASSIGN_OR_RETURN(auto db, engine::Db::Open(options, env, directory));
  std::unique_ptr<Node> node(new Node(std::move(db), env));
  Status started = co_await node->Start(directory, options.read_only);
  if (!started.ok()) {
    co_return started.Annotate(directory);
  }
  co_return std::move(node);
}

Task<Status> Node::Start(const std::string& directory, bool read_only) {
  KVFS_CO_ASSIGN_OR_RETURN(Bytes directory_identity, DirectoryIdentity(directory, env_.files));
  Result<Identity> identity = LoadIdentity(&store_);
  if (identity.ok()) {
    identity_ = std::move(*identity);
    if (identity_.directory_identity != directory_identity && !read_only) {
      // A copy: whatever it was taken from may go on beside it, and two stores must never mint the
      // same dot.
      RenewStorageEpoch(&identity_, env_.random, std::move(directory_identity));
      Status saved = co_await SaveIdentity(identity_, &store_);
      KVFS_CO_RETURN_IF_ERROR(saved);
    }
  } else if (identity.status().code() != Code::kNotFound) {
    co_return identity.status();
  } else if (read_only) {
    co_return Status::InvalidArgument("the store was never finished being made");
  } else {
    identity_ = NewIdentity(env_.random, std::move(directory_identity));
    Status saved = co_await SaveIdentity(identity_, &store_);
    KVFS_CO_RETURN_IF_ERROR(saved);
  }

  KVFS_CO_ASSIGN_OR_RETURN(
      dots_, NumberSource::Open({.key = NodeLocalKey("dots"), .block = kDotBlock}, &store_,
                                env_.scheduler));
  const uint64_t grant = identity_.inode_grant;
  KVFS_CO_ASSIGN_OR_RETURN(inodes_,
                           NumberSource::Open({.key = NodeLocalKey("inodes"),
                                               .first = (grant << client::kInodeCounterBits) + 1,
                                               .block = kInodeBlock,
                                               .end = (grant + 1) << client::kInodeCounterBits},
                                              &store_, env_.scheduler));
  primary_ = std::make_unique<replication::Primary>(
      replication::PrimaryOptions{.partition_bits = identity_.partition_bits,
                                  .storage_epoch = identity_.storage_epochs.back(),
                                  .one_actor = identity_.storage_epochs.size() == 1,
                                  .epoch = {1, identity_.node_id}},
      &store_, dots_.get(), &hybrid_clock_, env_.clock, env_.scheduler);
  client_ = std::make_unique<client::LocalClient>(
      identity_.ToStoreInfo(), client::LocalClient::Parts{.store = &store_,
                                                          .primary = primary_.get(),
                                                          .inodes = inodes_.get(),
                                                          .hybrid_clock = &hybrid_clock_,
                                                          .clock = env_.clock});
  co_return Status::Ok();
}

Task<Status> Node::Checkpoint(std::string directory) {
  // Whoever opens it finds another directory identity and renews the storage epoch.
  Status copied = co_await db_->Checkpoint(directory);
  co_return copied;
}

Task<Status> Node::Close() {
  KVFS_CO_RETURN_IF_ERROR(dots_->Close());
  KVFS_CO_RETURN_IF_ERROR(inodes_->Close());
  Status synced = co_await store_.Sync(store_.LastPosition());
  co_return synced;
}

}  // namespace kvfs::node
