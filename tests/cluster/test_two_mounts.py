"""Two mounts of one cluster: each sees at once what the other does, and they exclude each other."""

import errno
import os
import statistics
import time
import unittest

import cluster_harness
import harness
from cluster_harness import Cluster, binary, run

MOST_MEDIAN_SECONDS = 0.050


class TwoMounts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster().start_all()
        cls.one = cls.cluster.mount("one")
        cls.two = cls.cluster.mount("two")

    @classmethod
    def tearDownClass(cls):
        for child in cls.cluster.children.values():
            child.kill()
            child.wait(30)
        harness.tear_down(cls.cluster.base)

    def setUp(self):
        self.dir = self._testMethodName
        os.mkdir(self.here())
        self.until(lambda: os.path.isdir(self.there()))

    def here(self, *names):
        return os.path.join(self.one.path, self.dir, *names)

    def there(self, *names):
        return os.path.join(self.two.path, self.dir, *names)

    def until(self, condition, timeout=20):
        """How long it takes until the condition holds, seconds."""
        began = time.monotonic()
        while not condition():
            self.assertLess(time.monotonic() - began, timeout, "never")
            time.sleep(0.0005)
        return time.monotonic() - began

    def tearDown(self):
        run([binary("kvfs-admin"), "fsck", self.one.data], timeout=300)


class SeeingEachOther(TwoMounts):
    def size_there(self, name):
        try:
            return os.stat(self.there(name)).st_size
        except FileNotFoundError:
            return -1

    def test_changes_are_seen_at_once(self):
        """From the return of a call on one mount to stat or readdir on the other."""
        times = {what: [] for what in ("create", "close", "chmod", "rename", "unlink", "mkdir", "rmdir")}
        for number in range(20):
            name, moved, sub = f"f{number}", f"m{number}", f"d{number}"
            with open(self.here(name), "w"):
                pass
            times["create"].append(self.until(lambda: name in os.listdir(self.there())))
            self.assertEqual(self.size_there(name), 0)
            with open(self.here(name), "w") as file:
                file.write("x" * (100 + number))
            times["close"].append(self.until(lambda: self.size_there(name) == 100 + number))
            os.chmod(self.here(name), 0o640)
            times["chmod"].append(self.until(lambda: os.stat(self.there(name)).st_mode & 0o777 == 0o640))
            os.rename(self.here(name), self.here(moved))
            times["rename"].append(
                self.until(lambda: self.size_there(name) == -1 and self.size_there(moved) > 0))
            os.remove(self.here(moved))
            times["unlink"].append(self.until(lambda: self.size_there(moved) == -1))
            os.mkdir(self.here(sub))
            times["mkdir"].append(self.until(lambda: os.path.isdir(self.there(sub))))
            os.rmdir(self.here(sub))
            times["rmdir"].append(self.until(lambda: not os.path.exists(self.there(sub))))
        for what, taken in times.items():
            median = statistics.median(taken)
            print(f"{what:8} seen by the other mount after {median * 1000:6.2f} ms (median), "
                  f"{max(taken) * 1000:6.2f} ms (longest)", flush=True)
            self.assertLess(median, MOST_MEDIAN_SECONDS, what)

    def test_an_open_file_is_followed(self):
        """Also what the kernel holds of a file that stays open is what was published last."""
        for size in (100, 10_000, 3_000_000):
            path, there = self.here(f"f{size}"), self.there(f"f{size}")
            with open(path, "wb") as file:
                file.write(b"a" * size)
            self.until(lambda: os.path.exists(there))
            with open(there, "rb") as reader:
                self.assertEqual(os.pread(reader.fileno(), 4, size - 4), b"aaaa")
                with open(path, "r+b") as writer:
                    writer.seek(size - 4)
                    writer.write(b"bbbb")
                self.until(lambda: os.pread(reader.fileno(), 4, size - 4) == b"bbbb")

    def test_names_under_the_feet(self):
        """A directory that somebody works in is moved and removed by the other mount."""
        os.makedirs(self.here("a", "b"))
        self.until(lambda: os.path.isdir(self.there("a", "b")))
        inside = os.open(self.there("a", "b"), os.O_RDONLY)
        self.addCleanup(os.close, inside)
        os.rename(self.here("a", "b"), self.here("c"))
        self.until(lambda: os.path.isdir(self.there("c")) and not os.path.exists(self.there("a", "b")))
        self.assertEqual(os.listdir(inside), [])
        with open(self.here("c", "file"), "w") as file:
            file.write("seen")
        self.until(lambda: os.listdir(inside) == ["file"])
        os.remove(self.here("c", "file"))
        os.rmdir(self.here("c"))
        self.until(lambda: not os.path.exists(self.there("c")))
        with self.assertRaises(OSError) as caught:
            os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=inside))
        self.assertIn(caught.exception.errno, (errno.ENOENT, errno.ESTALE))


if __name__ == "__main__":
    harness.main()
