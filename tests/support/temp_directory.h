// A directory of the machine's file system that lives as long as this object.
#pragma once

#include <stdlib.h>

#include <cassert>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace kvfs::test {

class TempDirectory {
 public:
  explicit TempDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / "kvfs_test_XXXXXX").string();
    const char* made = ::mkdtemp(pattern.data());
    assert(made != nullptr);
    path_ = made;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace kvfs::test
