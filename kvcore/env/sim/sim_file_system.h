// SimFileSystem: a file system in memory that fails as a real one may: it loses
// power, tears what was not synced, fills up, returns errors at chosen operations
// and rots. It has no randomness of its own; what a crash leaves is drawn from
// the generator handed to Crash.
//
// The owner of the simulated machine owns it; open files and locks may outlive
// it. One lock makes it usable from several threads, for tests that want its
// faults with real threads; a trace hook runs outside that lock.
#pragma once

#include <functional>
#include <memory>

#include "kvcore/env/file_system.h"
#include "kvcore/env/sim/sim_disk.h"
#include "kvcore/env/sim/sim_faults.h"

namespace kvfs::env::sim {

enum class CrashMode : uint8_t {
  kProcessDeath,      // everything in the kernel survives
  kPowerLoss,         // any plausible state, drawn from the generator
  kPowerLossMinimum,  // only what is synced
};

class SimFileSystem final : public FileSystem {
 public:
  using Trace = std::function<void(const SimOperation&)>;

  SimFileSystem();
  ~SimFileSystem() override;

  Result<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path,
                                                     Create create) override;
  Result<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<Bytes> FileIdentity(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path, ByteView holder) override;

  // Open handles fail from now on, locks are free, injected faults are gone.
  void Crash(Random& random, CrashMode mode);
  // The same disk again, unsynced changes included, without faults or trace: to see what a crash
  // at this moment would leave, while the original goes on.
  std::unique_ptr<SimFileSystem> Clone() const;

  // A failing write leaves its first half, a failing sync forgets what it should have written, so
  // that no later one does; everything else that fails has no effect.
  void Inject(SimFault fault);
  // To stop a machine at its Nth I/O: PowerOffAt(N), run until everything has failed, destroy what
  // runs on it, Crash. From the Nth mutating operation on, all fail and none has any effect.
  void PowerOffAt(uint64_t nth_mutating);
  void PowerOff();  // at once
  bool IsOff() const;
  void ClearFaults();  // and power on
  uint64_t OperationCount(OpKinds kinds = kMutatingOps) const;
  // Sees every operation before it happens. Empty: none.
  void SetTrace(Trace trace);

  void SetCapacity(uint64_t bytes);
  uint64_t UsedBytes() const;
  // Damages a byte on the disk. REQUIRES: `path` is a file longer than `offset`.
  void FlipBits(const std::string& path, uint64_t offset, unsigned char mask);

  struct State;  // shared with open files

 private:
  std::shared_ptr<State> state_;
};

}  // namespace kvfs::env::sim
