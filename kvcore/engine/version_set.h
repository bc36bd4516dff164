// VersionSet: the current version, the accounts of the blob files, and the manifest
// that makes their changes durable (doc/formats/manifest.md).
//
// Owned by the Db. Apply may be called from any thread; changes go one after the
// other. What is marked [state] is guarded by the mutex given at construction (the Db's).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/engine/dump.h"
#include "kvcore/engine/file_handles.h"
#include "kvcore/engine/log_writer.h"
#include "kvcore/engine/version.h"
#include "kvcore/engine/version_edit.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

// The accounts of one blob file. A record is needed while a pointer to it is in a table
// (live) or may still come into one (unflushed: given out by PutBlob or written, not flushed yet);
// what is neither is garbage.
struct BlobState {
  BlobFileMeta meta;
  OrdinalSet live;
  uint64_t live_bytes = 0;
  OrdinalSet unflushed;
  uint64_t unflushed_bytes = 0;

  uint64_t GarbageBytes() const {
    const uint64_t needed = live_bytes + unflushed_bytes;
    return meta.record_bytes > needed ? meta.record_bytes - needed : 0;
  }
};

class VersionSet {
 public:
  // `on_change` runs with the state mutex held whenever `current` has changed.
  VersionSet(env::FileSystem* files, std::string directory, std::mutex* state_mutex,
             std::function<void()> on_change);

  // Takes up what CURRENT names. Reads only. kCorruption names file and offset.
  Status Recover();
  // Begins a manifest of its own, for a new store too. From then on Apply may be called.
  Status StartManifest();
  bool HasManifest() const { return manifest_ != nullptr; }

  // Makes the edit durable, then current. `on_install` runs with the state mutex held, in the same
  // critical section in which readers begin to see the new version; `growing` is for an edit that
  // adds one growing blob file. After kNoSpace nothing has changed and the same may be tried
  // again, with other new files: those of the failed edit are deleted by and by. Any other error
  // leaves it unknown what is on disk: read-only from then on.
  Status Apply(VersionEdit edit, const std::function<void()>& on_install = {},
               std::shared_ptr<const BlobFile> growing = nullptr);

  // The present state as one edit. [state]
  VersionEdit Snapshot() const;

  const std::shared_ptr<const Version>& current() const { return current_; }  // [state]
  std::map<uint64_t, BlobState>& blobs() { return blobs_; }                   // [state]
  const std::map<uint64_t, BlobState>& blobs() const { return blobs_; }       // [state]
  uint64_t log_number() const { return log_number_; }                         // [state]
  uint64_t last_sequence() const { return last_sequence_; }                   // [state]
  uint64_t durable_sequence() const { return durable_sequence_; }             // [state]
  // Size of the tables and of the finished blob files. [state]
  uint64_t FileBytes() const { return table_bytes_ + blob_bytes_; }
  uint64_t manifest_number() const { return manifest_number_.load(); }
  uint64_t manifest_bytes() const { return manifest_bytes_.load(); }
  uint64_t NewFileNumber() { return next_file_number_.fetch_add(1); }
  // For the numbers of files found in the directory.
  void ReserveFileNumber(uint64_t number);  // NewFileNumber will be greater
  const std::shared_ptr<ObsoleteFiles>& obsolete_files() const { return obsolete_files_; }

 private:
  // Checks the edit against the present state and makes the version after it.
  Result<std::shared_ptr<const Version>> Build(
      const VersionEdit& edit, const std::shared_ptr<const BlobFile>& growing) const;
  Status CheckBlobs(const VersionEdit& edit) const;
  // Brings the rest of the state to what the edit says. [state]
  void Install(const VersionEdit& edit, std::shared_ptr<const Version> version);
  Status RecoverFrom(uint64_t number);
  // Makes the edit durable, in the manifest in use or in a new one.
  Status Write(const VersionEdit& edit);
  // The files an edit that failed would have added: a crash may yet bring it to light, so they are
  // deleted only after the next edit that succeeds.
  void SetAside(const VersionEdit& edit);
  // Everything below `end` is durable; says so on disk, where that can be done without waiting.
  void PromiseManifest(uint64_t end);
  // A new manifest that holds the present state and then `edit`; CURRENT names it afterwards.
  Status WriteNewManifest(const VersionEdit& edit);

  env::FileSystem* const files_;
  const std::string directory_;
  std::mutex* const state_mutex_;
  const std::function<void()> on_change_;
  const std::shared_ptr<ObsoleteFiles> obsolete_files_ = std::make_shared<ObsoleteFiles>();

  std::mutex apply_mutex_;  // one Apply at a time; held across its I/O; before state_mutex_
  std::unique_ptr<LogWriter> manifest_;
  std::vector<FileName> set_aside_;
  bool manifest_damaged_ = false;  // an append failed: go on in a new file
  uint64_t manifest_base_bytes_ = 0;
  std::atomic<uint64_t> manifest_number_{0};
  std::atomic<uint64_t> manifest_bytes_{0};
  std::atomic<uint64_t> next_file_number_{1};

  std::shared_ptr<const Version> current_ = std::make_shared<const Version>();
  std::map<uint64_t, BlobState> blobs_;
  uint64_t log_number_ = 0;
  uint64_t last_sequence_ = 0;
  uint64_t durable_sequence_ = 0;
  uint64_t table_bytes_ = 0;
  uint64_t blob_bytes_ = 0;
};

// A manifest that holds `state`, and CURRENT naming it, durable when it returns.
Result<std::unique_ptr<LogWriter>> WriteManifest(env::FileSystem* files,
                                                 const std::string& directory, uint64_t number,
                                                 const VersionEdit& state);

// The manifest CURRENT names.
Result<uint64_t> ReadCurrent(env::FileSystem* files, const std::string& directory);

// Reads every byte of the manifest in force.
Status VerifyManifest(env::FileSystem* files, const std::string& directory);

// One line per field of each edit; for dumps.
Status DumpManifest(env::FileSystem* files, const std::string& path, const LineSink& line);

}  // namespace kvfs::engine
