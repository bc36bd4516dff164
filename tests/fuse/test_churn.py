"""Churn: memory and disk stay within their bounds, and the figures are printed."""

import os
import random
import threading
import time

import harness

MIB = 1 << 20
# Logs, tables in flight, manifest: what the store may need besides the data.
OVERHEAD = 160 * MIB
MEMORY = 192


class Churn(harness.MountedTest):
    options = ("--memory", f"{MEMORY}M")

    def setUp(self):
        super().setUp()
        self.peak = 0
        self.stop_sampling = threading.Event()
        self.sampler = threading.Thread(target=self.sample)
        self.sampler.start()
        self.addCleanup(self.end_sampling)

    def sample(self):
        while not self.stop_sampling.wait(0.2):
            self.peak = max(self.peak, self.mount.disk_use())

    def end_sampling(self):
        self.stop_sampling.set()
        self.sampler.join()

    def written(self):
        if harness.LOCAL:
            return 0
        with open(f"/proc/{self.mount.pid()}/io") as file:
            for line in file:
                if line.startswith("write_bytes:"):
                    return int(line.split()[1])
        return 0

    def report(self, what, live, user_bytes, written):
        """Prints the figures, then holds them against their bounds."""
        after_bound = 1.3 * live + OVERHEAD
        settled = time.monotonic() + 60
        while self.mount.disk_use() > after_bound and time.monotonic() < settled:
            time.sleep(0.5)
        self.end_sampling()
        after = self.mount.disk_use()
        memory = 0 if harness.LOCAL else harness.peak_memory(self.mount.pid())
        harness.log(f"{what}: live {live / MIB:.0f} MiB, disk during {self.peak / MIB:.0f} "
                    f"(bound {(2 * live + OVERHEAD) / MIB:.0f}), after {after / MIB:.0f} "
                    f"(bound {after_bound / MIB:.0f}) MiB; daemon's memory {memory:.0f} MiB "
                    f"(bound {MEMORY}); {written / max(1, user_bytes):.2f} bytes written per "
                    f"user byte of {user_bytes / MIB:.0f} MiB")
        self.assertLessEqual(self.peak, 2 * live + OVERHEAD, "disk during")
        self.assertLessEqual(after, after_bound, "disk after")
        self.assertLessEqual(memory, MEMORY, "memory")

    def test_create_and_delete(self):
        live, total = 64 * MIB, 10 * MEMORY * MIB
        start = self.written()
        data = [os.urandom(MIB) for _ in range(8)]
        names = []
        for i in range(total // MIB):
            stamped = i.to_bytes(8, "little")
            with open(self.path(str(i)), "wb") as file:
                file.write(stamped + data[i % 8][8:])
            names.append(str(i))
            if len(names) > live // MIB:
                os.unlink(self.path(names.pop(0)))
        for name in names:
            with open(self.path(name), "rb") as file:
                self.assertEqual(file.read(8), int(name).to_bytes(8, "little"))
        self.report("create and delete", live, total, self.written() - start)
        for name in names:
            os.unlink(self.path(name))

    def test_create_and_delete_small_files(self):
        start = self.written()
        user_bytes = 0
        for round_ in range(10):
            for i in range(2000):
                self.write(f"f{i}", bytes([round_]) * 6000)
                user_bytes += 6000
            for i in range(2000):
                os.unlink(self.path(f"f{i}"))
        self.report("small files", 2000 * 8192, user_bytes, self.written() - start)

    def test_overwrite_with_fsync(self):
        size = 64 * MIB
        fd = os.open(self.path("file"), os.O_RDWR | os.O_CREAT)
        for _ in range(size // MIB):
            os.write(fd, os.urandom(MIB))
        os.fsync(fd)
        start = self.written()
        choose = random.Random(1)
        versions = {}
        deadline = time.monotonic() + 60
        writes = 0
        while time.monotonic() < deadline:
            block = choose.randrange(size // 4096)
            writes += 1
            os.pwrite(fd, writes.to_bytes(8, "little") * 512, block * 4096)
            os.fsync(fd)
            versions[block] = writes
        written = self.written() - start
        harness.log(f"overwrite: {writes / 60:.0f} writes with fsync a second")
        for block, version in versions.items():
            self.assertEqual(os.pread(fd, 4096, block * 4096), version.to_bytes(8, "little") * 512)
        os.close(fd)
        self.report("overwrite with fsync", size, writes * 4096, written)
        self.mount.crash()
        with open(self.path("file"), "rb") as file:
            content = file.read()
        for block, version in versions.items():
            self.assertEqual(content[block * 4096:block * 4096 + 8], version.to_bytes(8, "little"))


if __name__ == "__main__":
    harness.main()
