// Operations on attributes, by path.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/fuse/model/compare.h"
#include "tests/fuse/model/model.h"

namespace kvfs::model {
namespace {

constexpr const char* kXattrNames[] = {"user.a", "user.b", "user.long.name.of.an.attribute",
                                       "trusted.t", "security.kvfstest"};

}  // namespace

void Model::OpStat() {
  const std::string path = AnyPath();
  const int flags = Chance(70) ? AT_SYMLINK_NOFOLLOW : 0;
  Both("stat " + path + " flags=" + std::to_string(flags), [&](int side) {
    struct stat st;
    Outcome outcome = FromCall(fstatat(AT_FDCWD, Full(side, path).c_str(), &st, flags));
    if (outcome.ok()) {
      outcome.data = DescribeAttributes(st);
      if (st.st_mtim.tv_sec < kExplicitTimesEnd) {
        outcome.data += " mtime=" + std::to_string(st.st_mtim.tv_sec) + "." +
                        std::to_string(st.st_mtim.tv_nsec);
      }
    }
    return outcome;
  });
}

void Model::OpChmod() {
  const std::string path = AnyPath();
  static constexpr unsigned kModes[] = {0644,  0755,  0777,  0600, 04755,
                                        02755, 02775, 01777, 0400, 0};
  const unsigned mode = kModes[Below(10)];
  Both("chmod " + path + " mode=" + std::to_string(mode), [&](int side) {
    struct stat st;
    Outcome outcome = FromCall(chmod(Full(side, path).c_str(), mode));
    if (outcome.ok() && lstat(Full(side, path).c_str(), &st) == 0) {
      outcome.data = DescribeAttributes(st);
    }
    return outcome;
  });
}

void Model::OpChown() {
  const std::string path = AnyPath();
  static constexpr unsigned kIds[] = {0, 1001, 1002, static_cast<unsigned>(-1)};
  const unsigned uid = kIds[Below(4)];
  unsigned gid = kIds[Below(4)];
  // The kernel refuses a stranger's chown(-1, -1) of a file with suid on a local filesystem, and
  // tells a FUSE daemon too little for that.
  if (identity_.uid != 0 && uid == static_cast<unsigned>(-1) && gid == uid) gid = 1001;
  Both("lchown " + path + " " + std::to_string(uid) + ":" + std::to_string(gid), [&](int side) {
    struct stat st;
    Outcome outcome = FromCall(lchown(Full(side, path).c_str(), uid, gid));
    if (outcome.ok() && lstat(Full(side, path).c_str(), &st) == 0) {
      outcome.data = DescribeAttributes(st);
    }
    return outcome;
  });
}

void Model::OpUtimens() {
  const std::string path = AnyPath();
  timespec times[2] = {Time(), Time()};
  const uint64_t special = Below(10);
  if (special == 0) times[0].tv_nsec = UTIME_OMIT;
  if (special == 1) times[1].tv_nsec = UTIME_OMIT;
  if (special == 2) times[1].tv_nsec = UTIME_NOW;
  if (special == 3) times[0].tv_nsec = times[1].tv_nsec = UTIME_NOW;
  Both("utimensat " + path + " special=" + std::to_string(special), [&](int side) {
    struct stat st;
    Outcome outcome =
        FromCall(utimensat(AT_FDCWD, Full(side, path).c_str(), times, AT_SYMLINK_NOFOLLOW));
    if (outcome.ok() && lstat(Full(side, path).c_str(), &st) == 0) {
      // When reading moves the atime differs, so it is compared only where it was just set.
      for (const timespec& time :
           {times[0].tv_nsec == UTIME_OMIT ? timespec{} : st.st_atim, st.st_mtim}) {
        if (time.tv_sec >= kExplicitTimesEnd) continue;
        outcome.data += std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec) + " ";
      }
    }
    return outcome;
  });
}

void Model::OpTruncate() {
  const std::string path = AnyPath(S_IFREG);
  struct stat st {};
  stat(Full(1, path).c_str(), &st);
  uint64_t size = Chance(30) ? 0 : Offset();
  // Whether truncating to the same size moves the mtime differs between file systems.
  if (size == static_cast<uint64_t>(st.st_size)) ++size;
  Both("truncate " + path + " " + std::to_string(size), [&](int side) {
    struct stat after;
    Outcome outcome = FromCall(truncate(Full(side, path).c_str(), static_cast<off_t>(size)));
    if (outcome.ok() && stat(Full(side, path).c_str(), &after) == 0) {
      outcome.data = DescribeAttributes(after);
    }
    return outcome;
  });
}

void Model::OpSetXattr() {
  const std::string path = AnyPath();
  const std::string name = kXattrNames[Below(5)];
  std::string value(Below(150), 'v');
  for (char& c : value) c = static_cast<char>('a' + Below(26));
  const int flags = static_cast<int>(Below(3));  // any, XATTR_CREATE, XATTR_REPLACE
  Both("lsetxattr " + path + " " + name + " flags=" + std::to_string(flags), [&](int side) {
    return FromCall(
        lsetxattr(Full(side, path).c_str(), name.c_str(), value.data(), value.size(), flags));
  });
}

void Model::OpGetXattr() {
  const std::string path = AnyPath();
  const std::string name = kXattrNames[Below(5)];
  const size_t size = Chance(20) ? Below(3) : 1000;  // 0 asks for the size, 1 is too little
  Both("lgetxattr " + path + " " + name + " size=" + std::to_string(size), [&](int side) {
    char buffer[1000];
    Outcome outcome = FromCall(lgetxattr(Full(side, path).c_str(), name.c_str(), buffer, size));
    if (outcome.ok() && size != 0) {
      outcome.data.assign(buffer, static_cast<size_t>(outcome.result));
    }
    return outcome;
  });
}

void Model::OpRemoveXattr() {
  const std::string path = AnyPath();
  const std::string name = kXattrNames[Below(5)];
  Both("lremovexattr " + path + " " + name,
       [&](int side) { return FromCall(lremovexattr(Full(side, path).c_str(), name.c_str())); });
}

void Model::OpListXattr() {
  const std::string path = AnyPath();
  Both("llistxattr " + path, [&](int side) {
    Outcome outcome;
    if (!ReadAttributes(Full(side, path), &outcome.data)) outcome = FromCall(-1);
    return outcome;
  });
}

}  // namespace kvfs::model
