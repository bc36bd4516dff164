// A script: steps on a mounted filesystem, each one atomic and acknowledged as a
// whole, so that a test may cut it anywhere and know what may be left. FsDriver
// carries steps out on a Vfs in the simulator, and reads the whole tree back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fs/vfs/vfs.h"
#include "kvcore/env/sim/sim_world.h"

namespace kvfs::fs::crash {

struct Step {
  enum class Kind : uint8_t {
    kCreate,    // path
    kWrite,     // path: `size` bytes drawn from `fill` at `offset`, then close
    kAppend,    // path: the same at the end
    kTruncate,  // path to `size`
    kPunch,     // path: a hole of `size` bytes at `offset`
    kCopy,      // the first `size` bytes of `to` from those of `path`, sharing chunks
    kMkdir,
    kRmdir,
    kUnlink,
    kLink,      // path gets the further name `to`
    kSymlink,   // path points to `to`
    kRename,    // path to `to`
    kExchange,  // path and `to`
    kChmod,     // path to mode `size`
    kXattr,     // path: user.test of `size` bytes
    kFsync,     // path; everything acknowledged before is durable then
    kRest,      // `size` microseconds pass, so that background work runs
  };
  Kind kind = Kind::kRest;
  std::string path;
  std::string to;
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t fill = 0;
};

std::string ToString(const Step& step);

// Path -> what is there: type, mode, links, size, content. Equal trees look equal to any program.
using Tree = std::map<std::string, std::string>;

class FsDriver {
 public:
  FsDriver(env::sim::SimWorld* world, Vfs* vfs) : world_(world), vfs_(vfs) {}

  // 0, or the errno the step failed with.
  int Do(const Step& step);
  // Empty, and an errno in `error`, if anything could not be read.
  Tree ReadTree(int* error);

 private:
  template <typename T>
  T Run(Task<T> task) {
    return world_->Run(std::move(task));
  }
  FsResult<Ino> Resolve(const std::string& path);
  FsResult<Ino> ResolveParent(const std::string& path, std::string* name);
  int DoTwoPaths(const Step& step);
  int WriteTo(const Step& step);
  int ReadInto(Ino dir, const std::string& prefix, Tree* tree);
  int Describe(Ino ino, const Attr& attr, std::string* text);

  env::sim::SimWorld* const world_;
  Vfs* const vfs_;
};

}  // namespace kvfs::fs::crash
