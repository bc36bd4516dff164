#include "tools/common/mounts.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "tools/common/paths.h"

namespace kvfs::tools {
namespace {

// The kernel writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3') {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::optional<MountEntry> ParseLine(std::string_view line) {
  // id parent major:minor root mountpoint options [tag...] - type source super-options
  std::istringstream in{std::string(line)};
  std::string id, parent, device, root, mountpoint, options, tag, type, source;
  if (!(in >> id >> parent >> device >> root >> mountpoint >> options)) {
    return std::nullopt;
  }
  while (in >> tag && tag != "-") {
  }
  if (!(in >> type >> source)) {
    return std::nullopt;
  }
  MountEntry entry;
  const size_t colon = device.find(':');
  if (colon == std::string::npos) {
    return std::nullopt;
  }
  std::from_chars(device.data(), device.data() + colon, entry.device_major);
  std::from_chars(device.data() + colon + 1, device.data() + device.size(), entry.device_minor);
  entry.mountpoint = Unescape(mountpoint);
  entry.type = type;
  entry.source = Unescape(source);
  return entry;
}

}  // namespace

std::vector<MountEntry> ParseMountInfo(std::string_view text) {
  std::vector<MountEntry> mounts;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto entry = ParseLine(text.substr(0, end))) {
      mounts.push_back(std::move(*entry));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return mounts;
}

std::vector<MountEntry> ReadMounts() {
  std::ifstream in("/proc/self/mountinfo");
  std::ostringstream text;
  text << in.rdbuf();
  return ParseMountInfo(text.str());
}

std::optional<MountEntry> MountAt(const std::vector<MountEntry>& mounts, std::string_view path) {
  auto it = std::find_if(mounts.rbegin(), mounts.rend(),
                         [&](const MountEntry& entry) { return entry.mountpoint == path; });
  return it == mounts.rend() ? std::nullopt : std::optional(*it);
}

std::optional<MountEntry> MountOf(const std::vector<MountEntry>& mounts, std::string_view path) {
  const MountEntry* best = nullptr;
  for (const MountEntry& entry : mounts) {
    if (IsWithin(std::string(path), entry.mountpoint) &&
        (best == nullptr || entry.mountpoint.size() >= best->mountpoint.size())) {
      best = &entry;
    }
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

std::optional<MountEntry> MountOfData(const std::vector<MountEntry>& mounts,
                                      std::string_view data_directory) {
  auto it = std::find_if(mounts.rbegin(), mounts.rend(), [&](const MountEntry& entry) {
    return entry.is_kvfs() && entry.source == data_directory;
  });
  return it == mounts.rend() ? std::nullopt : std::optional(*it);
}

}  // namespace kvfs::tools
