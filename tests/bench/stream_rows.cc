// Rows over one big file: sequential and random.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "tests/bench/posix_util.h"
#include "tests/bench/workload.h"

namespace kvfs::bench {
namespace {

constexpr uint64_t kMiB = 1 << 20;

double WriteMib(Workload& w, const std::string& name, bool compressible) {
  // A pool of distinct buffers, each stamped, so that no two MiB are the same and
  // making the data costs nothing while the clock runs.
  std::vector<std::string> pool;
  for (uint64_t i = 0; i < 16; ++i) pool.push_back(MakeBytes(kMiB, 100 + i, compressible));
  const uint64_t count = w.Scaled(512);
  File file(w.Path(name), O_WRONLY | O_CREAT | O_TRUNC);
  for (uint64_t i = 0; i < count; ++i) {
    std::string& buffer = pool[i % pool.size()];
    for (uint64_t at = 0; at < kMiB; at += 4096) {
      *reinterpret_cast<uint64_t*>(buffer.data() + at) = i * 256 + at / 4096;
    }
    file.Write(buffer);
  }
  file.Sync();
  file.Close();
  return static_cast<double>(count);
}

double WriteHalf(Workload& w) {
  const double mib = WriteMib(w, "big", true);
  w.have_big = true;
  return mib;
}

double ReadBig(Workload& w) {
  std::vector<char> buffer(kMiB);
  return static_cast<double>(ReadWholeFile(w.Path("big"), &buffer)) / kMiB;
}

// Read once from end to end, so that whatever keeps pages has them.
void Warm(Workload& w) {
  w.NeedBigFile();
  ReadBig(w);
}

double WriteRandom(Workload& w) { return WriteMib(w, "noise", false); }

uint64_t Blocks(const File& file) {
  struct stat st;
  Check(fstat(file.fd(), &st), "fstat");
  return static_cast<uint64_t>(st.st_size) / 4096;
}

double RandomRead(Workload& w) {
  File file(w.Path("big"), O_RDONLY);
  const uint64_t blocks = Blocks(file);
  const uint64_t reads = w.Scaled(40000, 100);
  std::mt19937_64 random(7);
  std::vector<char> buffer(4096);
  for (uint64_t i = 0; i < reads; ++i) file.ReadAt(buffer.data(), 4096, random() % blocks * 4096);
  return static_cast<double>(reads);
}

double RandomWrite(Workload& w, uint64_t writes, uint64_t writes_per_sync) {
  File file(w.Path("big"), O_WRONLY);
  const uint64_t blocks = Blocks(file);
  std::mt19937_64 random(8);
  std::string data = MakeBytes(4096, 9, true);
  for (uint64_t i = 0; i < writes; ++i) {
    *reinterpret_cast<uint64_t*>(data.data()) = i;
    file.WriteAt(data, random() % blocks * 4096);
    if ((i + 1) % writes_per_sync == 0) file.Sync();
  }
  file.Sync();
  file.Close();
  return static_cast<double>(writes);
}

}  // namespace

std::vector<Row> StreamRows() {
  const auto big = [](Workload& w) { w.NeedBigFile(); };
  return {
      {"seq_write_half", "write 512 MiB half-compressible, fsync", "MiB/s", false, nullptr,
       WriteHalf},
      {"seq_read", "read it back, cold", "MiB/s", true, big, ReadBig},
      {"seq_read_warm", "read it again, warm", "MiB/s", false, Warm, ReadBig},
      {"seq_write_random", "write 512 MiB random, fsync", "MiB/s", false, nullptr, WriteRandom},
      {"rand_read", "random 4 KiB read, cold start", "ops/s", true, big, RandomRead},
      {"rand_read_warm", "random 4 KiB read, warm", "ops/s", false, Warm, RandomRead},
      {"rand_write", "random 4 KiB write, fsync every 32", "ops/s", false, big,
       [](Workload& w) { return RandomWrite(w, w.Scaled(20000, 64), 32); }},
      {"rand_write_sync", "random 4 KiB write, fsync each", "ops/s", false, big,
       [](Workload& w) { return RandomWrite(w, w.Scaled(5000, 16), 1); }},
  };
}

}  // namespace kvfs::bench
