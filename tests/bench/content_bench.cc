// content_bench DIR: what file content costs without the kernel: throughput of the
// FileManager on a node in DIR, and the bytes that reach the disk per byte written.

#include <chrono>
#include <cstdio>
#include <fstream>
#include <random>

#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/vfs/file_manager.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "kvcore/node/node.h"

namespace {

using kvfs::Bytes;
using kvfs::env::posix::BlockingWait;
using namespace kvfs::fs;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Bytes handed to the kernel by this process, and bytes that went to the disk.
struct Io {
  double written = 0, to_disk = 0;
};
Io GetIo() {
  std::ifstream in("/proc/self/io");
  Io io;
  std::string key;
  for (double value = 0; in >> key >> value;) {
    if (key == "wchar:") {
      io.written = value;
    } else if (key == "write_bytes:") {
      io.to_disk = value;
    }
  }
  return io;
}

Bytes HalfCompressible(size_t size, std::mt19937_64* random) {
  Bytes bytes(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = i / 4096 % 2 == 0 ? (*random)() : i / 64;
    std::memcpy(bytes.data() + i, &word, 8);
  }
  return bytes;
}

class Bench {
 public:
  explicit Bench(const std::string& directory) : posix_(2) {
    node_ = std::move(
        *BlockingWait(kvfs::node::Node::Open(kvfs::node::NodeOptions{}, posix_.env(), directory)));
    names_ =
        std::make_unique<Namespace>(NamespaceOptions{}, node_->client(), posix_.env(), nullptr);
    (void)BlockingWait(names_->Initialise({}));
    files_ = FileManager::Create({}, node_->client(), posix_.env());
  }
  ~Bench() {
    (void)BlockingWait(files_->Drain(true));
    files_.reset();
    names_.reset();
    (void)BlockingWait(node_->Close());
  }

  void Create(const std::string& name) {
    ref_ = BlockingWait(names_->MakeNode({kRootIno, kRootIno}, name, S_IFREG | 0644, 0, {}))->ref;
    handle_ = *BlockingWait(files_->Open(ref_));
  }

  void SequentialWrite(uint64_t total, size_t request) {
    std::mt19937_64 random(1);
    const Bytes data = HalfCompressible(4u << 20, &random);
    const Io before = GetIo();
    const double start = Now();
    double closed = 0;
    for (uint64_t at = 0; at < total; at += request) {
      Bytes part = data.substr(at % (data.size() - request), request);
      std::memcpy(part.data(), &at, 8);
      if (!BlockingWait(files_->Write(ref_, at, std::move(part), false)).ok()) {
        std::printf("write failed\n");
        return;
      }
    }
    const double written = Now();
    (void)BlockingWait(files_->Flush(ref_, handle_));
    closed = Now();
    (void)BlockingWait(files_->Fsync(ref_, handle_));
    const double synced = Now();
    const Io after = GetIo();
    std::printf(
        "sequential write, %zu KiB requests: %.0f MiB/s (write %.2f s, close %.3f s, fsync %.3f "
        "s), "
        "%.2f bytes per byte\n",
        request >> 10, static_cast<double>(total >> 20) / (synced - start), written - start,
        closed - written, synced - closed,
        (after.written - before.written) / static_cast<double>(total));
  }

  void Overwrite(uint64_t size, int count, bool is_random, int per_sync) {
    std::mt19937_64 random(2);
    const Io before = GetIo();
    const double start = Now();
    for (int i = 0; i < count; ++i) {
      const uint64_t block =
          is_random ? random() % (size / 4096) : static_cast<uint64_t>(i) % (size / 4096);
      if (!BlockingWait(files_->Write(ref_, block * 4096, HalfCompressible(4096, &random), false))
               .ok()) {
        std::printf("write failed\n");
        return;
      }
      if (i % per_sync == 0 && !BlockingWait(files_->Fsync(ref_, handle_)).ok()) {
        std::printf("fsync failed\n");
      }
    }
    (void)BlockingWait(files_->Fsync(ref_, handle_));
    const double end = Now();
    const Io after = GetIo();
    std::printf(
        "4 KiB %s overwrite, fsync every %d: %.0f/s, %.2f bytes per byte to the kernel, %.2f "
        "to the disk\n",
        is_random ? "random" : "sequential", per_sync, count / (end - start),
        (after.written - before.written) / (4096.0 * count),
        (after.to_disk - before.to_disk) / (4096.0 * count));
  }

  void Read(uint64_t size, uint64_t request, bool is_random, int count) {
    std::mt19937_64 random(3);
    const double start = Now();
    uint64_t bytes = 0;
    for (int i = 0; i < count; ++i) {
      const uint64_t at =
          (is_random ? random() % (size / request) : static_cast<uint64_t>(i) % (size / request)) *
          request;
      auto pieces = BlockingWait(files_->Read(ref_, at, request));
      if (!pieces.ok()) {
        std::printf("read failed\n");
        return;
      }
      for (const ReadPiece& piece : *pieces) {
        bytes += piece.size;
      }
    }
    const double seconds = Now() - start;
    std::printf("read %s %zu KiB: %.0f/s, %.0f MiB/s\n", is_random ? "random" : "sequential",
                static_cast<size_t>(request >> 10), count / seconds,
                static_cast<double>(bytes >> 20) / seconds);
  }

  void SmallFiles(int count) {
    std::mt19937_64 random(4);
    const Bytes data = HalfCompressible(4096, &random);
    const double start = Now();
    for (int i = 0; i < count; ++i) {
      Create("small" + std::to_string(i));
      (void)BlockingWait(files_->Write(ref_, 0, data, false));
      (void)BlockingWait(files_->Flush(ref_, handle_));
      (void)BlockingWait(files_->Release(ref_, handle_));
    }
    std::printf("create 4 KiB files: %.0f/s\n", count / (Now() - start));
  }

 private:
  kvfs::env::posix::PosixEnv posix_;
  std::unique_ptr<kvfs::node::Node> node_;
  std::unique_ptr<Namespace> names_;
  std::unique_ptr<FileManager> files_;
  InodeRef ref_;
  FileHandle handle_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: content_bench DIR (made, and left there)\n");
    return 2;
  }
  Bench bench(argv[1]);
  bench.Create("sequential");
  bench.SequentialWrite(512u << 20, 128u << 10);
  bench.Read(512u << 20, 128u << 10, false, 4096);
  bench.Read(512u << 20, 4096, true, 20'000);
  bench.Create("small requests");
  bench.SequentialWrite(64u << 20, 4096);
  bench.Overwrite(64u << 20, 20'000, true, 1);
  bench.Overwrite(64u << 20, 20'000, false, 1);
  bench.Overwrite(64u << 20, 20'000, true, 32);
  bench.Read(64u << 20, 4096, true, 20'000);
  bench.SmallFiles(5000);
  return 0;
}
