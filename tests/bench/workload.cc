#include "tests/bench/workload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "tests/bench/mixed_load.h"
#include "tests/bench/posix_util.h"

namespace kvfs::bench {
namespace {

// A source-like tree: 50 files a directory, a few hundred bytes to some tens of
// KiB each, made of words so that it compresses as source does.
void MakeSourceTree(const std::string& root, uint64_t files) {
  std::mt19937_64 random(42);
  std::vector<std::string> words;
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (uint64_t n = 2 + random() % 9; n > 0; --n) {
      word += static_cast<char>('a' + random() % 26);
    }
    words.push_back(word);
  }
  for (uint64_t i = 0; i < files; ++i) {
    const std::string directory =
        root + "/d" + std::to_string(i / 500) + "/s" + std::to_string(i / 50);
    if (i % 50 == 0) std::filesystem::create_directories(directory);
    const size_t size =
        300 + static_cast<size_t>(std::pow(2.0, 6 + static_cast<double>(random() % 1000) / 111.0));
    std::string text;
    while (text.size() < size) {
      text += words[random() % words.size()];
      text += random() % 8 == 0 ? '\n' : ' ';
    }
    WriteFile(directory + "/f" + std::to_string(i) + ".c", text);
  }
}

}  // namespace

Workload::Workload(const Options& options, int pass)
    : options_(options),
      root_(options.directory + "/fs_bench." + std::to_string(getpid()) + "." +
            std::to_string(pass)) {
  Check(mkdir(root_.c_str(), 0755), "mkdir " + root_);
}

uint64_t Workload::Scaled(uint64_t full, uint64_t least) const {
  return std::max(least, static_cast<uint64_t>(static_cast<double>(full) * options_.scale));
}

void Workload::GoCold() const {
  if (!options_.before_cold.empty()) {
    RunShell(options_.before_cold);
    return;
  }
  sync();
  if (geteuid() == 0) WriteFile("/proc/sys/vm/drop_caches", "3");
}

void Workload::NeedSmallFiles() {
  if (have_small) return;
  Check(mkdir(Path("small").c_str(), 0755), "mkdir small");
  const std::string data = MakeBytes(4096, 1, true);
  for (uint64_t i = 0; i < small_files(); ++i) WriteFile(SmallFile(i), data);
  have_small = true;
}

void Workload::NeedBigFile() {
  if (have_big) return;
  File file(Path("big"), O_WRONLY | O_CREAT | O_TRUNC);
  for (uint64_t i = 0; i < Scaled(512); ++i) file.Write(MakeBytes(1 << 20, i, true));
  file.Sync();
  file.Close();
  have_big = true;
}

const std::string& Workload::NeedArchive() {
  if (archive_.empty()) {
    archive_ = options_.scratch + "/tree.tar";
    if (!std::filesystem::exists(archive_)) {
      const std::string tree = options_.scratch + "/tree";
      MakeSourceTree(tree, small_files());
      RunShell("tar -C " + Quote(tree) + " -cf " + Quote(archive_) + " .");
    }
  }
  return archive_;
}

void Workload::NeedTree() {
  if (have_tree) return;
  const std::string& archive = NeedArchive();
  Check(mkdir(Path("tree").c_str(), 0755), "mkdir tree");
  RunShell("tar -C " + Quote(Path("tree")) + " -xf " + Quote(archive));
  have_tree = true;
}

const std::string& Workload::NeedRepository() {
  if (repository_.empty()) {
    NeedArchive();
    repository_ = options_.scratch + "/repository";
    if (!std::filesystem::exists(repository_)) {
      std::filesystem::create_directory(repository_);
      RunShell("cd " + Quote(repository_) + " && tar -xf " + Quote(archive_) +
               " && git init -q . && git add -A && git -c user.name=bench "
               "-c user.email=bench@localhost commit -q -m tree");
    }
  }
  return repository_;
}

void Workload::NeedClone() {
  if (have_clone) return;
  RunShell("git clone -q --no-hardlinks " + Quote(NeedRepository()) + " " + Quote(Path("clone")));
  have_clone = true;
}

const MixedFigures& Workload::NeedMixed() {
  if (!mixed_) {
    Check(mkdir(Path("mixed").c_str(), 0755), "mkdir mixed");
    mixed_ = RunMixedLoad(Path("mixed"), static_cast<double>(Scaled(10, 2)));
  }
  return *mixed_;
}

}  // namespace kvfs::bench
