// Version edits, alone and as the records of a manifest that is taken up: an edit that decodes is
// the same after encoding, and a manifest is refused or leaves a consistent set of files.
#include <mutex>
#include <vector>

#include "kvcore/base/coding.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/version_set.h"
#include "kvcore/env/sim/sim_file_system.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"

namespace kvfs::fuzz {
namespace {

constexpr char kDirectory[] = "/store";
constexpr uint64_t kNumber = 9;

void TakeUp(const std::vector<ByteView>& records) {
  env::sim::SimFileSystem files;
  FUZZ_CHECK(files.CreateDirectory(kDirectory).ok());
  auto file = files.OpenWritable(engine::FilePath(kDirectory, engine::FileKind::kManifest, kNumber),
                                 env::FileSystem::Create::kNew);
  FUZZ_CHECK(file.ok());
  engine::LogWriter writer(std::move(*file), kNumber);
  for (const ByteView record : records) {
    FUZZ_CHECK(writer.AddRecord(record).ok());
  }
  FUZZ_CHECK(
      files
          .WriteFileAtomically(kDirectory, engine::MakeFileName(engine::FileKind::kCurrent),
                               engine::MakeFileName(engine::FileKind::kManifest, kNumber) + "\n")
          .ok());
  std::mutex mutex;
  engine::VersionSet versions(&files, kDirectory, &mutex, [] {});
  const Status status = versions.Recover();
  FUZZ_CHECK(status.ok() || status.code() == Code::kCorruption);
  if (status.ok()) {
    const engine::VersionEdit state = versions.Snapshot();
    Bytes encoded;
    state.Encode(&encoded);
    const auto decoded = engine::VersionEdit::Decode(encoded);
    FUZZ_CHECK(decoded.ok() && *decoded == state);
  }
}

}  // namespace

void FuzzManifest(const uint8_t* data, size_t size) {
  const Bytes input(reinterpret_cast<const char*>(data), size);
  const auto edit = engine::VersionEdit::Decode(input);
  if (edit.ok()) {
    Bytes again;
    edit->Encode(&again);
    const auto decoded = engine::VersionEdit::Decode(again);
    FUZZ_CHECK(decoded.ok() && *decoded == *edit);
  }
  // As one record, and as several, each behind its length.
  TakeUp({input});
  std::vector<ByteView> records;
  ByteView rest = input;
  ByteView record;
  while (records.size() < 20 && GetLengthPrefixed(&rest, &record)) {
    records.push_back(record);
  }
  TakeUp(records);
}

}  // namespace kvfs::fuzz
