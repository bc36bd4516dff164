// The fuzzed readers. Each takes any bytes and must neither crash, over-read nor hang;
// what more it checks is said at its definition. In the fuzz preset each is a libFuzzer
// program; in every preset fuzz_corpus_test runs them over corpus/<name>/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvfs::fuzz {

void FuzzBatch(const uint8_t* data, size_t size);
void FuzzLog(const uint8_t* data, size_t size);
void FuzzBlock(const uint8_t* data, size_t size);
void FuzzTable(const uint8_t* data, size_t size);
void FuzzBlob(const uint8_t* data, size_t size);
void FuzzManifest(const uint8_t* data, size_t size);
void FuzzItem(const uint8_t* data, size_t size);
void FuzzRing(const uint8_t* data, size_t size);
void FuzzWire(const uint8_t* data, size_t size);
void FuzzReplication(const uint8_t* data, size_t size);
void FuzzHttp(const uint8_t* data, size_t size);

struct Target {
  const char* name;  // the directory under corpus/
  void (*run)(const uint8_t* data, size_t size);
};
inline constexpr std::array kTargets = {
    Target{"batch", FuzzBatch}, Target{"log", FuzzLog},
    Target{"block", FuzzBlock}, Target{"table", FuzzTable},
    Target{"blob", FuzzBlob},   Target{"manifest", FuzzManifest},
    Target{"item", FuzzItem},   Target{"ring", FuzzRing},
    Target{"wire", FuzzWire},   Target{"replication", FuzzReplication},
    Target{"http", FuzzHttp},
};

}  // namespace kvfs::fuzz
