// Small rules that several operations of the namespace share: what a name may be,
// what a new record says, the time of day. Pure but for the clock.
#pragma once

#include "fs/meta/records.pb.h"
#include "fs/meta/types.h"
#include "kvcore/client/types.h"
#include "kvcore/env/clock.h"

namespace kvfs::fs {

// ENOENT: empty; ENAMETOOLONG; EINVAL: holds '/' or NUL, or is "." or "..".
Errno CheckName(ByteView name);

TimeSpec WallTime(env::Clock* clock);

// The S_IFMT bits as d_type has them.
uint32_t DirentType(uint32_t mode);

// Number, home, mode, all four times, one link (without its place). `record` is empty.
void FillNewRecord(InodeRef ref, uint32_t mode, TimeSpec now, client::HybridTime set_at,
                   pb::Inode* record);

}  // namespace kvfs::fs
