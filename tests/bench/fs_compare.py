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
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from table import figure, ratio

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = pathlib.Path("/usr/share/doc/libfuse3-dev/examples")
WRITE_BACK = "writeback,cache=always,timeout=86400"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, **more)


def is_mounted(path):
    return any(line.split()[4] == str(path) for line in open("/proc/self/mountinfo"))


class Kvfs:
    name = "kvfs"

    def __init__(self, work, binaries):
        self.data, self.mount = work / "kvfs.data", work / "kvfs"
        self.mount.mkdir()
        self.kvfs = binaries / "kvfs"

    def up(self):
        run(self.kvfs, "mount", "--data", self.data, self.mount)

    def down(self):
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
        deadline = time.monotonic() + 15
        while not is_mounted(self.mount):
            if time.monotonic() > deadline:
                sys.exit(f"{self.name} is not mounted after 15 s")
            time.sleep(0.05)

    def down(self):
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
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", help="only these rows of fs_bench (see fs_bench --list)")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=pathlib.Path, help="write every figure here")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/fs_compare"),
                        help="everything lies here; removed at the end")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("fs_compare needs root: it mounts and drops the page cache")

    work = arguments.work
    work.mkdir(parents=True)  # not one that is there: it is removed at the end
    binaries = ROOT / "build/release/bin"
    values, rows, up = {}, {}, []
    try:
        build_passthrough(work)
        systems = [Kvfs(work, binaries), Passthrough("pt_ll", work, []),
                   Passthrough("pt_ll_wb", work, [WRITE_BACK])]
        for number in range(arguments.runs):
            for system in systems:
                system.up()
                up.append(system)
                command = [binaries / "fs_bench", system.mount, "--json", "--label", system.name,
                           "--scale", arguments.scale, "--scratch", work, "--before-cold",
                           f"{system.again()} && sync && echo 3 > /proc/sys/vm/drop_caches"]
                if arguments.rows:
                    command += ["--rows", arguments.rows]
                out = run(*command, stdout=subprocess.PIPE, text=True,
                          stderr=None if number == 0 else subprocess.DEVNULL).stdout
                for key, row in json.loads(out)["rows"].items():
                    rows[key] = row
                    values.setdefault(key, {}).setdefault(system.name, []).append(row["median"])
                up.pop()
                system.down()
    finally:
        for system in up:
            system.down()
        shutil.rmtree(work, ignore_errors=True)

    print("| workload | kvfs | pt_ll | pt_ll_wb | ratio to the better |\n|---|---|---|---|---|")
    for key, row in rows.items():
        kvfs, *peers = [statistics.median(values[key][system.name]) for system in systems]
        worst = min(ratio(row["unit"], kvfs, peer) for peer in peers)
        print(f"| {row['label']}, {row['unit']} | {figure(kvfs)} | "
              + " | ".join(map(figure, peers)) + f" | {worst:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=2))


if __name__ == "__main__":
    main()
