#!/usr/bin/env python3
"""fs_compare.py [--runs N] [--rows a,b] [--scale F] [--json FILE] [--work DIR]

kvfs beside the price of FUSE alone: libfuse's passthrough_ll, once with its defaults
(pt_ll), once with write-back and long time-outs (pt_ll_wb), on one disk and in one
hour. The three take turns, run by run; a row's figure is the median, and its ratio is
kvfs to the better of the two: above 1 kvfs is ahead, whatever the unit. Cold rows
restart the daemon and drop the page cache.

Needs root, a release build, and the examples of libfuse3-dev.
"""

import argparse
import os
import pathlib
import subprocess
import sys

from side_by_side import BINARIES, add_options, compare, is_mounted, run, wait_until

EXAMPLES = pathlib.Path("/usr/share/doc/libfuse3-dev/examples")
WRITE_BACK = "writeback,cache=always,timeout=86400"


class Kvfs:
    name = "kvfs"

    def __init__(self, work):
        self.data, self.mount = work / "kvfs.data", work / "kvfs"
        self.mount.mkdir()
        self.kvfs = BINARIES / "kvfs"

    def up(self):
        run(self.kvfs, "mount", "--data", self.data, self.mount)

    def down(self):
        if is_mounted(self.mount):
            run(self.kvfs, "umount", self.mount)

    def again(self):
        return f"{self.kvfs} umount {self.mount} && {self.kvfs} mount --data {self.data} {self.mount}"


class Passthrough:
    def __init__(self, name, work, options):
        self.name = name
        self.source, self.mount = work / f"{name}.data", work / name
        self.source.mkdir()
        self.mount.mkdir()
        words = f"source={self.source},allow_other,default_permissions"
        self.command = [str(work / "passthrough_ll"), "-o", ",".join([words] + options),
                        str(self.mount)]

    def up(self):
        run(*self.command)
        wait_until(lambda: is_mounted(self.mount), f"{self.name} is mounted")

    def down(self):
        if is_mounted(self.mount):
            run("umount", self.mount)

    def again(self):
        return f"umount {self.mount} && {' '.join(self.command)} && stat {self.mount} > /dev/null"


def build_passthrough(work):
    source = EXAMPLES / "passthrough_ll.c"
    if not source.exists():
        sys.exit(f"no {source}: install libfuse3-dev")
    flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "fuse3"], text=True)
    run("cc", "-O2", "-DHAVE_UTIMENSAT", "-DHAVE_POSIX_FALLOCATE", "-DHAVE_FALLOCATE",
        "-DHAVE_SETXATTR", "-DHAVE_COPY_FILE_RANGE", f"-I{EXAMPLES}", source, "-o",
        work / "passthrough_ll", *flags.split(), "-ldl")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, "fs_compare", runs=5)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("fs_compare needs root: it mounts and drops the page cache")

    def make_systems(work):
        build_passthrough(work)
        return [Kvfs(work), Passthrough("pt_ll", work, []),
                Passthrough("pt_ll_wb", work, [WRITE_BACK])]

    compare(arguments, make_systems)


if __name__ == "__main__":
    main()
