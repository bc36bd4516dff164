#include "kvcore/engine/file_names.h"

#include <gtest/gtest.h>

namespace kvfs::engine {
namespace {

TEST(FileNames, MadeAndParsedAgain) {
  for (const FileKind kind :
       {FileKind::kLog, FileKind::kTable, FileKind::kBlob, FileKind::kManifest}) {
    for (const uint64_t number :
         {uint64_t{0}, uint64_t{7}, uint64_t{999999}, uint64_t{1000000}, UINT64_MAX}) {
      const FileName expected{kind, number};
      EXPECT_EQ(ParseFileName(MakeFileName(kind, number)), expected) << MakeFileName(kind, number);
    }
  }
  for (const FileKind kind : {FileKind::kCurrent, FileKind::kFormat, FileKind::kLock}) {
    EXPECT_EQ(ParseFileName(MakeFileName(kind)), FileName{kind});
  }
  EXPECT_EQ(MakeFileName(FileKind::kLog, 12), "000012.log");
  EXPECT_EQ(MakeFileName(FileKind::kManifest, 3), "MANIFEST-000003");
  EXPECT_EQ(FilePath("/d", FileKind::kTable, 5), "/d/000005.sst");
  EXPECT_EQ(ParseFileName("CURRENT.tmp"), FileName{FileKind::kTemporary});
}

TEST(FileNames, OthersAreNotOurs) {
  for (const char* name :
       {"", ".log", "7.log", "0000007.log", "000007.sst.bak", "00000x.log", "000007", "000007.ldb",
        "-00007.log", "MANIFEST-", "MANIFEST-7", "MANIFEST", "current", "LOCK2", ".tmp",
        "+00001.log", "99999999999999999999999.log", " 000007.log", "000007.log "}) {
    EXPECT_FALSE(ParseFileName(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace kvfs::engine
