"""The network breaks, and mounts on both sides go on working. When it is whole again both show one
tree, with everything in it that was acknowledged on either side."""

import errno
import os
import threading
import time
import unittest

import cluster_harness
import harness
import network
from cluster_harness import Cluster, binary, run, wait_for

SECONDS = 60 if harness.LONG else 30  # that the network is broken
HEAL_SECONDS = 60                     # until both sides show the same, and all of it
# Bounds for a machine that has much else to do; what is usual says doc/cluster.md.
FIRST_SECONDS = 12   # operations begun in the first ten seconds after the cut
LATER_SECONDS = 5    # all others
STRONG_SECONDS = 25  # until an operation is refused that wants a majority

class Side(threading.Thread):
    """Creates, edits, renames and deletes on one mount until told to stop, and remembers what must
    be there afterwards. Each content is written once."""

    def __init__(self, name, mount):
        super().__init__()
        self.name = name
        self.mount = mount
        self.stop = threading.Event()
        self.must_be = set()     # contents that were acknowledged and not replaced here
        self.must_not_be = set() # names that were made and deleted here, and are nobody else's
        self.failures = []
        self.began = 0.0
        self.slowest = {"first": 0.0, "later": 0.0}
        self.operations = 0

    def path(self, *names):
        return os.path.join(self.mount.path, *names)

    def run(self):
        number = 0
        self.began = time.monotonic()
        while not self.stop.is_set():
            try:
                self.turn(number)
            except OSError as error:
                self.failures.append(f"turn {number}: {error}")
                return
            number += 1
            self.stop.wait(0.05)  # both sides are walked again and again afterwards

    def timed(self, function, *arguments):
        began = time.monotonic()
        result = function(*arguments)
        when = "first" if began - self.began < 10 else "later"
        self.slowest[when] = max(self.slowest[when], time.monotonic() - began)
        self.operations += 1
        return result

    def write(self, path, content, replaces=None):
        def put():
            with open(path, "w") as file:
                file.write(content)
        self.timed(put)
        self.must_be.discard(replaces)
        self.must_be.add(content)

    def turn(self, number):
        mine = self.path("sides", f"{self.name}-{number}")
        first, second = (f"{self.name} {number} {text}" for text in ("first", "second"))
        self.write(mine, first)
        if number % 3 == 0:
            self.write(mine, second, replaces=first)
        elif number % 3 == 1:
            self.timed(os.rename, mine, self.path("moved", f"{self.name}-{number}"))
        else:
            self.timed(os.remove, mine)
            self.must_be.discard(first)
            self.must_not_be.add(f"sides/{self.name}-{number}")
        # The same names on both sides.
        self.write(self.path("shared", f"new-{number}"), f"{self.name} {number} shared")
        if number < 20:
            self.write(self.path("shared", f"old-{number}"), f"{self.name} {number} edited")
        if number % 5 == 0:
            self.timed(os.mkdir, self.path("sides", f"dir-{self.name}-{number}"))
            self.write(self.path("sides", f"dir-{self.name}-{number}", "large"),
                       f"{self.name} {number} large " + "x" * 300_000)


class Sides(unittest.TestCase):
    """A cluster, and mounts on two of its machines. Derived from by what says how many."""
    machines = 3
    attributes = None
    mounted = (1, 2)

    def setUp(self):
        self.network = network.Network(self.machines)
        self.addCleanup(self.network.close)
        self.cluster = Cluster(self.machines, network=self.network, attributes=self.attributes)
        self.addCleanup(harness.tear_down, self.cluster.base)
        self.cluster.start_all()
        self.left = self.cluster.mount("left", machine=self.mounted[0])
        self.right = self.cluster.mount("right", machine=self.mounted[1])
        for name in ("sides", "moved", "shared"):
            os.mkdir(os.path.join(self.left.path, name))
        for number in range(20):
            with open(os.path.join(self.left.path, "shared", f"old-{number}"), "w") as file:
                file.write(f"before {number}")
        wait_for("the other mount to see the files",
                 lambda: os.path.exists(os.path.join(self.right.path, "shared", "old-19")), 10)

    def tearDown(self):
        for child in self.cluster.children.values():
            child.kill()
            child.wait(30)

    def tree(self, mount):
        """{path: content or None}, of everything."""
        found = {}
        for directory, names, files in os.walk(mount.path, onerror=self.raise_it):
            relative = os.path.relpath(directory, mount.path)
            for name in names:
                found[os.path.join(relative, name)] = None
            for name in files:
                with open(os.path.join(directory, name)) as file:
                    found[os.path.join(relative, name)] = file.read()
        return found

    @staticmethod
    def raise_it(error):
        raise error

    def same(self):
        try:
            left, right = self.tree(self.left), self.tree(self.right)
        except OSError:
            return False
        self.differs = sorted(path for path in left.keys() | right.keys()
                              if left.get(path, 0) != right.get(path, 0))
        return left if not self.differs else False

    def work(self, trouble):
        """Both sides work while trouble() lasts; nothing of it is lost afterwards."""
        sides = [Side("left", self.left), Side("right", self.right)]
        trouble(sides)
        for side in sides:
            side.stop.set()
        for side in sides:
            side.join(120)
            self.assertFalse(side.is_alive(), f"the {side.name} side hangs")
        self.network.heal()
        healed = time.monotonic()
        for side in sides:
            slowest = ", ".join(f"{when} {took:.2f} s" for when, took in side.slowest.items())
            harness.log(f"{side.name}: {side.operations} operations, the slowest: {slowest}")
            self.assertEqual(side.failures, [])
            self.assertGreater(side.operations, 5)
        self.differs = []
        try:
            wait_for("both mounts to show the same tree", self.same, HEAL_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: they differ in {self.differs[:10]}") from None
        harness.log(f"one tree {time.monotonic() - healed:.1f} s after the network was whole")
        # What the two sides made of the same files may take a moment longer to be told apart.
        expected = sides[0].must_be | sides[1].must_be

        def complete():
            tree = self.same()
            return tree and not expected - set(tree.values())

        try:
            wait_for("everything acknowledged to be there", complete, HEAL_SECONDS)
        except AssertionError as error:
            lost = sorted(expected - set(self.tree(self.left).values()))
            raise AssertionError(f"{error}: {len(lost)} of {len(expected)} contents are lost: "
                                 f"{[text[:40] for text in lost[:10]]}") from None
        tree = self.same()
        for side in sides:
            self.assertEqual(sorted(side.must_not_be & tree.keys()), [], "what was deleted is back")
        self.check()
        return sides

    def check(self):
        """fsck of what a mount shows, and both unmounted."""
        harness.log(run([binary("kvfs-admin"), "fsck", self.left.data], timeout=300).stdout)
        self.left.stop()
        self.right.stop()


class Partition(Sides):
    def test_both_sides_go_on_and_nothing_is_lost(self):
        def trouble(sides):
            self.network.partition([1], [2, 3])
            for side in sides:
                side.start()
            time.sleep(SECONDS)

        for side in self.work(trouble):
            self.assertLess(side.slowest["first"], FIRST_SECONDS)
            self.assertLess(side.slowest["later"], LATER_SECONDS)

    def test_a_strong_directory_waits_for_a_majority(self):
        def consistency(mount, *names):
            return os.getxattr(os.path.join(mount.path, *names), "user.kvfs.consistency")

        def put(mount, content, *names):
            with open(os.path.join(mount.path, *names), "w") as file:
                file.write(content)

        def get(mount, *names):
            with open(os.path.join(mount.path, *names)) as file:
                return file.read()

        def refused(function, *arguments):
            began = time.monotonic()
            with self.assertRaises(OSError) as caught:
                function(*arguments)
            self.assertEqual(caught.exception.errno, errno.ETIMEDOUT)
            took = time.monotonic() - began
            harness.log(f"{function.__name__}: ETIMEDOUT after {took:.1f} s")
            self.assertLess(took, STRONG_SECONDS)

        name = os.path.join(self.left.path, "strong")
        os.mkdir(name)
        self.assertEqual(consistency(self.left, "strong"), b"available")
        os.setxattr(name, "user.kvfs.consistency", b"strong")
        os.mkdir(os.path.join(name, "inner"))
        self.assertEqual(consistency(self.right, "strong", "inner"), b"strong")
        put(self.left, "before", "strong", "file")
        put(self.left, "before", "strong", "inner", "file")

        self.network.partition([1], [2, 3])
        put(self.right, "right", "strong", "file")
        put(self.right, "right", "strong", "inner", "new")
        os.remove(os.path.join(self.right.path, "strong", "inner", "file"))
        refused(put, self.left, "left", "strong", "new")
        refused(os.listdir, os.path.join(name, "inner"))
        refused(os.setxattr, name, "user.kvfs.consistency", b"available")
        put(self.left, "left", "sides", "new")  # any other directory
        self.assertEqual(get(self.left, "sides", "new"), "left")
        self.assertEqual(get(self.right, "strong", "file"), "right")

        self.network.heal()
        wait_for("both mounts to show the same tree", self.same, HEAL_SECONDS)
        self.assertEqual(get(self.left, "strong", "file"), "right")
        self.assertEqual(os.listdir(os.path.join(name, "inner")), ["new"])
        self.assertFalse(os.path.exists(os.path.join(name, "new")))
        os.setxattr(name, "user.kvfs.consistency", b"available")
        wait_for("the other mount to know", lambda: consistency(self.right, "strong") == b"available",
                 10)
        time_out = time.monotonic() + 30
        self.network.partition([1], [2, 3])
        put(self.left, "left again", "strong", "new")
        self.assertLess(time.monotonic(), time_out)
        self.network.heal()
        wait_for("both mounts to show the same tree", self.same, HEAL_SECONDS)
        self.assertEqual(get(self.right, "strong", "new"), "left again")
        self.check()


class Datacentres(Sides):
    """Five nodes in two datacentres; the larger one has the majority."""
    machines = 5
    attributes = {node: f"/datacentre={'east' if node < 4 else 'west'}" for node in range(1, 6)}
    mounted = (1, 4)
    EAST, WEST = [1, 2, 3], [4, 5]

    def test_one_way_cuts(self):
        def trouble(sides):
            self.network.cut(self.EAST, self.WEST)  # the majority hears nothing of the others
            for side in sides:
                side.start()
            time.sleep(SECONDS / 2)
            self.network.heal()
            self.network.cut(self.WEST, self.EAST)
            time.sleep(SECONDS / 2)

        self.work(trouble)


if __name__ == "__main__":
    harness.prepare()
    reason = network.missing()
    if reason:
        harness.log(f"SKIPPED: {reason}")
        raise SystemExit(harness.SKIP)
    harness.main()
