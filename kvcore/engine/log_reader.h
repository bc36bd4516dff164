// LogReader: the records of a log file, in order, and where the log ends.
//
// One thread. At the first fragment that is not a valid continuation it decides:
//   - no later fragment of this log promises that this offset was durable: the log ends
//     there, cleanly (nothing of this log stands there) or torn (unsynced writes were lost);
//   - one does: kCorruption, naming file and offset.
// Damage behind the last promise cannot be told from a torn tail; that is what the promise is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/log_format.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class LogReader {
 public:
  // `name` is for messages.
  LogReader(std::unique_ptr<env::RandomAccessFile> file, std::string name, uint64_t log_number);
  ~LogReader();

  // The next record: true, its payload, the offset it begins at (its first fragment's header);
  // false at the end of the log. kCorruption and kIoError are final.
  Result<bool> ReadRecord(Bytes* payload, uint64_t* offset);

  // The end of the last whole record read.
  uint64_t EndOffset() const { return end_offset_; }
  // The greatest promise among what was read so far.
  uint64_t SyncedUpTo() const { return synced_up_to_; }
  // After ReadRecord returned false: there was the beginning of a record that is not whole, or
  // later fragments, which are lost.
  bool Torn() const { return torn_; }

 private:
  // The fragment of this log at `offset`, within its block's bytes; false if there is none.
  bool ParseFragment(ByteView block, uint64_t offset, FragmentHeader* header,
                     ByteView* payload) const;
  // The block's bytes from the file; shorter at the file's end.
  Result<ByteView> Block(uint64_t block);
  // Nothing valid at `bad`; the record that is cut short begins at `start`.
  Result<bool> EndAt(uint64_t start, uint64_t bad);

  std::unique_ptr<env::RandomAccessFile> file_;
  const std::string name_;
  const uint32_t log_number_;
  Bytes window_;  // of whole blocks
  uint64_t window_offset_ = 0;
  bool window_valid_ = false;
  uint64_t end_offset_ = 0;
  uint64_t synced_up_to_ = 0;
  bool torn_ = false;
  bool done_ = false;
};

// What a pass over a whole log finds. Recovery makes this pass first: pointers in records that
// begin below `synced_up_to` need no verification, those past it do.
struct LogSummary {
  uint64_t records = 0;
  uint64_t end_offset = 0;
  uint64_t synced_up_to = 0;
  bool torn = false;
};
Result<LogSummary> ScanLog(env::FileSystem* files, const std::string& path, uint64_t log_number);

}  // namespace kvfs::engine
