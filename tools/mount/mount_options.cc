#include "tools/mount/mount_options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "tools/common/http_server.h"
#include "tools/common/size.h"

namespace kvfs::tools {
namespace {

constexpr uint64_t kMinMemory = 64u << 20;
constexpr uint64_t kMaxMemory = uint64_t{1} << 40;
constexpr uint64_t kMinCapacity = 256u << 20;

// Understood by mount(2) through libfuse.
constexpr std::array kKernelFlags = std::to_array<std::string_view>(
    {"suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync"});
constexpr std::array kKernelValues =
    std::to_array<std::string_view>({"context", "fscontext", "defcontext", "rootcontext"});
// What fstab, mount(8) and systemd say to each other, and names of what happens anyway.
constexpr std::array kIgnored = std::to_array<std::string_view>(
    {"defaults", "auto", "noauto", "nofail", "user", "nouser", "users", "owner", "group", "_netdev",
     "relatime", "atime", "diratime", "subtype=kvfs"});

template <size_t N>
bool OneOf(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Status WithoutMeaning(std::string_view word) {
  return Status::InvalidArgument("unknown mount option '" + std::string(word) +
                                 "'; `kvfs mount --help` lists them");
}

Status ParseSeconds(std::string_view word, std::string_view value, double* seconds) {
  double parsed = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc() || end != value.data() + value.size() ||
      !(parsed >= 0 && parsed <= 1e9)) {
    return Status::InvalidArgument("'" + std::string(word) + "': not a number of seconds");
  }
  *seconds = parsed;
  return Status::Ok();
}

Status ParseValue(std::string_view word, std::string_view key, std::string_view value,
                  MountOptions* options) {
  if (key == "data") {
    options->data = value;
    return value.empty() ? Status::InvalidArgument("data= needs a directory") : Status::Ok();
  }
  if (key == "capacity" || key == "memory") {
    Result<uint64_t> size = ParseSize(value);
    if (!size.ok()) {
      return size.error().Annotate("option " + std::string(key));
    }
    (key == "capacity" ? options->capacity_bytes : options->memory_bytes) = *size;
    return Status::Ok();
  }
  if (key == "cluster" || key == "key" || key == "allow") {
    (key == "cluster" ? options->cluster
     : key == "key"   ? options->key_file
                      : options->allow_file) = value;
    return value.empty() ? Status::InvalidArgument("'" + std::string(word) + "': nothing is named")
                         : Status::Ok();
  }
  if (key == "http") {
    options->http = value;
    return CheckHttpAddress(options->http, false);
  }
  if (key == "fsname") {
    options->fuse.source = value;
    return Status::Ok();
  }
  if (key == "entry_timeout") {
    return ParseSeconds(word, value, &options->fuse.entry_seconds);
  }
  if (key == "negative_timeout") {
    return ParseSeconds(word, value, &options->fuse.negative_seconds);
  }
  if (key == "attr_timeout") {
    return ParseSeconds(word, value, &options->fuse.attr_seconds);
  }
  if (key == "lock_lease") {
    double seconds = 0;
    KVFS_RETURN_IF_ERROR(ParseSeconds(word, value, &seconds));
    if (seconds < 3 || seconds > 3600) {
      return Status::InvalidArgument("'" + std::string(word) + "': between 3 and 3600 seconds");
    }
    options->lock_lease_micros = static_cast<int64_t>(seconds * 1e6);
    return Status::Ok();
  }
  if (key == "threads") {
    uint32_t threads = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), threads);
    if (error != std::errc() || end != value.data() + value.size() || threads < 1 ||
        threads > 256) {
      return Status::InvalidArgument("'" + std::string(word) + "': threads are 1 .. 256");
    }
    options->fuse.threads = threads;
    return Status::Ok();
  }
  if (OneOf(kKernelValues, key)) {
    options->kernel.emplace_back(word);
    return Status::Ok();
  }
  return WithoutMeaning(word);
}

Status ParseWord(std::string_view word, MountOptions* options) {
  if (word.empty() || OneOf(kIgnored, word) || word.starts_with("x-") ||
      word.starts_with("comment=")) {
    return Status::Ok();
  }
  if (const size_t equals = word.find('='); equals != std::string_view::npos) {
    return ParseValue(word, word.substr(0, equals), word.substr(equals + 1), options);
  }
  if (word == "ro") {
    options->read_only = true;
  } else if (word == "rw") {
    options->read_only = false;
  } else if (word == "noatime") {
    options->no_atime = true;
    options->kernel.emplace_back(word);
  } else if (word == "nonempty") {
    options->nonempty = true;
  } else if (word == "allow_other") {
    options->allow_other = true;
  } else if (word == "default_permissions") {
    options->default_permissions = true;
  } else if (word == "writeback") {
    options->fuse.writeback = true;
  } else if (word == "cache_readdir") {
    options->fuse.cache_readdir = true;
  } else if (OneOf(kKernelFlags, word)) {
    options->kernel.emplace_back(word);
  } else {
    return WithoutMeaning(word);
  }
  return Status::Ok();
}

}  // namespace

void UsePeers(std::vector<NodeAddress> peers, MountOptions* options) {
  options->peers = std::move(peers);
  options->fuse.is_shared = true;
  options->fuse.entry_seconds = 1;
  options->fuse.attr_seconds = 1;
  options->fuse.negative_seconds = 0;
}

Status ParseMountOptions(std::string_view list, MountOptions* options) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    KVFS_RETURN_IF_ERROR(ParseWord(list.substr(0, end), options));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return Status::Ok();
}

Status CheckMountOptions(const MountOptions& options) {
  if (options.memory_bytes < kMinMemory || options.memory_bytes > kMaxMemory) {
    return Status::InvalidArgument("memory must be between 64 MiB and 1 TiB, not " +
                                   FormatSize(options.memory_bytes));
  }
  if (!options.peers.empty() && (options.fuse.writeback || options.fuse.cache_readdir)) {
    return Status::InvalidArgument(
        "writeback and cache_readdir are for a mount that is alone, not for one of a cluster");
  }
  if (!options.peers.empty() && options.capacity_bytes != 0) {
    return Status::InvalidArgument("capacity is for the nodes of a cluster, not for its mounts");
  }
  if (options.capacity_bytes != 0 && options.capacity_bytes < kMinCapacity) {
    return Status::InvalidArgument("capacity must be at least 256 MiB, not " +
                                   FormatSize(options.capacity_bytes));
  }
  return Status::Ok();
}

std::vector<std::string> LibfuseOptions(const MountOptions& options, bool is_root) {
  std::vector<std::string> words{"default_permissions"};
  if (options.allow_other || is_root) {
    words.emplace_back("allow_other");
  }
  if (is_root) {  // as on any local file system; the options below may take them away again
    words.emplace_back("suid");
    words.emplace_back("dev");
  }
  if (options.read_only) {
    words.emplace_back("ro");
  }
  words.insert(words.end(), options.kernel.begin(), options.kernel.end());
  return words;
}

MemoryPlan DivideMemory(uint64_t total) {
  // A quarter stays for buffers in flight, tables being built and the remembered inodes.
  const uint64_t eighth = total / 8;
  return MemoryPlan{.store = 3 * eighth,
                    .write_buffer = std::min<uint64_t>(eighth, uint64_t{16} << 30),
                    .chunk_cache = 2 * eighth};
}

}  // namespace kvfs::tools
