#include "tests/bench/engine_rows.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

namespace kvfs::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Reads go on for so long at most: where memory is short each of them waits for the disk.
constexpr double kMostSeconds = 20;

// Calls read(i) for each i below `count`, or as many as there is time for; how many per second.
double ReadsPerSecond(uint64_t count, const std::function<void(uint64_t)>& read) {
  const auto begin = Clock::now();
  uint64_t done = 0;
  while (done < count && (done % 64 != 0 || SecondsSince(begin) < kMostSeconds)) {
    read(done++);
  }
  return static_cast<double>(done) / SecondsSince(begin);
}

std::string Key(uint64_t number) {
  char key[17];
  std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(number));
  return key;
}

// Half of it random, half of it repeated: Snappy takes it to about a half.
std::string Value(size_t size, std::mt19937_64* random) {
  std::string value(size, 'x');
  for (size_t at = 0; at < size; at += 64) {
    for (size_t i = at; i + 8 <= std::min(size, at + 32); i += 8) {
      const uint64_t word = (*random)();
      std::memcpy(&value[i], &word, sizeof word);
    }
  }
  return value;
}

double BytesToDisk() {
  std::ifstream in("/proc/self/io");
  std::string key;
  for (double value = 0; in >> key >> value;) {
    if (key == "write_bytes:") return value;
  }
  return 0;
}

double DiskUse(const std::string& directory) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

constexpr uint64_t kSmall = 1'000'000;
constexpr uint64_t kLarge = 20'000;
constexpr size_t kLargeBytes = 128u << 10;

void FillSmall(const Job& job, EngineUnderTest* engine, bool in_order) {
  std::mt19937_64 random(1);
  const uint64_t count = job.Scaled(kSmall);
  const std::string values = Value(1 << 20, &random);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t at = random() % (values.size() - 100);
    engine->Put(Key(in_order ? i : random() % count), std::string_view(values).substr(at, 100),
                false);
  }
}

Figures Fill(const Job& job, bool in_order) {
  const auto engine = job.Open();
  const auto begin = Clock::now();
  FillSmall(job, engine.get(), in_order);
  return {{"ops/s", static_cast<double>(job.Scaled(kSmall)) / SecondsSince(begin)}};
}

std::unique_ptr<EngineUnderTest> Filled(const Job& job) {
  auto engine = job.Open();
  FillSmall(job, engine.get(), false);
  engine->Settle();
  return engine;
}

Figures ReadRandom(const Job& job) {
  const auto engine = Filled(job);
  std::mt19937_64 random(2);
  const uint64_t keys = job.Scaled(kSmall);
  const uint64_t count = job.Scaled(500'000);
  std::string value;
  return {{"ops/s", ReadsPerSecond(count, [&](uint64_t) {
             (void)engine->Get(Key(random() % keys), &value);
           })}};
}

Figures Seek(const Job& job) {
  const auto engine = Filled(job);
  std::mt19937_64 random(3);
  const uint64_t keys = job.Scaled(kSmall);
  const uint64_t count = job.Scaled(50'000);
  return {{"ops/s", ReadsPerSecond(
                        count, [&](uint64_t) { (void)engine->Scan(Key(random() % keys), 100); })}};
}

Figures ReadSeq(const Job& job) {
  const auto engine = Filled(job);
  (void)engine->Scan("", SIZE_MAX);
  constexpr int kRounds = 3;
  const auto begin = Clock::now();
  double bytes = 0;
  for (int i = 0; i < kRounds; ++i) {
    bytes += static_cast<double>(engine->Scan("", SIZE_MAX));
  }
  return {{"ops/s", bytes / 116 / SecondsSince(begin)}};
}

std::vector<uint64_t> LargeKeys(const Job& job) {
  std::vector<uint64_t> keys(job.Scaled(kLarge));
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = i;
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(4));
  return keys;
}

void FillLarge(const std::vector<uint64_t>& keys, EngineUnderTest* engine) {
  std::mt19937_64 random(5);
  const std::string values = Value(8u << 20, &random);
  for (const uint64_t key : keys) {
    const size_t at = random() % (values.size() - kLargeBytes);
    engine->Put(Key(key), std::string_view(values).substr(at, kLargeBytes), false);
  }
}

Figures LargeFill(const Job& job) {
  const auto keys = LargeKeys(job);
  const double user_bytes = static_cast<double>(keys.size()) * kLargeBytes;
  const auto begin = Clock::now();
  {
    const auto engine = job.Open();
    FillLarge(keys, engine.get());
    engine->Flush();
  }
  return {{"MB/s", user_bytes / 1e6 / SecondsSince(begin)},
          {"written/user", BytesToDisk() / user_bytes}};
}

Figures LargeRead(const Job& job) {
  const auto keys = LargeKeys(job);
  const auto engine = job.Open();
  FillLarge(keys, engine.get());
  engine->Settle();
  std::mt19937_64 random(6);
  const uint64_t count = job.Scaled(kLarge);
  std::string value;
  return {{"ops/s", ReadsPerSecond(count, [&](uint64_t) {
             if (!engine->Get(Key(keys[random() % keys.size()]), &value)) Fail("a value is gone");
           })}};
}

Figures DeleteHalf(const Job& job) {
  auto keys = LargeKeys(job);
  {
    const auto engine = job.Open();
    FillLarge(keys, engine.get());
    for (size_t i = 0; i < keys.size() / 2; ++i) {
      engine->Delete(Key(keys[i]));
    }
    engine->Settle();
  }
  const double full = DiskUse(job.directory);
  keys.erase(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(keys.size() / 2));
  // What the other half takes when it is written alone.
  std::filesystem::remove_all(job.directory);
  {
    const auto engine = job.Open();
    FillLarge(keys, engine.get());
    engine->Settle();
  }
  return {{"disk/live", full / DiskUse(job.directory)}};
}

double Put(EngineUnderTest* engine, const std::string& key, std::string_view value, bool sync) {
  const auto started = Clock::now();
  engine->Put(key, value, sync);
  return SecondsSince(started) * 1e6;
}

// `threads` writers at once; how long each put took, in microseconds.
std::vector<double> PutAtOnce(int threads, uint64_t each,
                              const std::function<double(int writer, uint64_t number)>& put) {
  std::vector<std::vector<double>> micros(static_cast<size_t>(threads));
  std::vector<std::thread> writers;
  for (int writer = 0; writer < threads; ++writer) {
    writers.emplace_back([&, writer] {
      std::vector<double>& own = micros[static_cast<size_t>(writer)];
      own.reserve(each);
      for (uint64_t i = 0; i < each; ++i) {
        own.push_back(put(writer, i));
      }
    });
  }
  std::vector<double> all;
  for (size_t writer = 0; writer < writers.size(); ++writer) {
    writers[writer].join();
    all.insert(all.end(), micros[writer].begin(), micros[writer].end());
  }
  return all;
}

Figures Synced(const Job& job, int threads) {
  const auto engine = job.Open();
  std::mt19937_64 random(7);
  const std::string value = Value(1024, &random);
  const uint64_t each = job.Scaled(40'000) / static_cast<uint64_t>(threads);
  const auto begin = Clock::now();
  std::vector<double> micros = PutAtOnce(threads, each, [&](int writer, uint64_t i) {
    return Put(engine.get(), Key(i * 100 + static_cast<uint64_t>(writer)), value, true);
  });
  const double took = SecondsSince(begin);
  return {{"ops/s", static_cast<double>(micros.size()) / took},
          {"p50 us", Percentile(&micros, 0.5)},
          {"p99 us", Percentile(&micros, 0.99)}};
}

// Many writers at once, more than flush and compaction keep up with: they must be slowed down
// evenly, none stopped for long.
Figures Writers(const Job& job) {
  const auto engine = job.Open();
  constexpr int kWriters = 8;
  const uint64_t each = job.Scaled(3 * kSmall) / kWriters;
  std::mt19937_64 random(10);
  const std::string values = Value(1 << 20, &random);
  std::vector<std::mt19937_64> own;
  for (uint64_t writer = 0; writer < kWriters; ++writer) own.emplace_back(writer);
  const auto begin = Clock::now();
  std::vector<double> micros = PutAtOnce(kWriters, each, [&](int writer, uint64_t) {
    std::mt19937_64& next = own[static_cast<size_t>(writer)];
    const size_t at = next() % (values.size() - 400);
    return Put(engine.get(), Key(next()), std::string_view(values).substr(at, 400), false);
  });
  const double took = SecondsSince(begin);
  return {{"ops/s", static_cast<double>(micros.size()) / took},
          {"p99.9 us", Percentile(&micros, 0.999)},
          {"longest ms", *std::max_element(micros.begin(), micros.end()) / 1e3}};
}

// One thread puts 128 KiB values at 100 MB/s, another 1 KiB values, each synced.
Figures Mixed(const Job& job) {
  const auto engine = job.Open();
  std::mt19937_64 random(8);
  const std::string values = Value(8u << 20, &random);
  const double seconds = std::max(2.0, 20 * job.scale);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> large{0};
  const auto begin = Clock::now();
  std::thread stream([&] {
    std::mt19937_64 own(9);
    for (uint64_t i = 0; !stop; ++i) {
      const size_t at = own() % (values.size() - kLargeBytes);
      engine->Put("large" + Key(own()), std::string_view(values).substr(at, kLargeBytes), false);
      large = i + 1;
      const double due = static_cast<double>((i + 1) * kLargeBytes) / 100e6;
      if (const double ahead = due - SecondsSince(begin); ahead > 0) {
        std::this_thread::sleep_for(std::chrono::duration<double>(ahead));
      }
    }
  });
  std::vector<double> micros;
  while (SecondsSince(begin) < seconds) {
    micros.push_back(Put(engine.get(), "small" + Key(micros.size()),
                         std::string_view(values).substr(0, 1024), true));
  }
  const double took = SecondsSince(begin);
  stop = true;
  stream.join();
  return {{"ops/s", static_cast<double>(micros.size()) / took},
          {"p50 us", Percentile(&micros, 0.5)},
          {"p99 us", Percentile(&micros, 0.99)},
          {"large MB/s", static_cast<double>(large * kLargeBytes) / 1e6 / took}};
}

}  // namespace

double Percentile(std::vector<double>* values, double share) {
  if (values->empty()) return 0;
  const auto at =
      values->begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values->size() - 1));
  std::nth_element(values->begin(), at, values->end());
  return *at;
}

std::vector<Row> EngineRows() {
  using Part = EngineKind::Part;
  const std::vector<Part> small = {Part::kEngine};
  const std::vector<Part> large = {Part::kEngine, Part::kBlobEngine};
  const std::vector<Part> synced = {Part::kEngine, Part::kRaw};
  const std::vector<Part> all = {Part::kEngine, Part::kBlobEngine, Part::kRaw};
  return {
      {"fillseq", small, "ops/s", false, [](const Job& job) { return Fill(job, true); }},
      {"fillrandom", small, "ops/s", false, [](const Job& job) { return Fill(job, false); }},
      {"readrandom", small, "ops/s", false, ReadRandom},
      {"seek100", small, "ops/s", false, Seek},
      {"readseq", small, "ops/s", false, ReadSeq},
      {"largefill", all, "MB/s", false, LargeFill},
      {"largeread", large, "ops/s", false, LargeRead},
      {"sync1", synced, "ops/s", false, [](const Job& job) { return Synced(job, 1); }},
      {"sync8", synced, "ops/s", false, [](const Job& job) { return Synced(job, 8); }},
      {"mixed", all, "ops/s", false, Mixed},
      {"writers", small, "ops/s", false, Writers},
      {"deletehalf", large, "disk/live", true, DeleteHalf},
  };
}

}  // namespace kvfs::bench
