#include "tools/cluster/security.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/hash.h"
#include "tools/common/paths.h"

namespace kvfs::tools {
namespace {

constexpr mode_t kKeyMode = 0600;
constexpr char kPublic[] = "public ";
constexpr char kSecret[] = "secret ";
constexpr char kClient[] = "client";
using Key = std::array<uint8_t, 32>;

std::string KeyText(const Key& key) { return ToHex(AsBytes(key)); }

bool ParseKeyText(std::string_view text, Key* key) {
  if (text.size() != 2 * key->size()) {
    return false;
  }
  for (size_t i = 0; i < key->size(); ++i) {
    const char* const digits = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, (*key)[i], 16);
    if (error != std::errc() || end != digits + 2) {
      return false;
    }
  }
  return true;
}

Result<std::string> ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return ErrnoStatus("cannot read " + path, errno);
  }
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) {
    return ErrnoStatus("cannot read " + path, errno);
  }
  return content;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlank = " \t\r";
  for (size_t begin = line.find_first_not_of(kBlank); begin != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kBlank, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBlank, end);
  }
  return words;
}

// A word in front of the line with the key; empty: there is none.
std::string_view After(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (text.substr(0, end).starts_with(word)) {
      return text.substr(word.size(), end - word.size());
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

Status AddLine(const std::vector<std::string_view>& words, Security* security) {
  transport::PublicKey key;
  if (words.size() != 2 || !ParseKeyText(words[1], &key)) {
    return Status::InvalidArgument("is not NUMBER KEY or client KEY, with 64 hexadecimal digits");
  }
  env::NodeId node = transport::kClientKey;
  if (words[0] != kClient) {
    const auto [end, error] =
        std::from_chars(words[0].data(), words[0].data() + words[0].size(), node);
    if (error != std::errc() || end != words[0].data() + words[0].size() || node == 0 ||
        node >> 63 != 0) {
      return Status::InvalidArgument("begins neither with the number of a node nor with 'client'");
    }
    if (!security->nodes.emplace(node, key).second) {
      return Status::InvalidArgument("names node " + std::to_string(node) + " a second time");
    }
  }
  if (!security->allowed.emplace(key, node).second) {
    return Status::InvalidArgument("has a key that is somebody else's already");
  }
  return Status::Ok();
}

}  // namespace

Result<std::string> MakeKeyFile(const std::string& path) {
  const transport::KeyPair keys = transport::NewKeyPair();
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kKeyMode);
  if (fd < 0) {
    return ErrnoStatus("cannot make " + path, errno);
  }
  const std::string public_text = KeyText(keys.public_key);
  const std::string text = "# A key pair of kvfs. Whoever has it is let in: keep it secret.\n" +
                           (kPublic + public_text) + "\n" + kSecret + KeyText(keys.secret_key) +
                           "\n";
  const ssize_t written = write(fd, text.data(), text.size());
  const bool ok = written == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  const int error = written < 0 ? errno : EIO;
  close(fd);
  if (!ok) {
    unlink(path.c_str());
    return ErrnoStatus("cannot write " + path, error);
  }
  return public_text;
}

Result<transport::KeyPair> LoadKeyFile(const std::string& path) {
  struct stat attr {};
  if (stat(path.c_str(), &attr) != 0) {
    return ErrnoStatus("cannot look at " + path, errno);
  }
  if ((attr.st_mode & 077) != 0) {
    return Status::InvalidArgument(path + " can be read by others: chmod 600 it, or make new keys");
  }
  KVFS_ASSIGN_OR_RETURN(const std::string text, ReadAll(path));
  transport::KeyPair keys;
  if (!ParseKeyText(After(text, kPublic), &keys.public_key) ||
      !ParseKeyText(After(text, kSecret), &keys.secret_key)) {
    return Status::InvalidArgument(path + " holds no key pair (kvfs-admin keygen makes one)");
  }
  return keys;
}

Result<Security> ParseAllowList(std::string_view text) {
  Security security;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto words = Words(text.substr(0, end));
    if (!words.empty() && words[0].front() != '#') {
      if (const Status added = AddLine(words, &security); !added.ok()) {
        return Status::InvalidArgument("line " + std::to_string(number) + " " + added.message());
      }
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return security;
}

Result<Security> LoadSecurity(const std::string& key_file, const std::string& allow_file) {
  if (key_file.empty() && allow_file.empty()) {
    return Security{};
  }
  if (key_file.empty() || allow_file.empty()) {
    return Status::InvalidArgument("--key and --allow belong together");
  }
  KVFS_ASSIGN_OR_RETURN(const transport::KeyPair keys, LoadKeyFile(key_file));
  KVFS_ASSIGN_OR_RETURN(const std::string text, ReadAll(allow_file));
  Result<Security> security = ParseAllowList(text);
  if (!security.ok()) {
    return security.error().Annotate(allow_file);
  }
  security->keys = std::make_shared<const transport::KeyPair>(keys);
  return security;
}

}  // namespace kvfs::tools
