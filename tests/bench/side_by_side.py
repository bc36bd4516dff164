"""fs_bench on several filesystems that take turns, and the table of their medians.

A system has a `name`, the directory `mount`, `up()`, `down()`, and `again()`: the shell command
that has its client forget what it has in memory."""

import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from table import figure, ratio

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = ROOT / "build/release/bin"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, **more)


def is_mounted(path):
    return any(line.split()[4] == str(path) for line in open("/proc/self/mountinfo"))


def wait_until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not so after {seconds} s")
        time.sleep(0.05)


def add_options(parser, name, runs):
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--rows", help="only these rows of fs_bench (see fs_bench --list)")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=pathlib.Path, help="write every figure here")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp") / name,
                        help="everything lies here; removed at the end")


def compare(arguments, make_systems):
    """Prints the table. `make_systems(work)`: kvfs first, then its peers."""
    work = arguments.work
    work.mkdir(parents=True)  # not one that is there: it is removed at the end
    values, rows, systems = {}, {}, []
    try:
        systems = make_systems(work)
        for number in range(arguments.runs):
            for system in systems:
                try:
                    system.up()
                    command = [BINARIES / "fs_bench", system.mount, "--json", "--label", system.name,
                               "--scale", arguments.scale, "--scratch", work, "--before-cold",
                               f"{system.again()} && sync && echo 3 > /proc/sys/vm/drop_caches"]
                    if arguments.rows:
                        command += ["--rows", arguments.rows]
                    out = run(*command, stdout=subprocess.PIPE, text=True,
                              stderr=None if number == 0 else subprocess.DEVNULL).stdout
                finally:
                    system.down()
                for key, row in json.loads(out)["rows"].items():
                    rows[key] = row
                    values.setdefault(key, {}).setdefault(system.name, []).append(row["median"])
    finally:
        shutil.rmtree(work, ignore_errors=True)

    print("| workload | " + " | ".join(system.name for system in systems)
          + " | ratio to the better |\n|---" + "|---" * (len(systems) + 1) + "|")
    for key, row in rows.items():
        kvfs, *peers = [statistics.median(values[key][system.name]) for system in systems]
        worst = min(ratio(row["unit"], kvfs, peer) for peer in peers)
        print(f"| {row['label']}, {row['unit']} | {figure(kvfs)} | "
              + " | ".join(map(figure, peers)) + f" | {worst:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=2))
