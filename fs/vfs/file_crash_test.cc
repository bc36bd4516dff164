// The FileManager on a whole node in the simulator: a workload on a few files is cut at
// each of its I/Os, by the death of the process or by a power loss. Afterwards each
// file is one version that it had since it was last made safe, and the references of
// chunks are exactly those that the files need.

#include <random>

#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/vfs/content_reader.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/reference_audit_test_support.h"
#include "kvcore/env/sim/sim_world.h"
#include "kvcore/node/node.h"
#include "kvcore/node/store_check.h"

namespace kvfs::fs {
namespace {

using env::sim::CrashMode;
using env::sim::SimWorld;

constexpr uint64_t kChunk = 128u << 10;

engine::Options SmallEngine() {
  engine::Options options;
  options.memtable_bytes = 64u << 10;
  options.block_cache_bytes = 256u << 10;
  options.blob_file_bytes = 1u << 20;
  options.table_bytes = 64u << 10;
  options.level1_bytes = 256u << 10;
  options.reserve_bytes = 0;
  return options;
}

struct File {
  InodeRef ref;
  FileHandle handle = 0;
  // The versions it may be found in: all since it was last made safe, oldest first. Empty content
  // of a file that may not exist is told apart by `may_be_missing`.
  std::vector<Bytes> versions{""};
  size_t published = 0;  // the oldest that a death of the process may leave
  size_t durable = 0;    // the oldest that a power loss may leave
  bool may_be_missing = true;
};

class Life {
 public:
  explicit Life(uint64_t seed) : world_({.seed = seed}), random_(seed) {}
  ~Life() { Stop(); }

  SimWorld& world() { return world_; }
  bool failed() const { return failed_; }
  template <typename T>
  T Run(Task<T> task) {
    return world_.Run(std::move(task));
  }

  bool Boot() {
    auto opened = Run(node::Node::Open(SmallEngine(), world_.env(), "/data"));
    if (!opened.ok()) {
      open_error_ = opened.status();
      return false;
    }
    node_ = std::move(*opened);
    names_ =
        std::make_unique<Namespace>(NamespaceOptions{}, node_->client(), world_.env(), nullptr);
    FileManagerOptions options;
    options.write_buffer_bytes = 4u << 20;
    options.fold_blocks = 3;
    options.unfolded_bytes = 32u << 10;
    options.fold_after_micros = 1'000'000;
    files_ = FileManager::Create(options, node_->client(), world_.env());
    return true;
  }
  const Status& open_error() const { return open_error_; }

  void Work(int steps) {
    Check(Run(names_->Initialise({})));
    for (int i = 0; i < steps && !failed_; ++i) {
      Step();
      world_.RunUntilIdle();
    }
    if (!failed_) {
      Check(Run(files_->Drain(false)));
    }
  }

  void Crash(CrashMode mode) {
    Stop();
    world_.files().Crash(world_.random(), mode);
    failed_ = false;
  }

  void CheckAll(CrashMode mode) {
    std::map<std::string, File> found;
    for (auto& [name, file] : open_) {
      auto node = Run(names_->Lookup({kRootIno, kRootIno}, name));
      if (!node.ok()) {
        ASSERT_EQ(node.error().value(), ENOENT);
        ASSERT_TRUE(file.may_be_missing) << name;
        continue;
      }
      auto pieces = Run(files_->Read(node->ref, 0, 1u << 30));
      ASSERT_TRUE(pieces.ok()) << pieces.error().value();
      const Bytes bytes = JoinPieces(*pieces);
      const size_t oldest = mode == CrashMode::kProcessDeath ? file.published : file.durable;
      size_t at = file.versions.size();
      while (at > oldest && file.versions[at - 1] != bytes) {
        --at;
      }
      ASSERT_GT(at, oldest) << name << " has " << bytes.size() << " bytes of no version; "
                            << file.versions.size() << " of them, published " << file.published
                            << ", durable " << file.durable;
      File& again = found[name];
      again.ref = node->ref;
      again.versions.assign(1, bytes);
      again.may_be_missing = false;
    }
    // Deleted files that were there again, or not yet quite gone.
    for (const std::string& name : deleted_) {
      auto node = Run(names_->Lookup({kRootIno, kRootIno}, name));
      if (node.ok()) {
        ASSERT_TRUE(Run(names_->Unlink({kRootIno, kRootIno}, name)).ok());
      }
    }
    deleted_.clear();
    bool more = true;
    while (more) {
      auto worked = Run(files_->RunDueWork());
      ASSERT_TRUE(worked.ok()) << worked.error().value();
      more = *worked;
    }
    open_ = std::move(found);
    NeededReferences<Life> needed(node_->client(), this);
    for (auto& [name, file] : open_) {
      needed.Add(file.ref);
      auto handle = Run(files_->Open(file.ref));
      ASSERT_TRUE(handle.ok());
      file.handle = *handle;
    }
    ASSERT_EQ(StoredReferences(node_->store()), needed.references());
    const auto report = node::CheckStore(node_->identity(), {}, node_->store());
    ASSERT_TRUE(report.ok());
    for (const node::StoreProblem& problem : report->problems) {
      ASSERT_EQ(problem.kind, "leftover-state") << problem.message;
    }
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  // False, and the run is over, if it failed: nobody knows what happened of it.
  bool Check(Errno outcome) {
    failed_ = failed_ || !outcome.ok();
    return outcome.ok();
  }

  void Stop() {
    if (files_) {
      (void)Run(files_->Drain(false));
    }
    files_.reset();
    names_.reset();
    node_.reset();
  }

  void Step() {
    if (open_.size() < 3) {
      Create();
      return;
    }
    auto it = std::next(open_.begin(), static_cast<ptrdiff_t>(Below(open_.size())));
    File* file = &it->second;
    switch (Below(10)) {
      case 0:
        if (Check(Run(files_->Fsync(file->ref, file->handle)))) {
          file->durable = file->published = file->versions.size() - 1;
          file->may_be_missing = false;
        }
        break;
      case 1:
        if (Check(Run(files_->Flush(file->ref, file->handle)))) {
          file->published = file->versions.size() - 1;
        }
        break;
      case 2: {
        Bytes next = file->versions.back();
        const uint64_t size = Below(12 * kChunk);
        next.resize(size, '\0');
        file->versions.push_back(next);
        auto attr = Run(files_->Truncate(file->ref, size));
        if (Check(attr.ok() ? Errno() : attr.error())) {
          file->published = file->versions.size() - 1;
        }
        break;
      }
      case 3: {
        Bytes next = file->versions.back();
        const uint64_t offset = Below(10 * kChunk);
        const uint64_t end = std::min<uint64_t>(next.size(), offset + Below(4 * kChunk) + 1);
        if (offset < end) {
          next.replace(offset, end - offset, end - offset, '\0');
        }
        file->versions.push_back(next);
        if (Check(Run(files_->Fallocate(file->ref, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                        offset, end > offset ? end - offset : 1)))) {
          file->published = file->versions.size() - 1;
        }
        break;
      }
      case 4:
        Copy(file);
        break;
      case 5:
        if (Below(3) == 0) {
          Delete(it->first);
        } else {  // overlays fold
          world_.RunFor(3'000'000);
          const auto worked = Run(files_->RunDueWork());
          Check(worked.ok() ? Errno() : worked.error());
        }
        break;
      default:
        Write(file);
        break;
    }
  }

  void Create() {
    const std::string name = "f" + std::to_string(next_name_++);
    File& file = open_[name];
    auto node = Run(names_->MakeNode({kRootIno, kRootIno}, name, S_IFREG | 0644, 0, {}));
    if (!Check(node.ok() ? Errno() : node.error())) {
      return;
    }
    file.ref = node->ref;
    auto handle = Run(files_->Open(file.ref));
    ASSERT_TRUE(handle.ok());
    file.handle = *handle;
  }

  void Write(File* file) {
    const uint64_t size = 1 + Below(Below(4) == 0 ? 3 * kChunk : 6000);
    Bytes data(size, '\0');
    const uint64_t kind = Below(3);
    for (size_t i = 0; i < size; ++i) {
      data[i] = static_cast<char>(kind == 0 ? random_() : (kind * i / 100));
    }
    const bool append = Below(3) == 0;
    Bytes next = file->versions.back();
    const uint64_t offset = append ? next.size() : Below(Below(2) == 0 ? 10 * kChunk : 20'000);
    if (next.size() < offset + size) {
      next.resize(offset + size, '\0');
    }
    next.replace(offset, size, data);
    file->versions.push_back(std::move(next));
    auto end = Run(files_->Write(file->ref, offset, std::move(data), append));
    Check(end.ok() ? Errno() : end.error());
  }

  void Copy(File* to) {
    File& from = std::next(open_.begin(), static_cast<ptrdiff_t>(Below(open_.size())))->second;
    if (&from == to || from.versions.back().empty()) {
      return;
    }
    const Bytes source = from.versions.back();
    auto copied = Run(files_->CopyRange(from.ref, 0, to->ref, 0, source.size()));
    Bytes next = to->versions.back();
    // It may have happened, in whole, where the answer is an error.
    const uint64_t size = copied.ok() ? *copied : source.size();
    next.resize(std::max<uint64_t>(next.size(), size), '\0');
    next.replace(0, size, source, 0, size);
    to->versions.push_back(std::move(next));
    Check(copied.ok() ? Errno() : copied.error());
  }

  void Delete(std::string name) {
    const File file = open_[name];
    deleted_.insert(name);
    open_.erase(name);
    const auto removed = Run(names_->Unlink({kRootIno, kRootIno}, name));
    if (Check(removed.ok() ? Errno() : removed.error()) &&
        Check(Run(files_->Release(file.ref, file.handle)))) {
      Check(Run(files_->ReclaimOrphan(file.ref)));
    }
  }

  SimWorld world_;
  std::mt19937_64 random_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<Namespace> names_;
  std::unique_ptr<FileManager> files_;
  Status open_error_;
  bool failed_ = false;
  int next_name_ = 0;
  std::map<std::string, File> open_;
  std::set<std::string> deleted_;
};

class FileCrashTest : public ::testing::TestWithParam<CrashMode> {};

TEST_P(FileCrashTest, AtEveryIo) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    for (uint64_t nth = 1;; nth += 1 + nth / 30) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", cut at I/O " + std::to_string(nth));
      Life life(seed);
      life.world().files().PowerOffAt(nth);
      if (life.Boot()) {
        life.Work(60);
      } else {
        ASSERT_TRUE(life.world().files().IsOff()) << life.open_error().ToString();
      }
      const bool cut = life.world().files().IsOff();
      life.Crash(GetParam());
      ASSERT_TRUE(life.Boot()) << life.open_error().ToString();
      ASSERT_NO_FATAL_FAILURE(life.CheckAll(GetParam()));
      life.Work(10);
      ASSERT_FALSE(life.failed());
      ASSERT_NO_FATAL_FAILURE(life.CheckAll(CrashMode::kProcessDeath));
      if (!cut) {
        ASSERT_GT(nth, 60u) << "the workload does too little";
        break;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, FileCrashTest,
                         ::testing::Values(CrashMode::kProcessDeath, CrashMode::kPowerLoss,
                                           CrashMode::kPowerLossMinimum));

}  // namespace
}  // namespace kvfs::fs
