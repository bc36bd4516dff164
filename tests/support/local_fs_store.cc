#include "tests/support/local_fs_store.h"

#include "kvcore/replication/keys.h"

namespace kvfs::testing {
namespace {

constexpr int64_t kMaxLeadMillis = 60'000;

std::unique_ptr<replication::NumberSource> OpenNumbers(replication::NumberSource::Options options,
                                                       MemoryLocalStore* store, StepEnv* steps) {
  return std::move(*replication::NumberSource::Open(std::move(options), store, steps));
}

}  // namespace

LocalFsStore::LocalFsStore(uint64_t seed, uint32_t chunk_bytes)
    : LocalFsStore(Options{.seed = seed, .chunk_bytes = chunk_bytes, .contents = {}}) {}

LocalFsStore::LocalFsStore(Options options) : options_(std::move(options)), steps_(options_.seed) {
  std::vector<replication::StoreWrite> writes;
  for (const auto& [key, value] : options_.contents) {
    replication::StoreWrite& write = writes.emplace_back();
    write.key = key;
    write.value = value;
  }
  [[maybe_unused]] const auto loaded = memory_.Apply(std::move(writes), {});
  assert(loaded.ok());
  Restart();
}

void LocalFsStore::Restart() {
  client::StoreInfo info;
  info.cluster_id = Bytes(16, 'k');
  info.name_hash_key = {1, 2};
  info.chunk_bytes = options_.chunk_bytes;
  info.partition_bits = 8;
  info.storage_epoch = options_.storage_epoch;

  client_.reset();
  primary_.reset();
  hybrid_clock_ = std::make_unique<versioning::HybridClock>(kMaxLeadMillis);
  dots_ = OpenNumbers({.key = replication::NodeLocalKey("dots")}, &memory_, &steps_);
  inodes_ = OpenNumbers({.key = replication::NodeLocalKey("inodes"),
                         .first = (options_.inode_grant << client::kInodeCounterBits) + 1,
                         .block = 1024,
                         .end = (options_.inode_grant + 1) << client::kInodeCounterBits},
                        &memory_, &steps_);
  primary_ = std::make_unique<replication::Primary>(
      replication::PrimaryOptions{.partition_bits = info.partition_bits,
                                  .storage_epoch = info.storage_epoch,
                                  .one_actor = options_.one_actor},
      &memory_, dots_.get(), hybrid_clock_.get(), &steps_, &steps_);
  client_ = std::make_unique<client::LocalClient>(
      std::move(info), client::LocalClient::Parts{.store = &memory_,
                                                  .primary = primary_.get(),
                                                  .inodes = inodes_.get(),
                                                  .hybrid_clock = hybrid_clock_.get(),
                                                  .clock = &steps_});
}

}  // namespace kvfs::testing
