// The names that exist, as the model test remembers them: only to pick operands
// that hit often, never to judge results. Paths are relative to the side's root
// and begin with "/"; the root itself is the empty path.
#pragma once

#include <sys/stat.h>

#include <map>
#include <string>
#include <vector>

namespace kvfs::model {

class Tree {
 public:
  void Add(const std::string& path, mode_t type) { entries_[path] = type & S_IFMT; }
  void Remove(const std::string& path) { entries_.erase(path); }
  // Moves a path with everything below it, over what may be at `to`.
  void Move(const std::string& from, const std::string& to);
  void Exchange(const std::string& a, const std::string& b);

  size_t size() const { return entries_.size(); }
  // Paths of the type (0: any type).
  std::vector<std::string> Paths(mode_t type = 0) const;

 private:
  std::vector<std::pair<std::string, mode_t>> TakeSubtree(const std::string& path);

  std::map<std::string, mode_t> entries_;
};

}  // namespace kvfs::model
