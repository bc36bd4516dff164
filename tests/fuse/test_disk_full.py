"""A full disk: write() says so, deletes work, space comes back, no restart."""

import errno
import os
import unittest

import harness
from harness import Image, Mount, run, wait_for

MIB = 1 << 20


class DiskFull(unittest.TestCase):
    def setUp(self):
        self.base = harness.make_base()
        self.addCleanup(harness.tear_down, self.base)

    def start_on_disk(self, mib, *options):
        Image(os.path.join(self.base, "disk.img"), os.path.join(self.base, "disk"),
              "ext4", mib, ["-m", "0"])
        self.start(os.path.join(self.base, "disk/data"), *options)

    def start(self, data, *options):
        self.mount = Mount(self.base, data=data)
        self.mount.start(*options)
        self.addCleanup(self.mount.kill)
        self.dir = os.path.join(self.base, "disk") if harness.LOCAL else self.mount.path
        self.pid = None if harness.LOCAL else self.mount.pid()
        self.content = {}

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, size):
        """Writes a file of random bytes; remembers it if everything succeeded. Returns
        the errno and the call it came from, or None."""
        data = os.urandom(size)
        step = "open"
        try:
            fd = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as failure:
            return failure.errno, step
        try:
            step = "write"
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view[:131072]):]
            step = "close"
        except OSError as failure:
            try:
                os.close(fd)
            except OSError:
                pass  # it may say the same again
            return failure.errno, step
        try:
            os.close(fd)
        except OSError as failure:
            return failure.errno, step
        self.content[name] = data
        return None

    def fill(self, prefix, size, limit):
        for i in range(limit):
            failed = self.put(f"{prefix}{i}", size)
            if failed:
                harness.log(f"full after {i} files of {size} bytes: {failed}")
                return failed
        self.fail(f"{limit} files of {size} bytes fit")

    def check_content(self):
        for name, data in self.content.items():
            with open(self.path(name), "rb") as file:
                self.assertTrue(file.read() == data, f"{name} has changed")

    def remove(self, names):
        for name in names:
            os.unlink(self.path(name))
            self.content.pop(name, None)

    def still_the_same_daemon(self):
        if not harness.LOCAL:
            self.assertEqual(self.mount.pid(), self.pid)

    def test_full_of_data(self):
        self.start_on_disk(600)
        failed = self.fill("f", MIB, 700)
        self.assertEqual(failed[0], errno.ENOSPC)
        self.assertIn(failed[1], ("open", "write"), "write() itself must say it")
        self.assertGreater(len(self.content), 250, "too much was kept back")
        self.check_content()

        # Overwriting may fail, but then the old content is whole.
        name = sorted(self.content)[0]
        with open(self.path(name), "r+b") as file:
            try:
                os.pwrite(file.fileno(), b"n" * 1000, 0)
                os.fsync(file.fileno())
                self.content[name] = b"n" * 1000 + self.content[name][1000:]
            except OSError as failure:
                self.assertEqual(failure.errno, errno.ENOSPC)
        self.check_content()

        for round_ in range(3):
            names = sorted(self.content)
            self.remove(names[:len(names) // 2])
            wait_for("space to come back", lambda: self.put("again", 20 * MIB) is None, 60)
            self.check_content()
            self.fill(f"r{round_}.", MIB, 700)
        self.still_the_same_daemon()
        self.remove(list(self.content))
        self.assertEqual([n for n in os.listdir(self.dir)
                          if os.path.getsize(self.path(n)) > 0 and n in self.content], [])
        run(f"rm -rf {self.dir}/f* {self.dir}/r*")
        wait_for("all space to come back", lambda: self.put("large", 250 * MIB) is None, 90)
        self.still_the_same_daemon()
        self.mount.remount()
        self.check_content()

    def test_full_of_small_files(self):
        self.start_on_disk(300)
        os.mkdir(self.path("d"))
        failed = self.fill("d/s", 3000, 200_000)
        self.assertEqual(failed[0], errno.ENOSPC)
        some = dict(list(self.content.items())[::50])
        everything, self.content = self.content, some
        self.check_content()
        self.mount.crash()
        self.check_content()
        self.content = {}
        run(["rm", "-rf", self.path("d")])
        os.mkdir(self.path("d"))
        wait_for("space to come back", lambda: self.put("large", 60 * MIB) is None, 90)
        self.check_content()

    @unittest.skipIf(harness.LOCAL, "an option of kvfs")
    def test_capacity(self):
        self.start(os.path.join(self.base, "data"), "--capacity", "400M")
        st = os.statvfs(self.dir)
        self.assertAlmostEqual(st.f_blocks * st.f_frsize / MIB, 400, delta=40)
        failed = self.fill("f", MIB, 500)
        self.assertEqual(failed[0], errno.ENOSPC)
        self.assertGreater(len(self.content), 150, "too much was kept back")
        st = os.statvfs(self.dir)
        self.assertLess(st.f_bavail * st.f_frsize, 20 * MIB, "df shows that it is full")
        self.assertLess(self.mount.disk_use(), 440 * MIB)
        names = sorted(self.content)
        self.remove(names[:100])
        wait_for("space to come back", lambda: self.put("again", 40 * MIB) is None, 60)
        self.check_content()
        self.still_the_same_daemon()


if __name__ == "__main__":
    harness.main()
