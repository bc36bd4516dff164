"""Power loss on a real disk.

The data directory lies on an ext4 in an image file, the image on an XFS that can
clone files. While a writer works, the image is cloned: the clone is the disk as
the machine would find it after losing power then, whatever ext4 had not yet
written gone. The clone is mounted (ext4 replays its journal), kvfs is mounted on
it, and everything that fsync had acknowledged before must be there.
"""

import contextlib
import json
import os
import random
import signal
import time
import unittest

import harness
from harness import Image, Mount, run

CLONES = 12 if harness.LONG else 5
# The promise is five seconds; the rest is for a machine that does other things too.
AGE_DEADLINE = 8
BLOCK = 4096
BLOCKS = 512


def text_of(name, version, size):
    return random.Random(f"{name} {version}").randbytes(size)


def block_of(index, version):
    return f"block {index} version {version} ".encode().ljust(32) * (BLOCK // 32)


class Writer:
    """Runs in a child; a line per step in a log outside the disk: what is about to
    be done ("try"), and what fsync has acknowledged ("ack")."""

    def __init__(self, directory, log):
        self.directory = directory
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.random = random.Random(3)

    def path(self, name):
        return os.path.join(self.directory, name)

    def note(self, *words):
        os.write(self.log, (json.dumps(words) + "\n").encode())

    def run(self):
        steps = (self.new_file, self.append, self.overwrite, self.replace, self.remove)
        self.blocks = os.open(self.path("blocks"), os.O_RDWR | os.O_CREAT)
        for index in range(BLOCKS):
            os.pwrite(self.blocks, block_of(index, 0), index * BLOCK)
        os.fsync(self.blocks)
        self.note("ack", "blocks", 0)
        self.journal = os.open(self.path("journal"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.names = []
        self.turn = 0
        while True:
            self.turn += 1
            self.random.choice(steps)()

    def new_file(self):
        name = f"new{self.turn}"
        size = self.random.choice((10, 4000, 5000, 40_000, 300_000))
        self.note("try", "new", name, size)
        fd = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(fd, text_of(name, 0, size))
        os.fsync(fd)
        os.close(fd)
        self.note("ack", "new", name, size)
        self.names.append(name)

    def append(self):
        self.note("try", "append", self.turn)
        os.write(self.journal, b"%09d\n" % self.turn)
        os.fsync(self.journal)
        self.note("ack", "append", self.turn)

    def overwrite(self):
        for _ in range(self.random.randrange(1, 4)):
            index = self.random.randrange(BLOCKS)
            self.note("try", "block", index, self.turn)
            os.pwrite(self.blocks, block_of(index, self.turn), index * BLOCK)
        os.fdatasync(self.blocks)
        self.note("ack", "blocks", self.turn)

    def replace(self):
        self.note("try", "replace", self.turn)
        fd = os.open(self.path("replaced.tmp"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(fd, text_of("replaced", self.turn, 9000))
        os.fsync(fd)
        os.close(fd)
        os.rename(self.path("replaced.tmp"), self.path("replaced"))
        directory = os.open(self.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.note("ack", "replace", self.turn)

    def remove(self):
        if len(self.names) < 20:
            return
        name = self.names.pop(self.random.randrange(len(self.names)))
        self.note("try", "remove", name)
        os.unlink(self.path(name))
        directory = os.open(self.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.note("ack", "remove", name)


class PowerLoss(unittest.TestCase):
    def setUp(self):
        self.base = harness.make_base()
        self.addCleanup(harness.tear_down, self.base)
        self.xfs = Image(self.at("xfs.img"), self.at("xfs"), "xfs", 4096, ["-m", "reflink=1"])
        self.disk = Image(self.at("xfs/disk.img"), self.at("disk"), "ext4", 1024)
        self.mount = Mount(self.base, data=self.at("disk/data"))
        self.mount.start()
        self.directory = os.path.join(self.at("disk") if harness.LOCAL else self.mount.path, "work")
        os.mkdir(self.directory)

    def at(self, name):
        return os.path.join(self.base, name)

    def read_log(self):
        with open(self.at("log"), "rb") as file:
            return [json.loads(line) for line in file.read().split(b"\n")[:-1]]

    def test_fsync_survives(self):
        child = os.fork()
        if child == 0:
            try:
                Writer(self.directory, self.at("log")).run()
            finally:
                os._exit(1)
        try:
            acknowledged = 0
            for number in range(CLONES):
                wanted = acknowledged + 150
                harness.wait_for(f"{wanted} acknowledged steps", lambda: self.acks() >= wanted, 120)
                before = self.read_log()
                run(["cp", "--reflink=always", self.at("xfs/disk.img"), self.at("xfs/clone.img")])
                after = self.read_log()
                acknowledged = self.acks()
                harness.log(f"clone {number}: {sum(e[0] == 'ack' for e in before)} acknowledged, "
                            f"{len(after) - len(before)} steps noted while cloning")
                self.verify_clone(before, after)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self.mount.stop()
        self.disk.close()
        self.xfs.close()

    def test_what_is_old_survives(self):
        """Neither synced nor closed, and a directory made at the same time."""
        data = random.Random(1).randbytes(200_000)
        path = os.path.join(self.directory, "open")
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        directory = os.open(self.directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        clones = []

        def write():
            os.write(os.open(path, os.O_WRONLY), data)

        with harness.Holder(write):
            os.mkdir(os.path.join(self.directory, "made"))
            started = time.monotonic()
            while not clones or clones[-1] < AGE_DEADLINE:
                harness.wait_for("the next second",
                                 lambda: time.monotonic() - started >= len(clones) + 1)
                run(["cp", "--reflink=always", self.at("xfs/disk.img"),
                     self.at(f"xfs/clone{len(clones)}.img")])
                clones.append(time.monotonic() - started)
        self.mount.stop()
        ages = {}
        for number, age in enumerate(clones):
            with self.mounted_clone(f"xfs/clone{number}.img") as directory:
                for what, found in (("made", os.path.isdir(os.path.join(directory, "made"))),
                                    ("written", self.holds(directory, data))):
                    self.assertFalse(what in ages and not found, f"{what}: there, and gone again")
                    if found:
                        ages.setdefault(what, age)
        harness.log(f"on the disk after: {({what: round(age, 1) for what, age in ages.items()})} s")
        self.assertEqual(set(ages), {"made", "written"})
        self.disk.close()
        self.xfs.close()

    @staticmethod
    def holds(directory, data):
        with open(os.path.join(directory, "open"), "rb") as file:
            found = file.read()
        if found not in (b"", data):
            raise AssertionError(f"{len(found)} bytes that are neither the old nor the new")
        return found == data

    def acks(self):
        try:
            return sum(entry[0] == "ack" for entry in self.read_log())
        except FileNotFoundError:
            return 0

    @contextlib.contextmanager
    def mounted_clone(self, image):
        """The directory "work" as it is found on a clone, which is checked and removed then."""
        clone = Image(self.at(image), self.at("clone"), "ext4")
        second = Mount(os.path.join(self.base, "second"), data=self.at("clone/data"))
        try:
            second.start()
            yield os.path.join(self.at("clone") if harness.LOCAL else second.path, "work")
            second.stop()
            if not harness.LOCAL:
                run([harness.binary("kvfs-admin"), "fsck", self.at("clone/data")])
        finally:
            second.kill()
            if harness.is_mounted(second.path):
                run(["umount", "-l", second.path])
            clone.close()
            os.unlink(self.at(image))

    def verify_clone(self, before, after):
        with self.mounted_clone("xfs/clone.img") as directory:
            self.verify(directory, before, after)

    def verify(self, directory, before, after):
        def read(name):
            with open(os.path.join(directory, name), "rb") as file:
                return file.read()

        names = set(os.listdir(directory))
        acked = [entry[1:] for entry in before if entry[0] == "ack"]
        tried = [entry[1:] for entry in after if entry[0] == "try"]

        removed = {entry[1] for entry in acked if entry[0] == "remove"}
        maybe_removed = {entry[1] for entry in tried if entry[0] == "remove"}
        self.assertEqual(names & removed, set(), "removed names came back")
        for _, name, size in (entry for entry in acked if entry[0] == "new"):
            if name not in maybe_removed:
                self.assertIn(name, names, "an acknowledged file is gone")
            if name in names:
                self.assertEqual(read(name), text_of(name, 0, size), name)

        appended = [entry[1] for entry in acked if entry[0] == "append"]
        may_be = [entry[1] for entry in tried if entry[0] == "append"]
        journal = [int(line) for line in read("journal").split(b"\n")[:-1]] if may_be else []
        self.assertEqual(journal[:len(appended)], appended, "acknowledged appends")
        self.assertEqual(journal, may_be[:len(journal)])

        replaced = [entry[1] for entry in acked if entry[0] == "replace"]
        if replaced:
            versions = [entry[1] for entry in tried
                        if entry[0] == "replace" and entry[1] >= replaced[-1]]
            self.assertIn(read("replaced"), [text_of("replaced", v, 9000) for v in versions])

        last_ack = max(entry[1] for entry in acked if entry[0] == "blocks")
        content = read("blocks")
        self.assertEqual(len(content), BLOCKS * BLOCK)
        for index in range(BLOCKS):
            versions = [0] + [entry[2] for entry in tried if entry[0] == "block" and entry[1] == index]
            settled = max(version for version in versions if version <= last_ack)
            block = content[index * BLOCK:(index + 1) * BLOCK]
            allowed = [version for version in versions if version >= settled]
            self.assertIn(block, [block_of(index, version) for version in allowed],
                          f"block {index}: {block[:32]!r}, versions allowed: {allowed}")


if __name__ == "__main__":
    harness.main()
