#include "tests/fuse/model/tree.h"

namespace kvfs::model {

std::vector<std::pair<std::string, mode_t>> Tree::TakeSubtree(const std::string& path) {
  std::vector<std::pair<std::string, mode_t>> taken;
  for (auto it = entries_.lower_bound(path); it != entries_.end();) {
    if (!it->first.starts_with(path)) break;
    const std::string rest = it->first.substr(path.size());
    if (rest.empty() || rest[0] == '/') {
      taken.emplace_back(rest, it->second);
      it = entries_.erase(it);
    } else {
      ++it;
    }
  }
  return taken;
}

void Tree::Move(const std::string& from, const std::string& to) {
  const auto moved = TakeSubtree(from);
  TakeSubtree(to);
  for (const auto& [rest, type] : moved) entries_[to + rest] = type;
}

void Tree::Exchange(const std::string& a, const std::string& b) {
  const auto from_a = TakeSubtree(a);
  const auto from_b = TakeSubtree(b);
  for (const auto& [rest, type] : from_a) entries_[b + rest] = type;
  for (const auto& [rest, type] : from_b) entries_[a + rest] = type;
}

std::vector<std::string> Tree::Paths(mode_t type) const {
  std::vector<std::string> paths;
  for (const auto& [path, its_type] : entries_) {
    if (type == 0 || its_type == type) paths.push_back(path);
  }
  return paths;
}

}  // namespace kvfs::model
