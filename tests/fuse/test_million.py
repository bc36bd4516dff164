"""A directory of a million entries: made, listed, looked into, found again after a remount and
after a kill, and removed. Prints rates, and holds the last against the first.

Takes a quarter of an hour, so it runs only with KVFS_LONG=1, or with KVFS_ENTRIES=N for a
directory of another size."""

import os
import random
import subprocess
import time
import unittest

import harness

ENTRIES = int(os.environ.get("KVFS_ENTRIES", "1000000"))
STEP = max(1, ENTRIES // 10)
FIRST = min(10_000, ENTRIES // 10)
STATS = min(100_000, ENTRIES)
MEMORY = 512  # the default of a mount, MiB


def name_of(number):
    return f"entry-{number:07}"


@unittest.skipUnless(harness.LONG or "KVFS_ENTRIES" in os.environ, "only with KVFS_LONG=1")
class Million(harness.MountedTest):
    def rate(self, what, count, function):
        started = time.monotonic()
        result = function()
        seconds = time.monotonic() - started
        memory = 0 if harness.LOCAL else harness.peak_memory(self.mount.pid())
        harness.log(f"{what}: {count} in {seconds:.1f} s, {count / seconds:.0f}/s; "
                    f"daemon's peak {memory:.0f} MiB, disk {self.mount.disk_use() >> 20} MiB")
        return result, count / seconds

    def make(self, begin, end):
        for number in range(begin, end):
            os.close(os.open(self.path(name_of(number)), os.O_CREAT | os.O_EXCL | os.O_WRONLY))

    def look(self, choose, count, among):
        for _ in range(count):
            os.stat(self.path(name_of(choose.randrange(among))))

    def list(self, count):
        names = set()
        with os.scandir(self.dir) as entries:
            for entry in entries:
                names.add(entry.name)
        self.assertEqual(len(names), count)

    def timed(self, what, function):
        started = time.monotonic()
        function()
        harness.log(f"{what}: {time.monotonic() - started:.2f} s")

    def test_a_million_entries(self):
        choose = random.Random(1)
        _, first = self.rate("create, the first", FIRST, lambda: self.make(0, FIRST))
        self.rate("list", FIRST, lambda: self.list(FIRST))
        self.timed("stop", self.mount.stop)
        self.timed("mount", self.mount.start)
        self.rate("stat, cold", FIRST, lambda: self.look(choose, FIRST, FIRST))
        last = first
        for begin in range(FIRST, ENTRIES, STEP):
            end = min(begin + STEP, ENTRIES)
            _, last = self.rate(f"create up to {end}", end - begin, lambda: self.make(begin, end))
        self.rate("list", ENTRIES, lambda: self.list(ENTRIES))
        self.rate("stat at random", STATS, lambda: self.look(choose, STATS, ENTRIES))
        self.timed("stop", self.mount.stop)
        self.timed("mount after a clean stop", self.mount.start)
        self.rate("stat at random, cold", STATS, lambda: self.look(choose, STATS, ENTRIES))
        self.rate("list, cold", ENTRIES, lambda: self.list(ENTRIES))
        self.make(ENTRIES, ENTRIES + 1)
        self.timed("kill and mount", self.mount.crash)
        self.list(ENTRIES + 1)
        self.rate("ls -l", ENTRIES, lambda: subprocess.run(
            ["ls", "-lU", self.dir], stdout=subprocess.DEVNULL, check=True))
        self.rate("rm -rf", ENTRIES, lambda: subprocess.run(["rm", "-rf", self.dir], check=True))
        self.assertFalse(os.path.exists(self.dir))
        os.mkdir(self.dir)
        self.assertGreater(last, first / 4, "creating has become much slower")
        if not harness.LOCAL:
            self.assertLess(harness.peak_memory(self.mount.pid()), MEMORY)


if __name__ == "__main__":
    harness.main()
