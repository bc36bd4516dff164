#include "tests/crash/engine_script.h"

#include <utility>

namespace kvfs::engine {

std::vector<Change> Changes(uint64_t seed, uint64_t number) {
  env::sim::SimRandom random(seed * 1000003 + number);
  std::vector<Change> changes;
  const uint64_t count = 1 + env::sim::Uniform(random, 4);
  for (uint64_t i = 0; i < count; ++i) {
    Change change;
    change.key = "key" + std::to_string(env::sim::Uniform(random, 40));
    if (env::sim::Uniform(random, 4) != 0) {
      change.blob = env::sim::Uniform(random, 4) == 0;
      const uint64_t size =
          change.blob ? 200 + env::sim::Uniform(random, 6000) : env::sim::Uniform(random, 300);
      Bytes value(size, '\0');
      for (char& c : value) {
        c = static_cast<char>('a' + env::sim::Uniform(random, 4));
      }
      change.value = value + std::to_string(number);
    }
    changes.push_back(std::move(change));
  }
  changes.push_back({kNumberKey, std::to_string(number), false});
  return changes;
}

void Apply(const std::vector<Change>& changes, Contents* contents) {
  for (const Change& change : changes) {
    if (change.value) {
      (*contents)[change.key] = *change.value;
    } else {
      contents->erase(change.key);
    }
  }
}

Result<Position> Write(Db* db, const std::vector<Change>& changes) {
  WriteBatch batch;
  for (const Change& change : changes) {
    if (!change.value) {
      const auto pointer = db->GetBlobPointer(change.key);
      pointer.ok() ? batch.DeleteBlob(change.key, *pointer) : batch.Delete(change.key);
    } else if (change.blob) {
      KVFS_ASSIGN_OR_RETURN(const BlobPointer pointer, db->PutBlob(*change.value));
      batch.PutBlob(change.key, pointer);
    } else {
      batch.Put(change.key, *change.value);
    }
  }
  return db->Write(batch);
}

Result<Contents> ReadAll(Db* db) {
  Contents contents;
  auto it = db->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const Bytes key(it->key());
    const Bytes value(it->value());
    if (!it->Valid()) {
      break;  // a blob could not be read
    }
    contents[key] = value;
  }
  KVFS_RETURN_IF_ERROR(it->status());
  for (const auto& [key, value] : contents) {
    auto got = db->Get(key);
    KVFS_RETURN_IF_ERROR(got.status());
    if (*got != value) {
      return Status::Corruption("get and iterator differ at " + key);
    }
  }
  return contents;
}

}  // namespace kvfs::engine
