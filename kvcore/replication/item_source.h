// ItemSource: the present state, as the cores that plan writes ask for it.
#pragma once

#include <functional>
#include <optional>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::replication {

class ItemSource {
 public:
  virtual ~ItemSource() = default;

  // Nothing = no such key.
  virtual Result<std::optional<Bytes>> Read(ByteView key) = 0;
  // Without reading the value.
  virtual Result<bool> Contains(ByteView key) = 0;
  // Whether a key in [begin, end) is there that `accept` takes.
  virtual Result<bool> AnyKey(ByteView begin, ByteView end,
                              const std::function<bool(ByteView)>& accept) = 0;
};

}  // namespace kvfs::replication
