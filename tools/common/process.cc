#include "tools/common/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "tools/common/paths.h"

extern char** environ;

namespace kvfs::tools {
namespace {

namespace stdfs = std::filesystem;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string LinkText(const stdfs::path& path) {
  std::error_code error;
  return stdfs::read_symlink(path, error).string();
}

std::string Below(const std::string& path, const std::string& mountpoint) {
  return path.size() > mountpoint.size() ? path.substr(mountpoint.size() + 1) : ".";
}

// What of `process` (a directory of /proc) lies below the mount point; nothing if nothing does.
std::optional<std::string> HeldBy(const stdfs::path& process, const std::string& mountpoint) {
  for (const auto& [link, what] :
       {std::pair{"cwd", "working directory "}, {"root", "root directory "}, {"exe", "program "}}) {
    const std::string target = LinkText(process / link);
    if (IsWithin(target, mountpoint)) {
      return what + Below(target, mountpoint);
    }
  }
  std::error_code error;
  for (const auto& entry : stdfs::directory_iterator(process / "fd", error)) {
    const std::string target = LinkText(entry.path());
    if (IsWithin(target, mountpoint)) {
      return "file " + Below(target, mountpoint);
    }
  }
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t start = line.find('/');
    if (start != std::string::npos && IsWithin(line.substr(start), mountpoint)) {
      return "mapping " + Below(line.substr(start), mountpoint);
    }
  }
  return std::nullopt;
}

}  // namespace

uint64_t StartTicks(pid_t pid) {
  const std::string text = ReadAll("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) {
    return 0;
  }
  std::istringstream in(text.substr(name_end + 1));
  std::string state, skipped;
  uint64_t start = 0;
  in >> state;
  for (int field = 4; field < 22; ++field) {
    in >> skipped;
  }
  in >> start;
  return state == "Z" || state == "X" ? 0 : start;
}

std::vector<Holder> FindHolders(const std::string& mountpoint, size_t limit) {
  std::vector<Holder> holders;
  std::error_code error;
  for (const auto& entry : stdfs::directory_iterator("/proc", error)) {
    if (holders.size() >= limit) {
      break;
    }
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc() || end != name.data() + name.size()) {
      continue;
    }
    if (auto what = HeldBy(entry.path(), mountpoint)) {
      std::string command = ReadAll(entry.path() / "comm");
      command.erase(std::find(command.begin(), command.end(), '\n'), command.end());
      holders.push_back({pid, command, std::move(*what)});
    }
  }
  return holders;
}

Outcome RunCommand(const std::vector<std::string>& argv) {
  Outcome outcome;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return outcome;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<char*> words;
  for (const std::string& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return outcome;
  }
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t size = read(ends[0], buffer.data(), buffer.size());
    if (size > 0) {
      outcome.output.append(buffer.data(), static_cast<size_t>(size));
    } else if (size == 0 || errno != EINTR) {
      break;
    }
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) {
    outcome.exit_code = WEXITSTATUS(status);
  }
  return outcome;
}

}  // namespace kvfs::tools
