// DbIterator: the keys of one moment, out of the internal entries: of each key the
// newest entry at or below `sequence`, deletes left out, within bounds; blobs are read
// when their value is asked for.
#pragma once

#include <cstdint>
#include <memory>

#include "kvcore/engine/blob_cache.h"
#include "kvcore/engine/db.h"
#include "kvcore/engine/internal_iterator.h"
#include "kvcore/engine/version.h"

namespace kvfs::engine {

// Holds `view`; what `input` walks over must be held by it.
std::unique_ptr<Iterator> NewDbIterator(std::unique_ptr<InternalIterator> input,
                                        std::shared_ptr<const ReadView> view, uint64_t sequence,
                                        BlobFileCache* blob_files, const ReadOptions& options);

// An iterator over nothing.
std::unique_ptr<Iterator> NewFailedIterator(Status status);

}  // namespace kvfs::engine
