"""fio writes at random and verifies every block, before and after a remount."""

import harness
from harness import run


class Fio(harness.MountedTest):
    def verify(self, engine, *more):
        size = "256M" if harness.LONG else "64M"
        job = ["fio", "--name=verify", f"--directory={self.dir}", f"--size={size}", "--bs=4k-64k",
               "--bsrange=4k-64k", f"--ioengine={engine}", "--rw=randwrite", "--verify=crc32c",
               "--verify_fatal=1", "--randrepeat=1", "--randseed=7", "--fallocate=none", *more]
        run([*job, "--do_verify=1", "--end_fsync=1"], timeout=600)
        self.mount.remount()
        run([*job, "--verify_only=1"], timeout=600)

    def test_random_writes(self):
        self.verify("psync")

    def test_random_writes_with_fsync(self):
        self.verify("psync", "--fsync=16", "--size=16M")

    def test_mmap(self):
        self.verify("mmap")

    def test_four_jobs(self):
        self.verify("psync", "--numjobs=4", "--size=16M")

    def test_direct(self):
        self.verify("psync", "--direct=1", "--size=32M")


if __name__ == "__main__":
    harness.main()
