"""Three nodes hold one filesystem. Each of them is killed while programs work on a mount of it,
and started again: nothing fails, nothing is lost."""

import os
import shutil
import subprocess
import threading
import time
import unittest

import cluster_harness
import harness
from cluster_harness import Cluster, binary, make_repository, make_source, run, wait_for
from harness import compare_trees


class ThreeNodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = cluster_harness.make_base()
        cls.source = make_source(cls.base, "source", ("doc", "kvcore", "fs", "tests/fuse"))
        cls.small = os.path.join(cls.base, "small")
        os.makedirs(cls.small)
        run(["cp", "-a", os.path.join(harness.SOURCE, "fs"), os.path.join(harness.SOURCE, "doc"),
             cls.small])
        with open(os.path.join(cls.small, "large"), "wb") as file:
            file.write(os.urandom(5_000_000))
        cls.repository = make_repository(cls.base, cls.source)

    def setUp(self):
        self.cluster = Cluster().start_all()
        self.mount = self.cluster.mount()
        self.addCleanup(harness.tear_down, self.cluster.base)

    def tearDown(self):
        for child in self.cluster.children.values():
            child.kill()
            child.wait(30)

    def path(self, *names):
        return os.path.join(self.mount.path, *names)

    def check(self):
        """fsck finds nothing, also once everything is read again from the nodes."""
        run([binary("kvfs-admin"), "fsck", self.mount.data], timeout=300)

    def test_the_tools_people_keep_trees_with(self):
        run(["cp", "-a", self.source, self.path("copy")], timeout=600)
        compare_trees(self, self.source, self.path("copy"))
        run(f"tar --format=posix -C {self.source} -cf - . | (mkdir {self.path('tar')} && tar -C {self.path('tar')} -xpf -)",
            timeout=600)
        compare_trees(self, self.source, self.path("tar"), without=(b"",))
        run(["git", "clone", "-q", self.repository, self.path("clone")], timeout=600)
        run(["git", "-C", self.path("clone"), "fsck", "--strict"], timeout=300)
        self.assertEqual(run(["git", "-C", self.path("clone"), "status", "--porcelain"]).stdout, "")
        os.rename(self.path("copy"), self.path("tar", "moved"))
        os.link(self.path("tar", "large"), self.path("clone", "link"))
        run(["mv", self.path("tar", "moved", "doc"), self.path("doc")])
        run(["rm", "-r", self.path("tar", "moved", "kvcore")], timeout=300)
        compare_trees(self, os.path.join(self.source, "doc"), self.path("doc"))
        self.check()
        self.mount.remount()
        compare_trees(self, os.path.join(self.source, "fs"), self.path("tar", "fs"))
        self.check()
        self.mount.stop()
        for node in (1, 2, 3):
            self.cluster.stop(node)

    def test_two_mounts_see_each_other(self):
        other = self.cluster.mount("other")
        there = lambda *names: os.path.join(other.path, *names)
        os.makedirs(self.path("dir", "below"))
        for text in ("one", "two, longer", "3"):
            with open(self.path("dir", "file"), "w") as file:
                file.write(text)
            # Names after a second at the latest; what an open finds, was there at the last close.
            wait_for("the name to be seen", lambda: os.path.exists(there("dir", "file")), 10)
            wait_for("the size to be seen",
                     lambda: os.stat(there("dir", "file")).st_size == len(text), 10)
            with open(there("dir", "file")) as file:
                self.assertEqual(file.read(), text)
        os.rename(there("dir", "file"), there("dir", "below", "moved"))
        wait_for("the move to be seen",
                 lambda: os.listdir(self.path("dir", "below")) == ["moved"], 10)
        os.remove(self.path("dir", "below", "moved"))
        wait_for("the removal to be seen", lambda: os.listdir(there("dir", "below")) == [], 10)
        # Both at once: exactly one of them makes each name.
        made = []

        def make(root):
            for number in range(100):
                try:
                    os.close(os.open(os.path.join(root, f"name{number}"), os.O_CREAT | os.O_EXCL))
                    made.append(number)
                except FileExistsError:
                    pass

        makers = [threading.Thread(target=make, args=(root,)) for root in (self.path(), there())]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join(120)
        self.assertEqual(sorted(made), list(range(100)))
        other.stop()
        self.check()
        self.mount.stop()

    def test_one_node_after_the_other_is_killed(self):
        failures = []
        finished = threading.Event()
        copies = []

        def work():
            """Copies and reads until told to stop, whatever becomes of the nodes."""
            number = 0
            while not finished.is_set():
                target = self.path(f"copy{number}")
                for command in (["cp", "-a", self.small, target], ["diff", "-r", self.small, target]):
                    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                          text=True, errors="replace")
                    if done.returncode != 0:
                        failures.append(f"{command}: {done.stdout[-2000:]}")
                        return
                copies.append(target)
                number += 1

        worker = threading.Thread(target=work)
        worker.start()
        try:
            # A new cluster can be without a node once all have met.
            wait_for("a first copy", lambda: failures or copies, 120)
            for node in (1, 2, 3):
                done = len(copies)
                self.cluster.kill(node)
                # Work that began after the kill comes to its end without the node.
                wait_for("a copy to be made and compared while a node is away",
                         lambda: failures or len(copies) >= done + 2, 240)
                self.cluster.start(node)
                wait_for("a copy to be made and compared afterwards",
                         lambda: failures or len(copies) >= done + 3, 240)
                if failures:
                    break
        finally:
            finished.set()
            worker.join(240)
        self.assertFalse(worker.is_alive(), "the worker hangs")
        self.assertEqual(failures, [])
        self.assertGreaterEqual(len(copies), 10)
        self.check()
        self.mount.remount()
        for copy in copies:
            compare_trees(self, self.small, copy)
        self.check()
        self.mount.stop()

    def test_a_node_that_lost_its_disk_gets_it_back(self):
        run(["cp", "-a", self.small, self.path("copy")], timeout=300)
        run(["sync", "-f", self.path("copy")])
        held = self.disk_use(2)
        self.cluster.kill(2)
        shutil.rmtree(self.cluster.data(2))
        run(["cp", "-a", self.small, self.path("meanwhile")], timeout=300)
        self.cluster.start(2)
        wait_for("the node to have as much again", lambda: self.disk_use(2) >= held, 120)
        # With another one away everything that is read comes from it and one more.
        self.cluster.kill(1)
        self.mount.remount()
        for name in ("copy", "meanwhile"):
            compare_trees(self, self.small, self.path(name))
        run(["cp", "-a", self.small, self.path("again")], timeout=300)
        compare_trees(self, self.small, self.path("again"))
        self.check()
        self.mount.stop()

    def disk_use(self, node):
        """Bytes of chunks that the node keeps."""
        total = 0
        for directory, _, files in os.walk(self.cluster.data(node)):
            for name in files:
                if name.endswith(".blob"):
                    try:
                        total += os.path.getsize(os.path.join(directory, name))
                    except FileNotFoundError:
                        pass
        return total

    def test_the_mount_outlives_every_node(self):
        """All nodes at once: what was acknowledged is there when they are back."""
        run(["cp", "-a", os.path.join(self.source, "doc"), self.path("doc")], timeout=300)
        for node in (1, 2, 3):
            self.cluster.kill(node)
        began = time.monotonic()
        with self.assertRaises(OSError):
            os.mkdir(self.path("nobody"))
        self.assertLess(time.monotonic() - began, 90, "an operation without nodes must end")
        for node in (1, 2, 3):
            self.cluster.start(node)
        wait_for("the mount to go on", lambda: self.can_write(), 60)
        compare_trees(self, os.path.join(self.source, "doc"), self.path("doc"))
        self.check()
        self.mount.stop()

    def can_write(self):
        try:
            with open(self.path("again"), "w") as file:
                file.write("again")
            return True
        except OSError:
            return False


if __name__ == "__main__":
    harness.main()
