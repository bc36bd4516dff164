"""The tools people keep trees with: tar, rsync, cp, mv, find, grep, du, rm."""

import os
import shutil
import socket
import unittest

import harness
from harness import compare_trees, run


def add_odd_things(root):
    """What a plain source tree lacks: links, modes, owners, times, names, attributes."""
    os.makedirs(root)
    join = lambda *names: os.path.join(root, *names)
    for i in range(20):
        with open(join(f"file{i}"), "wb") as file:
            file.write(os.urandom(i * 7919))
        os.utime(join(f"file{i}"), ns=(10**18 + i, 1_234_567_890_123_456_000 + i))
    os.makedirs(join("a/b/c"))
    os.link(join("file1"), join("a/hard1"))
    os.link(join("file1"), join("a/b/hard2"))
    os.symlink("file2", join("soft"))
    os.symlink("/nowhere/at all", join("a/dangling"))
    os.mkfifo(join("fifo"))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(join("socket"))
    if os.geteuid() == 0:
        os.mknod(join("null"), 0o20666, os.makedev(1, 3))
        os.chown(join("file3"), 1234, 4321)
        os.chown(join("soft"), 7, 8, follow_symlinks=False)
    for i, mode in enumerate((0o4755, 0o2755, 0o0, 0o777, 0o444)):
        os.chmod(join(f"file{10 + i}"), mode)
    os.chmod(join("a/b"), 0o3775)
    for name in (b"newline\nin", b"space in", b"\xff\xfe\x01", b"-dash", "ünïcode".encode(), b"n" * 255):
        with open(os.path.join(os.fsencode(root), name), "wb") as file:
            file.write(name)
    os.setxattr(join("file4"), "user.colour", b"blue \0 and more")
    os.setxattr(join("a"), "user.of.a.directory", b"x" * 500)
    run(["setfacl", "-m", "u:1234:rwx,g:99:r", join("file5")])
    run(["setfacl", "-d", "-m", "u:1234:rx", join("a/b/c")])
    with open(join("sparse"), "wb") as file:
        file.truncate(5 << 20)
        file.seek(3 << 20)
        file.write(b"data")
    os.utime(join("a"), ns=(1, 1_111_111_111_222_333_444))


class Trees(harness.MountedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = os.path.join(cls.mount.base, "source")
        case = unittest.TestCase()
        cls.files = harness.copy_of_sources(case, cls.source)
        add_odd_things(os.path.join(cls.source, "odd"))
        cls.archive = os.path.join(cls.mount.base, "source.tar")
        run(["tar", "--format=posix", "--xattrs", "--acls", "-C", cls.source, "-cf", cls.archive, "."])

    def test_tar(self):
        run(["tar", "--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "-C", self.dir, "-xpf",
             self.archive])
        sockets = [b"odd/socket"]  # tar does not carry them
        entries = compare_trees(self, self.source, self.dir, without=sockets)
        harness.log(f"compared {entries} entries")
        run(["tar", "-C", self.dir, "--compare", "-f", self.archive])
        self.mount.remount()
        compare_trees(self, self.source, self.dir, without=sockets)

    def test_rsync_there_and_back(self):
        there, back = self.path("there"), os.path.join(self.mount.base, "back")
        flags = ["-aHAX", "--checksum", "--numeric-ids"]
        run(["rsync", *flags, self.source + "/", there])
        compare_trees(self, self.source, there)
        nothing = run(["rsync", *flags, "--itemize-changes", "--delete", self.source + "/", there])
        self.assertEqual(nothing.stdout, "", "rsync still found something to do")
        run(["rsync", *flags, there + "/", back])
        nothing = run(["rsync", *flags, "--itemize-changes", "--delete", self.source + "/", back])
        self.assertEqual(nothing.stdout, "", "what came back differs")
        shutil.rmtree(back)

    def test_copy_move_find_grep_du_remove(self):
        run(["cp", "-a", self.source, self.path("copy")])
        compare_trees(self, self.source, self.path("copy"))
        run(["cp", "-a", self.path("copy"), self.path("second")])
        run(["mv", self.path("second"), self.path("moved")])
        os.mkdir(self.path("deep"))
        run(["mv", self.path("moved"), self.path("deep/er")])
        compare_trees(self, self.source, self.path("deep/er"))

        for arguments in (["-type", "f"], ["-type", "l"], ["-perm", "-4000"], ["-links", "+1", "-type", "f"],
                          ["-newermt", "2009-02-13", "!", "-newermt", "2009-02-15"], ["-empty"],
                          ["-type", "f", "-size", "+100k"]):
            theirs = run(["find", ".", *arguments], cwd=self.source).stdout
            ours = run(["find", ".", *arguments], cwd=self.path("copy")).stdout
            self.assertEqual(sorted(ours.split("\n")), sorted(theirs.split("\n")), arguments)
            self.assertTrue(theirs, arguments)
        grep = ["grep", "-rcI", "--devices=skip", "-e", "define", "include"]
        if os.path.isdir(os.path.join(self.source, "include")):
            self.assertEqual(sorted(run(grep, cwd=self.path("copy")).stdout.split("\n")),
                             sorted(run(grep, cwd=self.source).stdout.split("\n")))
        apparent = ["du", "-s", "--apparent-size", "--block-size=1"]
        files = lambda root: run(f"find {root} -type f -printf '%i %s\\n' | sort -u | "
                                 "awk '{ s += $2 } END { print s }'").stdout
        self.assertEqual(files(self.path("copy")), files(self.source))
        self.assertGreater(int(run([*apparent, self.path("copy")]).stdout.split()[0]), 10 << 20)
        blocks = int(run(["du", "-s", "--block-size=1", self.path("copy")]).stdout.split()[0])
        self.assertGreater(blocks, 10 << 20, "du counts allocated blocks")

        run(["rm", "-rf", self.path("copy"), self.path("deep")])
        self.assertEqual(os.listdir(self.dir), [])


if __name__ == "__main__":
    harness.main()
