#include "tools/kvfsd/config_file.h"

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>

#include "tools/common/paths.h"

namespace kvfs::tools {
namespace {

constexpr size_t kMaxConfigBytes = 1u << 20;

// How many letters have to be changed, added or taken away.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

std::string Nearest(std::string_view key, const std::vector<std::string>& known) {
  return *std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return Distance(key, a) < Distance(key, b);
  });
}

class Reader {
 public:
  Reader(std::string name, const std::vector<std::string>& known)
      : name_(std::move(name)), known_(known) {}

  Status Read(const toml::table& table, Config* config) const {
    for (const auto& [key, value] : table) {
      KVFS_RETURN_IF_ERROR(CheckKey(key, known_));
      KVFS_ASSIGN_OR_RETURN((*config)[std::string(key.str())], Text(key, value));
    }
    return Status::Ok();
  }

 private:
  Status Wrong(const toml::key& key, const std::string& why) const {
    return Status::InvalidArgument(name_ + ":" + std::to_string(key.source().begin.line) + ": '" +
                                   std::string(key.str()) + "' " + why);
  }

  Status CheckKey(const toml::key& key, const std::vector<std::string>& known) const {
    if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
      return Wrong(key, "is not known here; is '" + Nearest(key.str(), known) + "' meant?");
    }
    return Status::Ok();
  }

  static std::optional<std::string> Scalar(const toml::node& value) {
    if (const auto text = value.value_exact<std::string>()) {
      return text;
    }
    if (const auto number = value.value_exact<int64_t>()) {
      return std::to_string(*number);
    }
    if (const auto flag = value.value_exact<bool>()) {
      return *flag ? "true" : "false";
    }
    return std::nullopt;
  }

  Result<std::string> Text(const toml::key& key, const toml::node& value) const {
    if (auto scalar = Scalar(value)) {
      return *scalar;
    }
    const toml::array* const list = value.as_array();
    if (list == nullptr) {
      return Wrong(key, "is neither text nor a number, a switch or a list");
    }
    std::string text;
    for (const toml::node& entry : *list) {
      std::string word;
      if (const toml::table* const member = entry.as_table();
          member != nullptr && key.str() == "members") {
        KVFS_ASSIGN_OR_RETURN(word, Member(key, *member));
      } else if (const auto scalar = Scalar(entry)) {
        word = *scalar;
      } else {
        return Wrong(key, "is a list of something else than text");
      }
      text += (text.empty() ? "" : ",") + word;
    }
    return text;
  }

  // "1=HOST:PORT/zone=a/weight=2".
  Result<std::string> Member(const toml::key& members, const toml::table& table) const {
    static const std::vector<std::string> kKeys = {"node", "address", "zone", "datacentre",
                                                   "weight"};
    std::string node;
    std::string address;
    std::string attributes;
    for (const auto& [key, value] : table) {
      KVFS_RETURN_IF_ERROR(CheckKey(key, kKeys));
      const auto text = Scalar(value);
      if (!text) {
        return Wrong(key, "is neither text nor a number");
      }
      if (key.str() == "node") {
        node = *text;
      } else if (key.str() == "address") {
        address = *text;
      } else {
        attributes += "/" + std::string(key.str()) + "=" + *text;
      }
    }
    if (node.empty() || address.empty()) {
      return Status::InvalidArgument(name_ + ":" + std::to_string(table.source().begin.line) +
                                     ": one of '" + std::string(members.str()) +
                                     "' lacks 'node' or 'address'");
    }
    return node + "=" + address + attributes;
  }

  const std::string name_;
  const std::vector<std::string>& known_;
};

}  // namespace

Result<Config> ParseConfig(std::string_view text, const std::string& name,
                           const std::vector<std::string>& known) {
  Config config;
  try {
    const toml::table table = toml::parse(text, name);
    KVFS_RETURN_IF_ERROR(Reader(name, known).Read(table, &config));
  } catch (const toml::parse_error& error) {
    return Status::InvalidArgument(name + ":" + std::to_string(error.source().begin.line) + ": " +
                                   std::string(error.description()));
  }
  return config;
}

Result<Config> LoadConfig(const std::string& path, const std::vector<std::string>& known) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return ErrnoStatus("cannot read " + path, errno);
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) {
    return ErrnoStatus("cannot read " + path, errno);
  }
  if (text.size() > kMaxConfigBytes) {
    return Status::InvalidArgument(path + " is longer than any configuration");
  }
  return ParseConfig(text, path, known);
}

}  // namespace kvfs::tools
