// Random operations on the real file system and on its simulated twin must answer
// the same and leave the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "kvcore/env/posix/posix_file_system.h"
#include "kvcore/env/sim/sim_file_system.h"
#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {
namespace {

using Create = FileSystem::Create;

// One of the two, with its answers as text.
struct Side {
  FileSystem* files;
  std::string root;
  std::map<std::string, std::unique_ptr<WritableFile>> writers = {};

  std::string At(const std::string& path) const { return root + path; }
  static std::string Code(const Status& status) { return std::string(CodeName(status.code())); }

  std::string Read(const std::string& path) {
    auto content = files->ReadFile(At(path));
    return content.ok() ? *content : Code(content.status());
  }
  std::string List(const std::string& path) {
    auto names = files->List(At(path));
    if (!names.ok()) {
      return Code(names.status());
    }
    std::sort(names->begin(), names->end());
    std::string text;
    for (const auto& name : *names) {
      text += name + " ";
    }
    return text;
  }
  std::string Open(const std::string& path, Create create) {
    auto file = files->OpenWritable(At(path), create);
    if (file.ok()) {
      writers[path] = std::move(*file);
    }
    return Code(file.status());
  }
};

constexpr const char* kPaths[] = {"/a", "/b", "/d", "/e", "/d/a", "/d/b", "/d/e", "/e/a", "/e/d"};

std::string Step(Side& side, uint64_t op, const std::string& p, const std::string& q,
                 uint64_t number) {
  const auto writer = side.writers.find(p);
  switch (op) {
    case 0:
      return Side::Code(side.files->CreateDirectory(side.At(p)));
    case 1:
      return side.Open(p, static_cast<Create>(number % 3));
    case 2:
      return Side::Code(side.files->Rename(side.At(p), side.At(q)));
    case 3:
      return Side::Code(side.files->Link(side.At(p), side.At(q)));
    case 4:
      return Side::Code(side.files->Unlink(side.At(p)));
    case 5:
      return Side::Code(side.files->RemoveDirectory(side.At(p)));
    case 6:
      return side.List(p);
    case 7:
      return side.Read(p);
    case 8: {
      auto exists = side.files->Exists(side.At(p));
      return exists.ok() ? std::to_string(*exists) : Side::Code(exists.status());
    }
    case 9:
      side.writers.erase(p);
      return "";
    case 10:
      return Side::Code(side.files->SyncDirectory(side.At(p)));
    default:
      break;
  }
  if (writer == side.writers.end()) {
    return "";
  }
  switch (op) {
    case 11:
      return Side::Code(writer->second->Truncate(number));
    case 12:
      return Side::Code(writer->second->Sync());
    case 13:
      return Side::Code(writer->second->Reserve(number));
    default:
      return Side::Code(writer->second->WriteAt(number, Bytes(number % 700, static_cast<char>('a' + number % 26))));
  }
}

TEST(TwinTest, AnswersAndContentAgree) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    std::string directory = ::testing::TempDir() + "kvfs_twin_XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    posix::PosixFileSystem real;
    SimFileSystem simulated;
    Side sides[2] = {{&real, directory}, {&simulated, ""}};
    SimRandom random(seed);
    for (int i = 0; i < 1500; ++i) {
      const uint64_t op = Uniform(random, 18);
      const std::string p = kPaths[Uniform(random, std::size(kPaths))];
      const std::string q = kPaths[Uniform(random, std::size(kPaths))];
      const uint64_t number = Uniform(random, 3000);
      const std::string expected = Step(sides[0], op, p, q, number);
      ASSERT_EQ(Step(sides[1], op, p, q, number), expected)
          << "seed " << seed << " step " << i << " op " << op << " " << p << " " << q;
    }
    std::filesystem::remove_all(directory);
  }
}

}  // namespace
}  // namespace kvfs::env::sim
