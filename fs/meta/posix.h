// The constants of POSIX and Linux that name modes, flags and limits: S_IF*, O_*,
// FALLOC_FL_*, SEEK_*, XATTR_*. Constants only: nothing in fs/ but fs/fuse makes a
// system call. The layer check knows this file; include it, not the system headers.
#pragma once

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
