#include "kvcore/env/sim/sim_disk.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {
namespace {

Status Missing(const std::string& path) {
  return Status::NotFound(path + ": No such file or directory");
}

void SetEntry(SimEntries* entries, const std::string& name, const SimNodePtr& node) {
  if (node == nullptr) {
    entries->erase(name);
  } else {
    (*entries)[name] = node;
  }
}

}  // namespace

SimDisk::~SimDisk() {
  // Present and durable entries together may form circles of directories.
  for (const SimNodePtr& node : AllNodes()) {
    node->entries.clear();
    node->durable_entries.clear();
    node->changes.clear();
  }
}

Result<std::vector<std::string>> SimDisk::Split(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (part == ".." || part.size() > 255) {
      return Status::IoError(path + ": the simulated disk takes no such name");
    }
    if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  return parts;
}

Result<SimNodePtr> SimDisk::Find(const std::string& path) const {
  KVFS_ASSIGN_OR_RETURN(const auto parts, Split(path));
  SimNodePtr node = root_;
  for (const std::string& part : parts) {
    if (!node->is_directory) {
      return Status::IoError(path + ": Not a directory");
    }
    const auto it = node->entries.find(part);
    if (it == node->entries.end()) {
      return Missing(path);
    }
    node = it->second;
  }
  return node;
}

Result<SimNodePtr> SimDisk::FindFile(const std::string& path) const {
  KVFS_ASSIGN_OR_RETURN(SimNodePtr node, Find(path));
  if (node->is_directory) {
    return Status::IoError(path + ": Is a directory");
  }
  return node;
}

Result<SimDisk::Place> SimDisk::FindPlace(const std::string& path) const {
  KVFS_ASSIGN_OR_RETURN(auto parts, Split(path));
  if (parts.empty()) {
    return Status::IoError(path + ": the root of the disk");
  }
  std::string name = std::move(parts.back());
  SimNodePtr node = root_;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto it = node->entries.find(parts[i]);
    if (it == node->entries.end()) {
      return Missing(path);
    }
    node = it->second;
    if (!node->is_directory) {
      return Status::IoError(path + ": Not a directory");
    }
  }
  return Place{std::move(node), std::move(name)};
}

void SimDisk::Apply(const SimNodePtr& directory, SimNode::Change change) {
  for (const auto& [name, node] : change.sets) {
    SetEntry(&directory->entries, name, node);
  }
  directory->changes.push_back(std::move(change));
}

Result<SimNodePtr> SimDisk::CreateFile(const std::string& path) {
  KVFS_ASSIGN_OR_RETURN(const Place place, FindPlace(path));
  if (place.directory->entries.contains(place.name)) {
    return Status::AlreadyExists(path + ": File exists");
  }
  auto node = std::make_shared<SimNode>(false, ++last_serial_);
  Apply(place.directory, {{{place.name, node}}, ++last_change_, {}});
  return node;
}

Status SimDisk::CreateDirectory(const std::string& path) {
  if (auto existing = Find(path); existing.ok()) {
    return (*existing)->is_directory ? Status() : Status::AlreadyExists(path + ": File exists");
  }
  KVFS_ASSIGN_OR_RETURN(const Place place, FindPlace(path));
  Apply(place.directory,
        {{{place.name, std::make_shared<SimNode>(true, ++last_serial_)}}, ++last_change_, {}});
  return {};
}

Status SimDisk::Rename(const std::string& from, const std::string& to) {
  // Both parents are looked up before either name, as the kernel does.
  KVFS_ASSIGN_OR_RETURN(const Place source, FindPlace(from));
  KVFS_ASSIGN_OR_RETURN(const Place target, FindPlace(to));
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr moved, Find(from));
  if (const auto it = target.directory->entries.find(target.name);
      it != target.directory->entries.end()) {
    const SimNode& replaced = *it->second;
    if (&replaced == moved.get()) {
      return {};  // two names of one file: nothing happens, as POSIX says
    }
    if (replaced.is_directory != moved->is_directory) {
      return Status::IoError(to +
                             (replaced.is_directory ? ": Is a directory" : ": Not a directory"));
    }
    if (!replaced.entries.empty()) {
      return Status::IoError(to + ": Directory not empty");
    }
  }
  if (moved->is_directory && (target.directory == moved || to.starts_with(from + "/"))) {
    return Status::IoError(to + ": Invalid argument");
  }
  const uint64_t id = ++last_change_;
  if (source.directory == target.directory) {
    Apply(source.directory, {{{source.name, nullptr}, {target.name, moved}}, id, {}});
  } else {
    Apply(source.directory, {{{source.name, nullptr}}, id, target.directory});
    Apply(target.directory, {{{target.name, moved}}, id, source.directory});
  }
  return {};
}

Status SimDisk::Link(const std::string& from, const std::string& to) {
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr node, Find(from));
  KVFS_ASSIGN_OR_RETURN(const Place place, FindPlace(to));
  if (place.directory->entries.contains(place.name)) {
    return Status::AlreadyExists(to + ": File exists");
  }
  if (node->is_directory) {
    return Status::IoError(from + ": Operation not permitted");
  }
  Apply(place.directory, {{{place.name, node}}, ++last_change_, {}});
  return {};
}

Status SimDisk::Unlink(const std::string& path) {
  KVFS_RETURN_IF_ERROR(FindFile(path).status());
  KVFS_ASSIGN_OR_RETURN(const Place place, FindPlace(path));
  Apply(place.directory, {{{place.name, nullptr}}, ++last_change_, {}});
  return {};
}

Status SimDisk::RemoveDirectory(const std::string& path) {
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr node, Find(path));
  if (!node->is_directory) {
    return Status::IoError(path + ": Not a directory");
  }
  if (!node->entries.empty()) {
    return Status::IoError(path + ": Directory not empty");
  }
  KVFS_ASSIGN_OR_RETURN(const Place place, FindPlace(path));
  Apply(place.directory, {{{place.name, nullptr}}, ++last_change_, {}});
  return {};
}

Status SimDisk::SyncDirectory(const std::string& path) {
  KVFS_ASSIGN_OR_RETURN(const SimNodePtr node, Find(path));
  if (!node->is_directory) {
    return Status::IoError(path + ": Not a directory");
  }
  Commit(node.get(), node->changes.size());
  return {};
}

void SimDisk::Commit(SimNode* directory, size_t count) {
  std::vector<SimNode::Change> done(
      std::make_move_iterator(directory->changes.begin()),
      std::make_move_iterator(directory->changes.begin() + static_cast<std::ptrdiff_t>(count)));
  directory->changes.erase(directory->changes.begin(),
                           directory->changes.begin() + static_cast<std::ptrdiff_t>(count));
  for (const SimNode::Change& change : done) {
    for (const auto& [name, node] : change.sets) {
      SetEntry(&directory->durable_entries, name, node);
    }
    const SimNodePtr other = change.other.lock();
    if (other == nullptr) {
      continue;
    }
    const auto it = std::find_if(other->changes.begin(), other->changes.end(),
                                 [&](const auto& c) { return c.id == change.id; });
    if (it != other->changes.end()) {
      Commit(other.get(), static_cast<size_t>(it - other->changes.begin()) + 1);
    }
  }
}

std::vector<SimNodePtr> SimDisk::AllNodes() const {
  std::vector<SimNodePtr> nodes{root_};
  std::unordered_set<const SimNode*> seen{root_.get()};
  const auto visit = [&](const SimNodePtr& node) {
    if (node != nullptr && seen.insert(node.get()).second) {
      nodes.push_back(node);
    }
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    const SimNodePtr node = nodes[i];
    for (const auto* entries : {&node->entries, &node->durable_entries}) {
      for (const auto& [name, child] : *entries) {
        visit(child);
      }
    }
    for (const SimNode::Change& change : node->changes) {
      for (const auto& [name, child] : change.sets) {
        visit(child);
      }
    }
  }
  return nodes;
}

uint64_t SimDisk::UsedBytes() const {
  std::unordered_set<const SimNode*> seen;
  std::vector<const SimNode*> directories{root_.get()};
  uint64_t used = 0;
  const auto add = [&](const SimNode* node) {
    if (seen.insert(node).second) {
      used += std::max<uint64_t>(node->content.current().size(), node->reserved);
    }
  };
  for (size_t i = 0; i < directories.size(); ++i) {
    for (const auto& [name, node] : directories[i]->entries) {
      if (node->is_directory) {
        directories.push_back(node.get());
      } else {
        add(node.get());
      }
    }
  }
  for (const SimNodePtr& node : AllNodes()) {
    if (node->handles > 0) {
      add(node.get());
    }
  }
  return used;
}

void SimDisk::CloseAll() {
  for (const SimNodePtr& node : AllNodes()) {
    node->handles = 0;
    node->locked = false;
  }
}

void SimDisk::LosePower(Random& random, const Survival* fixed) {
  CloseAll();
  const auto survival = [&] {
    return fixed != nullptr ? *fixed : static_cast<Survival>(Uniform(random, 4));
  };
  const std::vector<SimNodePtr> nodes = AllNodes();
  std::map<uint64_t, size_t> kept;  // of the directory of this serial number
  std::map<uint64_t, const SimNode*> directories;
  for (const SimNodePtr& node : nodes) {
    if (node->is_directory) {
      const size_t all = node->changes.size();
      const Survival how = survival();
      directories[node->serial] = node.get();
      kept[node->serial] = how == Survival::kNothing      ? 0
                           : how == Survival::kEverything ? all
                                                          : Uniform(random, all + 1);
    }
  }
  // A rename that one side lost is lost on the other side too, with what came after it there.
  for (bool stable = false; !stable;) {
    stable = true;
    for (auto& [serial, count] : kept) {
      for (size_t i = 0; i < count; ++i) {
        const SimNode::Change& change = directories[serial]->changes[i];
        const SimNodePtr other = change.other.lock();
        if (other == nullptr) {
          continue;
        }
        const auto it = std::find_if(other->changes.begin(), other->changes.end(),
                                     [&](const auto& c) { return c.id == change.id; });
        if (it != other->changes.end() &&
            static_cast<size_t>(it - other->changes.begin()) >= kept[other->serial]) {
          count = i;
          stable = false;
        }
      }
    }
  }
  for (const SimNodePtr& node : nodes) {
    if (!node->is_directory) {
      node->content.LosePower(random, survival());
      node->reserved = 0;
      continue;
    }
    for (size_t i = 0; i < kept[node->serial]; ++i) {
      for (const auto& [name, child] : node->changes[i].sets) {
        SetEntry(&node->durable_entries, name, child);
      }
    }
    node->changes.clear();
    node->entries = node->durable_entries;
  }
}

std::unique_ptr<SimDisk> SimDisk::Clone() const {
  std::map<uint64_t, SimNodePtr> copies;  // by serial number
  const std::vector<SimNodePtr> nodes = AllNodes();
  for (const SimNodePtr& node : nodes) {
    auto copy = std::make_shared<SimNode>(node->is_directory, node->serial);
    copy->content = node->content;
    copy->reserved = node->reserved;
    copies[node->serial] = std::move(copy);
  }
  const auto copy_of = [&](const SimNodePtr& node) {
    const auto it = node == nullptr ? copies.end() : copies.find(node->serial);
    return it == copies.end() ? nullptr : it->second;
  };
  for (const SimNodePtr& node : nodes) {
    SimNode& copy = *copies[node->serial];
    for (const auto& [name, child] : node->entries) {
      copy.entries[name] = copy_of(child);
    }
    for (const auto& [name, child] : node->durable_entries) {
      copy.durable_entries[name] = copy_of(child);
    }
    for (const SimNode::Change& change : node->changes) {
      SimNode::Change changed{{}, change.id, copy_of(change.other.lock())};
      for (const auto& [name, child] : change.sets) {
        changed.sets.emplace_back(name, copy_of(child));
      }
      copy.changes.push_back(std::move(changed));
    }
  }
  auto disk = std::make_unique<SimDisk>();
  disk->root_ = copies[root_->serial];
  disk->last_change_ = last_change_;
  disk->last_serial_ = last_serial_;
  return disk;
}

}  // namespace kvfs::env::sim
