// The model test: a seeded random sequence of file system calls, made in lockstep
// on a directory under test and on a directory of a file system that is trusted.
// Single-threaded. The first difference ends it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/fuse/model/outcome.h"
#include "tests/fuse/model/tree.h"

namespace kvfs::model {

struct Options {
  std::string under_test;
  std::string reference;
  uint64_t seed = 1;
  uint64_t operations = 200'000;
  // The two whole trees are compared every so many operations.
  uint64_t compare_every = 20'000;
  // Every so many operations all files are closed, the hook is run, and the trees
  // are compared; 0: never.
  uint64_t hook_every = 0;
  std::string hook;
  // Where every operation is written, for looking at a failure.
  std::string log;
  // fsync is what a slow reference spends its time in.
  bool fsync = true;
};

// The two sides disagreed.
class Mismatch : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Model {
 public:
  explicit Model(const Options& options);
  ~Model();

  // Throws Mismatch.
  void Run();
  const std::deque<std::string>& last_operations() const { return last_; }
  uint64_t operations_done() const { return done_; }
  // How many of the operations succeeded: a run where few do tests little.
  uint64_t succeeded() const { return succeeded_; }

 private:
  struct Handle {
    std::array<int, 2> fd;
    std::string path;
    int flags;
  };
  struct Identity {
    unsigned uid;
    unsigned gid;
  };
  using Action = std::function<Outcome(int side)>;

  // Runs the action on both sides as the identity drawn for it, compares, and
  // returns the outcome (of the reference).
  Outcome Both(const std::string& what, const Action& action);
  void Note(const std::string& what);
  [[noreturn]] void Fail(const std::string& what);

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool Chance(unsigned percent) { return Below(100) < percent; }
  std::string Full(int side, const std::string& path) const { return roots_[side] + path; }

  // Operands.
  std::string AnyDirectory();
  std::string NewPath();
  std::string Existing(mode_t type = 0);
  std::string AnyPath(mode_t preferred_type = 0);
  std::string Bytes(size_t size);
  uint64_t Offset();
  size_t Length();
  timespec Time();
  Handle* AnyHandle();

  void OpenHandle(const std::string& path, int flags, unsigned mode);
  void CloseAll();
  void CompareAll(const std::string& when);
  void RunHook();

  // Names (names.cc).
  void OpCreate();
  void OpMkdir();
  void OpRmdir();
  void OpUnlink();
  void OpRename();
  void OpLink();
  void OpSymlink();
  void OpReadlink();
  void OpMknod();
  void OpReaddir();
  void OpLongName();
  void OpWriteWhole();
  // Attributes (attributes.cc).
  void OpStat();
  void OpChmod();
  void OpChown();
  void OpUtimens();
  void OpTruncate();
  void OpSetXattr();
  void OpGetXattr();
  void OpRemoveXattr();
  void OpListXattr();
  // Open files (handles.cc).
  void OpOpen();
  void OpClose();
  void OpWrite();
  void OpPwrite();
  void OpPread();
  void OpFtruncate();
  void OpFallocate();
  void OpFsync();
  void OpFstat();
  void OpSeek();
  void OpCopyRange();
  void OpMmap();
  void OpFutimens();

  // Open directories (directories.cc).
  void OpOpenDirectory();
  void OpThroughDirectory();
  void CloseDirectory();

  struct Weighted {
    unsigned weight;
    void (Model::*operation)();
  };
  static const std::vector<Weighted>& Operations();

  const Options options_;
  std::array<std::string, 2> roots_;
  std::mt19937_64 random_;
  Tree tree_;
  std::vector<Handle> handles_;
  std::vector<Handle> directories_;
  Identity identity_{0, 0};
  bool privileged_ = false;
  uint64_t done_ = 0;
  uint64_t succeeded_ = 0;
  std::deque<std::string> last_;
  FILE* log_ = nullptr;
};

}  // namespace kvfs::model
