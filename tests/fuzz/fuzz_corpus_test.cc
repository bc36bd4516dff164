// Runs every fuzz target over its corpus, over every truncation of it and over many damaged copies,
// in ordinary builds.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/fuzz/targets.h"

namespace kvfs::fuzz {
namespace {

class FuzzCorpus : public ::testing::TestWithParam<Target> {};

void RunTarget(const Target& target, const std::string& input) {
  target.run(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST_P(FuzzCorpus, Replays) {
  const Target& target = GetParam();
  std::mt19937_64 random(1);
  int files = 0;
  const auto directory = std::filesystem::path(KVFS_FUZZ_CORPUS) / target.name;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(stream), {}};
    RunTarget(target, input);
    const size_t step = input.size() / 64 + 1;
    for (size_t size = 0; size < input.size(); size += step) {
      RunTarget(target, input.substr(0, size));
    }
    for (int i = 0; i < 200 && !input.empty(); ++i) {
      std::string damaged = input;
      for (int n = 0; n <= i % 4; ++n) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      RunTarget(target, damaged);
    }
    ++files;
  }
  EXPECT_GT(files, 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus, ::testing::ValuesIn(kTargets),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace kvfs::fuzz
