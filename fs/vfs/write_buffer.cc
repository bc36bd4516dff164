#include "fs/vfs/write_buffer.h"

#include <iterator>

namespace kvfs::fs {

void WriteBuffer::Write(uint64_t offset, ByteView data) {
  while (!data.empty()) {
    const uint64_t room = chunk_bytes_ - offset % chunk_bytes_;
    const ByteView part = data.substr(0, room);
    WriteInChunk(offset, part);
    offset += part.size();
    data.remove_prefix(part.size());
  }
}

void WriteBuffer::WriteInChunk(uint64_t offset, ByteView data) {
  auto next = runs_.upper_bound(offset);
  auto run = runs_.end();
  if (next != runs_.begin()) {
    run = std::prev(next);
    const uint64_t run_end = run->first + run->second.size();
    if (run_end < offset || run->first / chunk_bytes_ != offset / chunk_bytes_) {
      run = runs_.end();
    }
  }
  if (run == runs_.end()) {
    const auto is_neighbour = [&](Runs::iterator it) {
      return it->first / chunk_bytes_ == offset / chunk_bytes_;
    };
    const bool is_new_chunk = (next == runs_.end() || !is_neighbour(next)) &&
                              (next == runs_.begin() || !is_neighbour(std::prev(next)));
    chunk_count_ += is_new_chunk ? 1 : 0;
    run = runs_.emplace_hint(next, offset, data);
    memory_bytes_ += CostOf(run->second);
  } else {
    const uint64_t at = offset - run->first;
    const size_t overlap = std::min<uint64_t>(run->second.size() - at, data.size());
    run->second.replace(at, overlap, data.substr(0, overlap));
    Append(run, data.substr(overlap));
  }
  // Runs that the new bytes cover or reach into.
  while (next != runs_.end() && next->first < run->first + run->second.size()) {
    const uint64_t run_end = run->first + run->second.size();
    if (next->first + next->second.size() > run_end) {
      Append(run, ByteView(next->second).substr(run_end - next->first));
    }
    memory_bytes_ -= CostOf(next->second);
    next = runs_.erase(next);
  }
}

void WriteBuffer::Append(Runs::iterator run, ByteView data) {
  Bytes& bytes = run->second;
  const size_t needed = bytes.size() + data.size();
  if (needed > bytes.capacity()) {
    memory_bytes_ -= bytes.capacity();
    const size_t most = chunk_bytes_ - run->first % chunk_bytes_;
    Bytes grown;  // a string that grows in place doubles, beyond the chunk
    grown.reserve(std::min(most, std::max(needed, 2 * bytes.capacity())));
    grown.append(bytes);
    bytes = std::move(grown);
    memory_bytes_ += bytes.capacity();
  }
  bytes.append(data);
}

uint64_t WriteBuffer::end() const {
  return runs_.empty() ? 0 : runs_.rbegin()->first + runs_.rbegin()->second.size();
}

bool WriteBuffer::Covers(uint64_t begin, uint64_t end) const {
  uint64_t reached = begin;
  ForEach(begin, end, [&](uint64_t offset, ByteView bytes) {
    if (offset == reached) {
      reached += bytes.size();
    }
  });
  return reached >= end;
}

std::vector<uint64_t> WriteBuffer::Chunks() const {
  std::vector<uint64_t> chunks;
  for (const auto& [offset, bytes] : runs_) {
    const uint64_t chunk = offset / chunk_bytes_;
    if (chunks.empty() || chunks.back() != chunk) {
      chunks.push_back(chunk);
    }
  }
  return chunks;
}

}  // namespace kvfs::fs
