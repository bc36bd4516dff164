#include "tools/common/paths.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace kvfs::tools {
namespace {

namespace stdfs = std::filesystem;

Result<std::string> FromError(const std::string& path, const std::error_code& error) {
  return Status::IoError(path + ": " + error.message());
}

}  // namespace

Result<std::string> DefaultDataDirectory(uid_t uid) {
  if (uid == 0) {
    return std::string("/var/lib/kvfs");
  }
  const char* data_home = std::getenv("XDG_DATA_HOME");
  if (data_home != nullptr && data_home[0] == '/') {
    return std::string(data_home) + "/kvfs";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    return Status::InvalidArgument(
        "neither XDG_DATA_HOME nor HOME is set; say where the data lies with --data DIR");
  }
  return std::string(home) + "/.local/share/kvfs";
}

Result<std::string> CanonicalPath(const std::string& path) {
  if (path.empty()) {
    return Status::InvalidArgument("an empty path");
  }
  std::error_code error;
  stdfs::path absolute = stdfs::absolute(path, error);
  if (error) {
    return FromError(path, error);
  }
  absolute = absolute.lexically_normal();
  if (absolute.filename().empty() && absolute != absolute.root_path()) {
    absolute = absolute.parent_path();  // a trailing slash
  }
  if (absolute == absolute.root_path()) {
    return absolute.string();
  }
  stdfs::path parent = stdfs::weakly_canonical(absolute.parent_path(), error);
  if (error) {
    return FromError(path, error);
  }
  return (parent / absolute.filename()).string();
}

Result<std::string> ResolvedPath(const std::string& path) {
  KVFS_ASSIGN_OR_RETURN(std::string absolute, CanonicalPath(path));
  std::error_code error;
  stdfs::path resolved = stdfs::weakly_canonical(absolute, error);
  if (error) {
    return FromError(path, error);
  }
  return resolved.string();
}

bool IsWithin(const std::string& path, const std::string& directory) {
  if (directory == "/") {
    return true;
  }
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string EscapedPath(const std::string& path) {
  std::string name;
  for (const char c : path.substr(path.starts_with('/') ? 1 : 0)) {
    name += c == '/' ? "-" : c == '-' ? "%2d" : c == '%' ? "%25" : std::string(1, c);
  }
  return name.empty() ? "-" : name;
}

Status MakeDirectories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      const int error = errno;
      struct stat attr {};
      if (stat(part.c_str(), &attr) != 0) {  // it may exist on a read-only disk
        return ErrnoStatus("cannot create the directory " + part, error);
      }
    }
    if (end == std::string::npos) {
      break;
    }
  }
  struct stat attr {};
  if (stat(path.c_str(), &attr) != 0) {
    return ErrnoStatus("cannot reach " + path, errno);
  }
  if (!S_ISDIR(attr.st_mode)) {
    return Status::InvalidArgument(path + " is not a directory");
  }
  return Status::Ok();
}

Status ErrnoStatus(const std::string& what, int error) {
  const Code code = error == ENOENT   ? Code::kNotFound
                    : error == ENOSPC ? Code::kNoSpace
                    : error == EROFS  ? Code::kReadOnly
                    : error == EBUSY  ? Code::kBusy
                                      : Code::kIoError;
  return Status(code, what + ": " + std::strerror(error));
}

}  // namespace kvfs::tools
