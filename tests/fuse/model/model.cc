#include "tests/fuse/model/model.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/fuse/model/compare.h"

namespace kvfs::model {
namespace {

constexpr size_t kMaxHandles = 12;
constexpr size_t kMaxEntries = 400;

// Acts as another user for the calls in its scope. Root's own rights come back
// with it, so only a process that began as root uses it.
class ActAs {
 public:
  ActAs(bool privileged, unsigned uid, unsigned gid) : active_(privileged && uid != 0) {
    if (active_ && (setegid(gid) != 0 || seteuid(uid) != 0)) abort();
  }
  ~ActAs() {
    if (active_ && (seteuid(0) != 0 || setegid(0) != 0)) abort();
  }
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  const bool active_;
};

}  // namespace

Model::Model(const Options& options)
    : options_(options), random_(options.seed), privileged_(geteuid() == 0) {
  umask(0);
  if (privileged_) (void)!setgroups(0, nullptr);
  roots_ = {options.under_test + "/model", options.reference + "/model"};
  for (const std::string& root : roots_) {
    if (mkdir(root.c_str(), 0777) != 0) {
      throw std::runtime_error("mkdir " + root + ": " + strerror(errno));
    }
  }
  if (!options.log.empty()) log_ = fopen(options.log.c_str(), "w");
}

Model::~Model() {
  for (const Handle& handle : handles_) {
    for (const int fd : handle.fd) close(fd);
  }
  while (!directories_.empty()) CloseDirectory();
  if (log_ != nullptr) fclose(log_);
}

void Model::Note(const std::string& what) {
  std::string line = std::to_string(done_) + " " + what;
  if (log_ != nullptr) {
    fprintf(log_, "%s\n", line.c_str());
    fflush(log_);
  }
  last_.push_back(std::move(line));
  if (last_.size() > 30) last_.pop_front();
}

void Model::Fail(const std::string& what) {
  throw Mismatch("operation " + std::to_string(done_) + ": " + what);
}

Outcome Model::Both(const std::string& what, const Action& action) {
  std::array<Outcome, 2> outcome;
  // The reference first: if the side under test hangs, the log says in what.
  for (const int side : {1, 0}) {
    const ActAs as(privileged_, identity_.uid, identity_.gid);
    outcome[static_cast<size_t>(side)] = action(side);
    if (side == 1) {
      Note(what + (identity_.uid != 0 ? " as " + std::to_string(identity_.uid) : "") + " = " +
           Describe(outcome[1]));
    }
  }
  for (Outcome& one : outcome) {
    // POSIX allows either for a directory that is not empty.
    if (!one.ok() && one.error == ENOTEMPTY) one.error = EEXIST;
  }
  if (outcome[0] != outcome[1]) {
    std::string text =
        what + (identity_.uid != 0 ? " as uid " + std::to_string(identity_.uid) : "");
    text += "\n  under test: " + Describe(outcome[0]) + "\n  reference:  " + Describe(outcome[1]);
    if (outcome[0].ok() && outcome[1].ok() && outcome[0].data != outcome[1].data) {
      text += "\n  data: " + DescribeDifference(outcome[0].data, outcome[1].data);
    }
    Fail(text);
  }
  if (outcome[1].ok()) ++succeeded_;
  return outcome[1];
}

std::string Model::AnyDirectory() {
  const auto directories = tree_.Paths(S_IFDIR);
  const uint64_t pick = Below(directories.size() + 3);
  return pick < directories.size() ? directories[pick] : "";
}

std::string Model::NewPath() {
  std::string path = AnyDirectory();
  // Six levels deep is deep enough here.
  while (std::count(path.begin(), path.end(), '/') >= 6) path.resize(path.rfind('/'));
  return path + "/n" + std::to_string(Below(24));
}

std::string Model::Existing(mode_t type) {
  const auto paths = tree_.Paths(type);
  return paths.empty() ? NewPath() : paths[Below(paths.size())];
}

std::string Model::AnyPath(mode_t preferred_type) {
  const uint64_t draw = Below(100);
  if (draw < 75) return Existing(preferred_type);
  if (draw < 90) return Existing();
  if (draw < 97) return NewPath();
  return Existing() + "/below";  // often through something that is no directory
}

std::string Model::Bytes(size_t size) {
  std::string bytes(size, '\0');
  const uint64_t kind = Below(4);
  if (kind == 0) return bytes;  // zeros look like a hole and must not act like one
  if (kind == 1) {
    const std::string word = "operation " + std::to_string(done_) + "\n";
    for (size_t i = 0; i < size; ++i) bytes[i] = word[i % word.size()];
    return bytes;
  }
  for (size_t i = 0; i < size; i += 8) {
    const uint64_t word = random_();
    memcpy(bytes.data() + i, &word, std::min<size_t>(8, size - i));
  }
  return bytes;
}

uint64_t Model::Offset() {
  switch (Below(8)) {
    case 0:
      return 0;
    case 1:
      return Below(4096);
    case 2:
      return Below(128) * 4096;
    case 3:
      return Below(12) * 128 * 1024 + Below(3) - (Below(2) == 0 ? 0 : 1) * Below(2);
    case 4:
      return Below(3 << 20);
    default:
      return Below(200'000);
  }
}

size_t Model::Length() {
  switch (Below(8)) {
    case 0:
      return Below(16);
    case 1:
    case 2:
      return 4096;
    case 3:
      return Below(130) * 1024 + Below(1024);
    case 4:
      return 131'072;
    default:
      return Below(6000);
  }
}

timespec Model::Time() {
  return {static_cast<time_t>(1'000'000'000 + Below(500'000'000)),
          static_cast<long>(Below(1'000'000'000))};
}

Model::Handle* Model::AnyHandle() {
  return handles_.empty() ? nullptr : &handles_[Below(handles_.size())];
}

void Model::OpenHandle(const std::string& path, int flags, unsigned mode) {
  std::array<int, 2> fd{-1, -1};
  char text[64];
  snprintf(text, sizeof text, " flags=%x mode=%o", static_cast<unsigned>(flags), mode);
  const Outcome outcome = Both("open " + path + text, [&](int side) {
    const int result = open(Full(side, path).c_str(), flags | O_NONBLOCK | O_CLOEXEC, mode);
    fd[static_cast<size_t>(side)] = result;
    return FromCall(result < 0 ? -1 : 0);
  });
  if (!outcome.ok()) {
    for (const int one : fd) {
      if (one >= 0) close(one);
    }
    return;
  }
  struct stat st;
  if (fstat(fd[1], &st) != 0 || !S_ISREG(st.st_mode)) {
    for (const int one : fd) close(one);
    return;
  }
  if ((flags & O_CREAT) != 0 && (flags & O_NOFOLLOW) != 0) tree_.Add(path, S_IFREG);
  if (handles_.size() >= kMaxHandles) OpClose();
  handles_.push_back({fd, path, flags});
}

void Model::CloseAll() {
  while (!handles_.empty()) OpClose();
  while (!directories_.empty()) CloseDirectory();
}

void Model::CompareAll(const std::string& when) {
  const std::string found = CompareTrees(roots_[0], roots_[1]);
  if (!found.empty()) Fail(when + ": " + found);
}

void Model::RunHook() {
  CloseAll();
  Note("hook");
  const int status = system(options_.hook.c_str());
  if (status != 0) {
    throw std::runtime_error("hook failed with status " + std::to_string(status) + ": " +
                             options_.hook);
  }
}

const std::vector<Model::Weighted>& Model::Operations() {
  static const std::vector<Weighted> operations = {
      {8, &Model::OpCreate},    {5, &Model::OpMkdir},         {3, &Model::OpRmdir},
      {6, &Model::OpUnlink},    {8, &Model::OpRename},        {4, &Model::OpLink},
      {3, &Model::OpSymlink},   {2, &Model::OpReadlink},      {2, &Model::OpMknod},
      {3, &Model::OpReaddir},   {1, &Model::OpLongName},      {5, &Model::OpWriteWhole},
      {6, &Model::OpStat},      {4, &Model::OpChmod},         {3, &Model::OpChown},
      {4, &Model::OpUtimens},   {4, &Model::OpTruncate},      {3, &Model::OpSetXattr},
      {2, &Model::OpGetXattr},  {1, &Model::OpRemoveXattr},   {1, &Model::OpListXattr},
      {8, &Model::OpOpen},      {3, &Model::OpClose},         {10, &Model::OpWrite},
      {14, &Model::OpPwrite},   {14, &Model::OpPread},        {4, &Model::OpFtruncate},
      {4, &Model::OpFallocate}, {1, &Model::OpFsync},         {4, &Model::OpFstat},
      {2, &Model::OpSeek},      {3, &Model::OpCopyRange},     {2, &Model::OpMmap},
      {2, &Model::OpFutimens},  {1, &Model::OpOpenDirectory}, {5, &Model::OpThroughDirectory},
  };
  return operations;
}

void Model::Run() {
  unsigned total = 0;
  for (const Weighted& one : Operations()) total += one.weight;
  while (done_ < options_.operations) {
    ++done_;
    identity_ = {0, 0};
    if (privileged_ && Chance(25)) {
      identity_ = Chance(60) ? Identity{1001, 1001} : Identity{1002, 1001};
    }
    uint64_t draw = Below(total);
    for (const Weighted& one : Operations()) {
      if (draw < one.weight) {
        (this->*one.operation)();
        break;
      }
      draw -= one.weight;
    }
    // A tree that only grows would make every comparison longer than the last.
    while (tree_.size() > kMaxEntries) {
      identity_ = {0, 0};
      const size_t before = tree_.size();
      OpUnlink();
      if (tree_.size() == before) OpRmdir();
    }
    if (options_.hook_every != 0 && done_ % options_.hook_every == 0) {
      RunHook();
      CompareAll("after the hook");
    } else if (done_ % options_.compare_every == 0) {
      CompareAll("comparison of the trees");
    }
  }
  CloseAll();
  CompareAll("comparison at the end");
}

}  // namespace kvfs::model
