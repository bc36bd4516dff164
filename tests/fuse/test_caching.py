"""What the daemon does on its own between requests and beside them: buffers grow old and are
written back, reads in order are read ahead, lookups in one directory run at the same time."""

import json
import mmap
import os
import shutil
import subprocess
import threading
import time
import unittest

import harness
from harness import run, wait_for

CHUNK = 128 << 10
DELAY = 0.4


@unittest.skipIf(harness.LOCAL, "nothing to test without kvfs")
class Caching(harness.MountedTest):
    def status(self):
        text = run([harness.binary("kvfs-admin"), "status", "--data", self.mount.data, "--json"]).stdout
        return json.loads(text)["filesystem"]

    # ---- the age of buffers ----

    def test_old_buffers_survive_the_daemon(self):
        """Neither closed nor synced; what is written by then outlives a kill -9."""
        data = os.urandom(100_000)
        path, old = self.path("file"), self.write("old", b"-" * 300_000)

        def write():
            os.write(os.open(path, os.O_WRONLY | os.O_CREAT), data)
            os.pwrite(os.open(old, os.O_WRONLY), data[:5000], 200_000)

        with harness.Holder(write):
            started = time.monotonic()
            self.assertGreater(int(self.status()["dirty_bytes"]), 0)
            wait_for("the buffers to be written back",
                     lambda: int(self.status()["dirty_bytes"]) == 0, 10)
            harness.log(f"written back after {time.monotonic() - started:.1f} s")
            self.mount.kill()
        self.mount.start()
        self.assertEqual(self.read("file"), data)
        self.assertEqual(self.read("old")[200_000:205_000], data[:5000])

    # ---- read-ahead ----

    def read_direct(self, path, offsets):
        """Reads of one chunk each, past the kernel's cache and its read-ahead."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        buffer = mmap.mmap(-1, CHUNK)
        try:
            for offset in offsets:
                self.assertEqual(os.preadv(fd, [buffer], offset), CHUNK)
        finally:
            os.close(fd)

    def cold(self, name):
        path = self.write(name, os.urandom(64 * CHUNK))
        self.mount.remount()
        return path, int(self.status()["cached_bytes"])

    def test_reads_in_order_are_read_ahead(self):
        path, before = self.cold("file")
        self.read_direct(path, [i * CHUNK for i in range(4)])
        wait_for("chunks beyond the four read",
                 lambda: int(self.status()["cached_bytes"]) >= before + 8 * CHUNK, 10)
        read_ahead = self.status()
        self.read_direct(path, [i * CHUNK for i in range(4, 8)])
        after = self.status()
        self.assertGreaterEqual(int(after["cache_hits"]), int(read_ahead["cache_hits"]) + 4)

    def test_reads_out_of_order_are_not(self):
        path, before = self.cold("file")
        self.read_direct(path, [i * CHUNK for i in (40, 3, 61, 22, 50, 11)])
        self.assertLess(int(self.status()["cached_bytes"]), before + 7 * CHUNK)

    # ---- at the same time ----

    def slowed(self, call):
        """A strace that makes every such system call of the daemon wait."""
        tracer = subprocess.Popen(
            ["strace", "-f", "-o", os.devnull, "-e", f"trace={call}",
             "-e", f"inject={call}:delay_enter={int(DELAY * 1e6)}", "-p", str(self.mount.pid())],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.stderr.close)
        self.addCleanup(tracer.terminate)
        # It says so for each thread; the last to be found is the last to be traced.
        threads = len(os.listdir(f"/proc/{self.mount.pid()}/task"))
        for _ in range(10 * threads):
            line = tracer.stderr.readline()
            if "attached" in line:
                break
        self.assertIn("attached", line)

        def all_traced():
            for task in os.listdir(f"/proc/{self.mount.pid()}/task"):
                with open(f"/proc/{self.mount.pid()}/task/{task}/status") as file:
                    if "TracerPid:\t0" in file.read():
                        return False
            return True
        wait_for("all threads to be traced", all_traced)

    def time_lookups(self, paths):
        """How long it takes to look all of them up, each by a thread of its own."""
        barrier = threading.Barrier(len(paths) + 1)

        def look(path):
            barrier.wait()
            try:
                os.stat(path)
            except FileNotFoundError:
                pass

        threads = [threading.Thread(target=look, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        barrier.wait()
        started = time.monotonic()
        for thread in threads:
            thread.join()
        return time.monotonic() - started

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_lookups_in_one_directory_run_together(self):
        """Each waits for a slow answer of the daemon; four at once take the time of one."""
        os.stat(self.dir)
        self.slowed("writev")
        one = self.time_lookups([self.path("unknown")])
        self.assertGreater(one, DELAY * 0.9, "the delay is not felt")
        four = self.time_lookups([self.path(f"unknown{i}") for i in range(4)])
        harness.log(f"one lookup {one:.2f} s, four in one directory {four:.2f} s")
        self.assertLess(four, 2.5 * DELAY)

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_lookups_in_one_directory_read_together(self):
        """The same with a slow disk, from which each has to read blocks of its own."""
        names = [os.urandom(90).hex() for _ in range(4000)]
        for name in names:
            os.close(os.open(self.path(name), os.O_CREAT | os.O_WRONLY))
        # Brings everything from the logs, which are replayed into memory, to tables.
        run([harness.binary("kvfs-admin"), "checkpoint", os.path.join(self.mount.base, "copy"),
             "--data", self.mount.data])
        self.mount.remount()
        os.stat(self.dir)
        self.slowed("pread64")
        for name in names[:4]:  # reads what all lookups share
            os.stat(self.path(name))
        # A name whose block another has brought along costs nothing; the slower ones tell the price.
        alone = sorted(self.time_lookups([self.path(name)]) for name in names[4:11])[3:]
        self.assertGreater(alone[0], DELAY * 0.9, "the delay is not felt")
        together = self.time_lookups([self.path(name) for name in names[11:19]])
        harness.log(f"cold lookups alone {alone[0]:.2f} to {alone[-1]:.2f} s, "
                    f"eight together {together:.2f} s")
        # One after the other they would take about eight times as long.
        self.assertLess(together, 3 * alone[-1])


if __name__ == "__main__":
    harness.main()
