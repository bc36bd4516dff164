// The format of table files (doc/formats/table.md), shared by builder and reader.
//
//   data block*  filter block  properties block  index block  footer
//
// Every block is followed by a trailer: u8 compression (0 raw, 1 Snappy), u32 masked
// CRC-32C of the stored bytes, the compression byte, the table's own file number and
// the block's offset; a block that stands in the wrong place does not verify.
#pragma once

#include <cstdint>
#include <string_view>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/table_properties.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

inline constexpr uint64_t kTableMagic = 0x31656c6261745f6bu;  // "k_table1"
inline constexpr uint32_t kTableVersion = 2;
inline constexpr size_t kBlockTrailerBytes = 5;
inline constexpr size_t kTableFooterBytes = 3 * 12 + 4 + 4 + 8;

enum class Compression : uint8_t { kNone = 0, kSnappy = 1 };

// Where a block lies; `size` is that of the stored bytes, without the trailer.
struct BlockHandle {
  uint64_t offset = 0;
  uint32_t size = 0;

  bool operator==(const BlockHandle&) const = default;
};
void EncodeBlockHandle(const BlockHandle& handle, Bytes* out);  // two varints
bool DecodeBlockHandle(ByteView* in, BlockHandle* handle);

struct TableFooter {
  BlockHandle filter;  // size 0: none
  BlockHandle properties;
  BlockHandle index;
};
void EncodeTableFooter(const TableFooter& footer, uint64_t file_number, Bytes* out);
// kCorruption; a newer version is kInvalidArgument. Messages do not name the file.
Status DecodeTableFooter(ByteView in, uint64_t file_number, TableFooter* footer);

// Appends `contents` to `out`, compressed where that gains at least an eighth, and the trailer.
// The size of the stored bytes.
uint32_t SealBlock(ByteView contents, bool compress, uint64_t file_number, uint64_t offset,
                   Bytes* out);
// Reads, verifies and decompresses a block. `name` (of the file) is for messages. REQUIRES: the
// handle and the trailer after it lie within the file, so that a damaged size allocates nothing.
Result<Bytes> ReadBlock(const env::RandomAccessFile& file, std::string_view name,
                        uint64_t file_number, const BlockHandle& handle);
// The same for a block that was read with others: `stored` is what lies at the handle, with the
// trailer; shorter if the file ends there.
Result<Bytes> DecodeBlock(ByteView stored, std::string_view name, uint64_t file_number,
                          const BlockHandle& handle);

}  // namespace kvfs::engine
