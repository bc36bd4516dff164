// libfuse's low-level interface, in the version kvfs is written for.
#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif

#include <fuse3/fuse_lowlevel.h>
