#include "tests/bench/engine_under_test.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "kvcore/engine/db.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"

#ifdef KVFS_HAVE_LEVELDB
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#endif
#ifdef KVFS_HAVE_ROCKSDB
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#endif

namespace kvfs::bench {
namespace {

constexpr size_t kBufferBytes = 32u << 20;
constexpr int kBloomBits = 10;

template <typename S>
void Check(const S& status) {
  if (!status.ok()) Fail(status.ToString());
}

class KvfsEngine final : public EngineUnderTest {
 public:
  KvfsEngine(const std::string& directory, const EngineSettings& settings) : posix_(2) {
    engine::Options options;
    options.memtable_bytes = kBufferBytes;
    options.block_cache_bytes = settings.cache_bytes;
    options.bloom_bits_per_key = kBloomBits;
    blob_threshold_ = options.blob_threshold_bytes;
    auto db = engine::Db::Open(options, posix_.env(), directory);
    if (!db.ok()) Fail(db.status().ToString());
    db_ = std::move(*db);
  }

  void Put(std::string_view key, std::string_view value, bool sync) override {
    engine::WriteBatch batch;
    Admit(key.size() + value.size());
    if (value.size() >= blob_threshold_) {
      const auto pointer = db_->PutBlob(value);
      if (!pointer.ok()) Fail(pointer.status().ToString());
      batch.PutBlob(key, *pointer);
    } else {
      batch.Put(key, value);
    }
    Write(batch, sync);
  }
  void Delete(std::string_view key) override {
    Admit(key.size());
    engine::WriteBatch batch;
    const auto pointer = db_->GetBlobPointer(key);
    if (pointer.ok()) {
      batch.DeleteBlob(key, *pointer);
    } else {
      batch.Delete(key);
    }
    Write(batch, false);
  }
  bool Get(std::string_view key, std::string* value) override {
    const Status read = db_->GetInto(key, {}, value);
    if (read.code() == Code::kNotFound) return false;
    Check(read);
    return true;
  }
  size_t Scan(std::string_view key, size_t limit) override {
    const auto iterator = db_->NewIterator({});
    size_t bytes = 0;
    for (key.empty() ? iterator->SeekToFirst() : iterator->Seek(key);
         iterator->Valid() && limit > 0; iterator->Next(), --limit) {
      bytes += iterator->key().size() + iterator->value().size();
    }
    Check(iterator->status());
    return bytes;
  }
  void Settle() override { Check(env::posix::BlockingWait(db_->CompactAll())); }
  void Flush() override { Check(env::posix::BlockingWait(db_->Sync(db_->LastPosition()))); }

 private:
  void Admit(size_t bytes) {
    Task<Status> admitted = db_->Admit(bytes);
    Check(admitted.IsDone() ? admitted.TakeValue() : env::posix::BlockingWait(std::move(admitted)));
  }
  void Write(const engine::WriteBatch& batch, bool sync) {
    const auto position = db_->Write(batch);
    if (!position.ok()) Fail(position.status().ToString());
    if (sync) Check(env::posix::BlockingWait(db_->Sync(*position)));
  }

  env::posix::PosixEnv posix_;
  std::unique_ptr<engine::Db> db_;
  size_t blob_threshold_ = 0;
};

#ifdef KVFS_HAVE_LEVELDB
class LevelEngine final : public EngineUnderTest {
 public:
  LevelEngine(const std::string& directory, const EngineSettings& settings)
      : cache_(leveldb::NewLRUCache(settings.cache_bytes)),
        filter_(leveldb::NewBloomFilterPolicy(kBloomBits)) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = kBufferBytes;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    leveldb::DB* db = nullptr;
    Check(leveldb::DB::Open(options, directory, &db));
    db_.reset(db);
  }

  void Put(std::string_view key, std::string_view value, bool sync) override {
    leveldb::WriteOptions options;
    options.sync = sync;
    Check(db_->Put(options, Slice(key), Slice(value)));
  }
  void Delete(std::string_view key) override { Check(db_->Delete({}, Slice(key))); }
  bool Get(std::string_view key, std::string* value) override {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    const leveldb::Status status = db_->Get(options, Slice(key), value);
    if (status.IsNotFound()) return false;
    Check(status);
    return true;
  }
  size_t Scan(std::string_view key, size_t limit) override {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    const std::unique_ptr<leveldb::Iterator> iterator(db_->NewIterator(options));
    size_t bytes = 0;
    for (key.empty() ? iterator->SeekToFirst() : iterator->Seek(Slice(key));
         iterator->Valid() && limit > 0; iterator->Next(), --limit) {
      bytes += iterator->key().size() + iterator->value().size();
    }
    Check(iterator->status());
    return bytes;
  }
  void Settle() override { db_->CompactRange(nullptr, nullptr); }
  void Flush() override { Put("~", "", true); }

 private:
  static leveldb::Slice Slice(std::string_view view) { return {view.data(), view.size()}; }

  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> db_;
};
#endif

#ifdef KVFS_HAVE_ROCKSDB
class RocksEngine final : public EngineUnderTest {
 public:
  RocksEngine(const std::string& directory, const EngineSettings& settings, bool blobs) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(settings.cache_bytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBits));
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = kBufferBytes;
    options.compression = rocksdb::kSnappyCompression;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    if (blobs) {
      options.enable_blob_files = true;
      options.min_blob_size = 4096;
      options.blob_compression_type = rocksdb::kSnappyCompression;
      options.enable_blob_garbage_collection = true;
    }
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(options, directory, &db));
    db_.reset(db);
  }

  void Put(std::string_view key, std::string_view value, bool sync) override {
    rocksdb::WriteOptions options;
    options.sync = sync;
    Check(db_->Put(options, Slice(key), Slice(value)));
  }
  void Delete(std::string_view key) override { Check(db_->Delete({}, Slice(key))); }
  bool Get(std::string_view key, std::string* value) override {
    const rocksdb::Status status = db_->Get({}, Slice(key), value);
    if (status.IsNotFound()) return false;
    Check(status);
    return true;
  }
  size_t Scan(std::string_view key, size_t limit) override {
    const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator({}));
    size_t bytes = 0;
    for (key.empty() ? iterator->SeekToFirst() : iterator->Seek(Slice(key));
         iterator->Valid() && limit > 0; iterator->Next(), --limit) {
      bytes += iterator->key().size() + iterator->value().size();
    }
    Check(iterator->status());
    return bytes;
  }
  void Settle() override { Check(db_->CompactRange({}, nullptr, nullptr)); }
  void Flush() override { Check(db_->SyncWAL()); }

 private:
  static rocksdb::Slice Slice(std::string_view view) { return {view.data(), view.size()}; }

  std::unique_ptr<rocksdb::DB> db_;
};
#endif

}  // namespace

void Fail(const std::string& what) {
  std::fprintf(stderr, "engine_bench: %s\n", what.c_str());
  std::exit(1);
}

std::vector<EngineKind> EngineKinds() {
  using Part = EngineKind::Part;
  std::vector<EngineKind> kinds;
  kinds.push_back(
      {"kvfs", Part::kEngine, [](const std::string& directory, const EngineSettings& settings) {
         return std::make_unique<KvfsEngine>(directory, settings);
       }});
#ifdef KVFS_HAVE_LEVELDB
  kinds.push_back(
      {"leveldb", Part::kEngine, [](const std::string& directory, const EngineSettings& settings) {
         return std::make_unique<LevelEngine>(directory, settings);
       }});
#endif
#ifdef KVFS_HAVE_ROCKSDB
  kinds.push_back(
      {"rocksdb", Part::kEngine, [](const std::string& directory, const EngineSettings& settings) {
         return std::make_unique<RocksEngine>(directory, settings, false);
       }});
  kinds.push_back({"rocksdb+blobs", Part::kBlobEngine,
                   [](const std::string& directory, const EngineSettings& settings) {
                     return std::make_unique<RocksEngine>(directory, settings, true);
                   }});
#endif
  kinds.push_back({"raw", Part::kRaw, [](const std::string& directory, const EngineSettings&) {
                     return OpenRaw(directory);
                   }});
  return kinds;
}

}  // namespace kvfs::bench
