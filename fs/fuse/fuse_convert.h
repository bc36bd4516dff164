// Between the kernel's words and ours: attributes, setattr masks, rename flags. Pure.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <optional>

#include "fs/meta/types.h"

namespace kvfs::fs {

struct stat ToStat(const Attr& attr);

// `to_set`: FUSE_SET_ATTR_* bits; `attr`: the values that go with them.
SetAttrRequest ToSetAttr(const struct stat& attr, int to_set);
// A request without any change: chown(-1, -1), or the kernel's before a write to a file with suid.
bool ChangesNothing(int to_set);

// RENAME_* of renameat2(2); nothing for flags that are not supported.
std::optional<RenameMode> ToRenameMode(unsigned flags);

struct statvfs ToStatVfs(const FsSpace& space);

}  // namespace kvfs::fs
