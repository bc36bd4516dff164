"""The calls and limits that the random test does not reach, one by one."""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import threading
import time
import unittest

import harness
from harness import run

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


def call(function, *arguments):
    result = function(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def renameat2(old, new, flags):
    call(libc.renameat2, AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)


def fallocate(fd, mode, offset, length):
    call(libc.fallocate64, fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length))


def as_user(uid, function):
    """Runs function in a child as that user; returns its exit status (0, or an errno)."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            function()
        except OSError as failure:
            status = failure.errno
        except BaseException:
            status = 255
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Names(harness.MountedTest):
    def test_rename_flags(self):
        self.write("a", b"A")
        self.write("b", b"B")
        os.mkdir(self.path("d"))
        self.write("d/inner", b"I")
        self.assertErrno(errno.EEXIST, renameat2, self.path("a"), self.path("b"), 1)
        renameat2(self.path("a"), self.path("c"), 1)
        renameat2(self.path("b"), self.path("c"), 2)
        self.assertEqual((self.read("b"), self.read("c")), (b"A", b"B"))
        renameat2(self.path("b"), self.path("d"), 2)  # a file and a directory
        self.assertEqual(self.read("d"), b"A")
        self.assertEqual(self.read("b/inner"), b"I")
        self.assertErrno(errno.ENOENT, renameat2, self.path("b"), self.path("none"), 2)
        self.assertErrno(errno.EINVAL, renameat2, self.path("b"), self.path("c"), 3)

    def test_rename_rules(self):
        os.makedirs(self.path("d/e/f"))
        self.write("file", b"")
        self.assertErrno(errno.EINVAL, os.rename, self.path("d"), self.path("d/e/f/g"))
        self.assertErrno(errno.ENOTDIR, os.rename, self.path("d"), self.path("file"))
        self.assertErrno(errno.EISDIR, os.rename, self.path("file"), self.path("d/e/f"))
        os.mkdir(self.path("full"))
        self.write("full/x", b"")
        with self.assertRaises(OSError) as caught:
            os.rename(self.path("d"), self.path("full"))
        self.assertIn(caught.exception.errno, (errno.ENOTEMPTY, errno.EEXIST))
        os.mkdir(self.path("empty"))
        os.rename(self.path("d"), self.path("empty"))
        self.assertTrue(os.path.isdir(self.path("empty/e/f")))

    def test_link_counts_of_directories(self):
        count = lambda name: os.stat(self.path(name)).st_nlink
        os.mkdir(self.path("a"))
        os.mkdir(self.path("b"))
        self.assertEqual(count("a"), 2)
        os.mkdir(self.path("a/x"))
        os.mkdir(self.path("a/y"))
        self.assertEqual(count("a"), 4)
        os.rename(self.path("a/x"), self.path("b/x"))
        self.assertEqual((count("a"), count("b")), (3, 3))
        os.rmdir(self.path("b/x"))
        self.assertEqual(count("b"), 2)
        self.write("file", b"")
        renameat2(self.path("file"), self.path("a/y"), 2)
        self.assertEqual(count("a"), 2)
        self.mount.remount()
        self.assertEqual((count("a"), count("b")), (2, 2))

    def test_hard_links_outlive_their_first_directory(self):
        os.mkdir(self.path("home"))
        os.mkdir(self.path("other"))
        self.write("home/file", b"content" * 3000)
        os.link(self.path("home/file"), self.path("other/second"))
        os.link(self.path("other/second"), self.path("third"))
        inode = os.stat(self.path("third")).st_ino
        os.unlink(self.path("home/file"))
        os.rmdir(self.path("home"))
        self.assertEqual(os.stat(self.path("third")).st_nlink, 2)
        with open(self.path("other/second"), "ab") as file:
            file.write(b"more")
        self.mount.remount()
        self.assertEqual(self.read("third"), b"content" * 3000 + b"more")
        self.assertEqual(os.stat(self.path("third")).st_nlink, 2)
        if not harness.LOCAL:
            self.assertEqual(os.stat(self.path("other/second")).st_ino, inode)
        os.unlink(self.path("other/second"))
        self.assertEqual(os.stat(self.path("third")).st_nlink, 1)
        os.link(self.path("third"), self.path("fourth"))
        self.assertEqual(self.read("fourth"), b"content" * 3000 + b"more")
        os.rename(self.path("fourth"), self.path("third"))  # two links of one file: nothing is done
        self.assertEqual(sorted(os.listdir(self.dir)), ["fourth", "other", "third"])

    def test_unlinked_but_open(self):
        path = self.write("file", b"x" * 300000)
        fd = os.open(path, os.O_RDWR)
        os.unlink(path)
        self.assertErrno(errno.ENOENT, os.stat, path)
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        os.pwrite(fd, b"yes", 299997)
        os.ftruncate(fd, 400000)
        self.assertEqual(os.pread(fd, 10, 299995), b"xxyes" + b"\0" * 5)
        os.fsync(fd)
        self.write("file", b"another")
        self.assertEqual(os.pread(fd, 3, 299997), b"yes")
        os.close(fd)
        self.assertEqual(self.read("file"), b"another")
        # A directory that is removed while a process is in it.
        os.mkdir(self.path("d"))
        fd = os.open(self.path("d"), os.O_RDONLY)
        os.rmdir(self.path("d"))
        self.assertErrno(errno.ENOENT, os.open, "new", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        self.assertEqual(os.listdir(fd), [])
        os.close(fd)
        # As another user, so that its ACL is asked for too.
        os.mkdir(self.path("d"))
        fd = os.open(self.path("d"), os.O_RDONLY)
        os.rmdir(self.path("d"))
        self.assertEqual(as_user(1001, lambda: os.close(os.open(".", os.O_RDONLY, dir_fd=fd))), 0)
        os.close(fd)

    def test_names_of_255_bytes(self):
        names = [b"x" * 255, b"\xff" * 255, bytes(range(1, 47)) + bytes(range(48, 256))]
        for name in names:
            with open(os.path.join(os.fsencode(self.dir), name), "wb") as file:
                file.write(name)
        self.assertEqual(sorted(os.listdir(os.fsencode(self.dir))), sorted(names))
        for call_ in (os.mkdir, os.stat, lambda path: os.symlink("a", path)):
            self.assertErrno(errno.ENAMETOOLONG, call_, self.path("y" * 256))
        self.assertEqual(os.statvfs(self.dir).f_namemax, 255)
        self.mount.remount()
        for name in names:
            with open(os.path.join(os.fsencode(self.dir), name), "rb") as file:
                self.assertEqual(file.read(), name)

    def test_tree_1000_deep(self):
        fd = os.open(self.dir, os.O_RDONLY)
        for i in range(1000):
            os.mkdir("d", dir_fd=fd)
            below = os.open("d", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        with open(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=fd), "w") as file:
            file.write("leaf")
        os.close(fd)
        self.assertEqual(len(run(["find", "d"], cwd=self.dir).stdout.splitlines()), 1001)
        self.mount.remount()
        run(["mv", "d", "moved"], cwd=self.dir)
        self.assertIn("leaf", run(["find", "moved", "-type", "f"], cwd=self.dir).stdout)
        run(["rm", "-rf", "moved"], cwd=self.dir)
        self.assertEqual(os.listdir(self.dir), [])

    def test_symlinks(self):
        os.symlink("x" * 4095, self.path("long"))
        self.assertEqual(os.readlink(self.path("long")), "x" * 4095)
        self.assertEqual(os.lstat(self.path("long")).st_size, 4095)
        os.symlink("loop", self.path("loop"))
        self.assertErrno(errno.ELOOP, os.stat, self.path("loop"))
        self.assertErrno(errno.EEXIST, os.symlink, "y", self.path("loop"))
        self.assertErrno(errno.EINVAL, os.readlink, self.dir)

    def test_special_files(self):
        os.mkfifo(self.path("fifo"))
        message = []

        def read_all():
            with open(self.path("fifo")) as fifo:
                message.append(fifo.read())

        reader = threading.Thread(target=read_all)
        reader.start()
        with open(self.path("fifo"), "w") as file:
            file.write("through")
        reader.join(30)
        self.assertEqual(message, ["through"])
        os.mknod(self.path("null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        with open(self.path("null"), "wb") as file:
            file.write(b"gone")
        os.mknod(self.path("block"), stat.S_IFBLK | 0o600, os.makedev(259, 1048575))
        self.mount.remount()
        st = os.stat(self.path("block"))
        self.assertTrue(stat.S_ISBLK(st.st_mode))
        self.assertEqual(st.st_rdev, os.makedev(259, 1048575))

    def test_directory_positions(self):
        class Dirent(ctypes.Structure):
            _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64),
                        ("reclen", ctypes.c_ushort), ("type", ctypes.c_ubyte),
                        ("name", ctypes.c_char * 256)]
        libc.opendir.restype = ctypes.c_void_p
        libc.readdir.restype = ctypes.POINTER(Dirent)
        libc.telldir.restype = ctypes.c_long
        for function in (libc.readdir, libc.telldir, libc.closedir, libc.rewinddir):
            function.argtypes = [ctypes.c_void_p]
        libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
        for i in range(1000):
            self.write(f"f{i}", b"")
        directory = libc.opendir(os.fsencode(self.dir))
        def read(limit=None):
            found = []
            while limit is None or len(found) < limit:
                entry = libc.readdir(directory)
                if not entry:
                    break
                found.append(entry.contents.name)
            return found
        read(400)
        position = libc.telldir(directory)
        rest = read()
        # The position still means the same after what was read before it is gone.
        for name in set(os.fsencode(name) for name in os.listdir(self.dir)) - set(rest):
            os.unlink(os.path.join(os.fsencode(self.dir), name))
        libc.seekdir(directory, position)
        self.assertEqual(read(), rest)
        libc.rewinddir(directory)
        self.assertEqual(sorted(read()), sorted(rest + [b".", b".."]) if b"." not in rest
                         else sorted(rest))
        libc.closedir(directory)

    def test_100000_entries(self):
        entries = 100_000 if harness.LONG else 20_000
        for i in range(entries):
            os.close(os.open(self.path(f"{i:06}"), os.O_CREAT | os.O_WRONLY))
        self.assertEqual(len(set(os.listdir(self.dir))), entries)
        run(["rm", "-rf", self.dir])
        os.mkdir(self.dir)


class Attributes(harness.MountedTest):
    def utimensat(self, path, atime, mtime, flags=0):
        times = (ctypes.c_long * 4)(*atime, *mtime)
        call(libc.utimensat, AT_FDCWD, os.fsencode(path), times, flags)

    def test_times(self):
        path = self.write("file", b"x")
        self.utimensat(path, (1_000, 1), (2_000_000_000, 999_999_999))
        st = os.stat(path)
        self.assertEqual((st.st_atime_ns, st.st_mtime_ns), (10**12 + 1, 2_000_000_000_999_999_999))
        self.utimensat(path, (0, UTIME_OMIT), (5, 6))
        self.assertEqual(os.stat(path).st_atime_ns, 10**12 + 1)
        self.assertEqual(os.stat(path).st_mtime_ns, 5_000_000_006)
        before = time.time() - 2
        self.utimensat(path, (7, 8), (0, UTIME_NOW))
        self.assertEqual(os.stat(path).st_atime_ns, 7_000_000_008)
        self.assertGreater(os.stat(path).st_mtime, before)
        self.utimensat(path, (-5, 0), (-1, 500_000_000))
        self.assertEqual(os.stat(path).st_mtime_ns, -500_000_000)
        self.utimensat(path, (0, UTIME_OMIT), (0, UTIME_OMIT))
        self.assertEqual(os.stat(path).st_mtime_ns, -500_000_000)
        os.symlink("file", self.path("link"))
        self.utimensat(self.path("link"), (11, 0), (12, 0), 0x100)
        self.assertEqual(os.lstat(self.path("link")).st_mtime, 12)
        self.mount.remount()
        self.assertEqual(os.stat(path).st_mtime_ns, -500_000_000)
        # Only the owner may set times; who may write may set them to now.
        os.chmod(path, 0o666)
        self.assertEqual(as_user(1001, lambda: self.utimensat(path, (1, 1), (1, 1))), errno.EPERM)
        self.assertEqual(as_user(1001, lambda: self.utimensat(path, (0, UTIME_NOW), (0, UTIME_NOW))), 0)

    def test_times_move(self):
        path = self.write("file", b"x")
        def reset():
            for name in (path, self.dir):
                self.utimensat(name, (1_000_000_000, 0), (1_000_000_000, 0))
            return time.time() - 2
        moved = lambda name, since: os.stat(name).st_mtime > since
        since = reset()
        with open(path, "ab") as file:
            file.write(b"more")
        self.assertTrue(moved(path, since))
        self.assertFalse(moved(self.dir, since))
        since = reset()
        os.truncate(path, 1)
        self.assertTrue(moved(path, since))
        since = reset()
        os.chmod(path, 0o600)
        self.assertFalse(moved(path, since))
        self.assertGreater(os.stat(path).st_ctime, since)
        for change in (lambda: os.link(path, path + "2"), lambda: os.rename(path + "2", path + "3"),
                       lambda: os.unlink(path + "3"), lambda: os.mkdir(path + "d"),
                       lambda: os.rmdir(path + "d"), lambda: os.symlink("a", path + "l")):
            since = reset()
            change()
            self.assertTrue(moved(self.dir, since))
            self.assertFalse(moved(path, since))

    def test_ownership_and_modes(self):
        os.chmod(self.dir, 0o777)
        path = self.write("file", b"x")
        os.chown(path, 1001, 1001)
        os.chmod(path, 0o6755)
        os.chown(path, 1002, -1)
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o755, "chown takes suid and sgid away")
        os.chmod(path, 0o6777)
        def write_as_user():
            fd = os.open(path, os.O_WRONLY)
            os.write(fd, b"y")
            os.close(fd)
        self.assertEqual(as_user(1003, write_as_user), 0)
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o777, "a write takes suid and sgid away")
        os.chmod(path, 0o6777)
        truncate = os.O_WRONLY | os.O_TRUNC
        self.assertEqual(as_user(1003, lambda: os.close(os.open(path, truncate))), 0)
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o777, "and so does O_TRUNC")
        def change(kind):
            fd = os.open(path, os.O_RDWR)
            if kind == "truncate":
                os.ftruncate(fd, 1)
            elif kind == "fallocate":
                os.posix_fallocate(fd, 0, 8192)
            elif kind == "copy":
                os.copy_file_range(fd, fd, 4096, 0, 4096)
            else:
                for _ in range(3):  # the kernel asks about the first write only
                    os.write(fd, b"again")
            os.close(fd)
        for kind in ("truncate", "fallocate", "copy", "write"):
            os.chmod(path, 0o6777)
            self.assertEqual(as_user(1003, lambda: change(kind)), 0)
            self.assertEqual(os.stat(path).st_mode & 0o7777, 0o777, "and so does " + kind)
            os.chmod(path, 0o6777)
            change(kind)
            self.assertEqual(os.stat(path).st_mode & 0o7777, 0o6777, kind + " by root does not")
        os.chmod(path, 0o640)
        self.assertEqual(as_user(1003, lambda: os.close(os.open(path, os.O_RDONLY))), errno.EACCES)
        self.assertEqual(as_user(1003, lambda: os.chmod(path, 0o666)), errno.EPERM)
        self.assertEqual(as_user(1002, lambda: os.chmod(path, 0o666)), 0)
        self.assertEqual(as_user(1002, lambda: os.chown(path, 1001, -1)), errno.EPERM)
        def create():
            os.close(os.open(self.path("theirs"), os.O_CREAT | os.O_WRONLY, 0o666))
            os.mkdir(self.path("their_directory"))
        self.assertEqual(as_user(1001, create), 0)
        for name in ("theirs", "their_directory"):
            st = os.stat(self.path(name))
            self.assertEqual((st.st_uid, st.st_gid), (1001, 1001))

    def test_sticky_and_setgid_directories(self):
        os.mkdir(self.path("sticky"))
        os.chmod(self.path("sticky"), 0o1777)
        self.write("sticky/roots", b"")
        self.assertEqual(as_user(1001, lambda: os.unlink(self.path("sticky/roots"))), errno.EPERM)
        self.assertEqual(as_user(1001, lambda: os.rename(self.path("sticky/roots"),
                                                         self.path("sticky/mine"))), errno.EPERM)
        os.mkdir(self.path("team"))
        os.chown(self.path("team"), 0, 2000)
        os.chmod(self.path("team"), 0o2777)
        def create():
            os.close(os.open(self.path("team/file"), os.O_CREAT | os.O_WRONLY, 0o666))
            os.mkdir(self.path("team/sub"))
        self.assertEqual(as_user(1001, create), 0)
        self.assertEqual(os.stat(self.path("team/file")).st_gid, 2000)
        sub = os.stat(self.path("team/sub"))
        self.assertEqual(sub.st_gid, 2000)
        self.assertTrue(sub.st_mode & stat.S_ISGID, "directories below inherit the bit")

    def test_xattrs(self):
        path = self.write("file", b"x")
        os.setxattr(path, "user.a", b"1")
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "trusted.b", b"2" * 1000)
        os.setxattr(path, "security.kvfstest", b"3")
        self.assertEqual(sorted(os.listxattr(path)),
                         ["security.kvfstest", "trusted.b", "user.a", "user.empty"])
        self.assertEqual(os.getxattr(path, "user.empty"), b"")
        self.assertErrno(errno.EEXIST, os.setxattr, path, "user.a", b"", os.XATTR_CREATE)
        self.assertErrno(errno.ENODATA, os.setxattr, path, "user.n", b"", os.XATTR_REPLACE)
        self.assertErrno(errno.ENODATA, os.getxattr, path, "user.n")
        self.assertErrno(errno.ENODATA, os.removexattr, path, "user.n")
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, path, "nonsense.a", b"")
        os.link(path, path + "2")
        self.assertEqual(os.getxattr(path + "2", "user.a"), b"1")
        os.removexattr(path, "user.a")
        self.mount.remount()
        self.assertEqual(sorted(os.listxattr(path + "2")),
                         ["security.kvfstest", "trusted.b", "user.empty"])
        self.assertEqual(os.getxattr(path, "trusted.b"), b"2" * 1000)

    @unittest.skipIf(harness.LOCAL, "ext4 keeps all of a file's attributes in one block")
    def test_large_xattr(self):
        path = self.write("file", b"x")
        os.setxattr(path, "user.large", b"v" * 65536)
        self.mount.remount()
        self.assertEqual(os.getxattr(path, "user.large"), b"v" * 65536)
        self.assertErrno(errno.E2BIG, os.setxattr, path, "user.larger", b"v" * 65537)

    def test_acls(self):
        path = self.write("file", b"x")
        os.chmod(path, 0o640)
        run(["setfacl", "-m", "u:1001:r,g:2000:rw", path])
        text = run(["getfacl", "-cpn", path]).stdout
        for line in ("user::rw-", "user:1001:r--", "group:2000:rw-", "mask::rw-", "other::---"):
            self.assertIn(line, text)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660, "the group bits show the mask")
        self.assertEqual(as_user(1001, lambda: os.close(os.open(path, os.O_RDONLY))), 0)
        self.assertEqual(as_user(1001, lambda: os.close(os.open(path, os.O_WRONLY))), errno.EACCES)
        self.assertEqual(as_user(1002, lambda: os.close(os.open(path, os.O_RDONLY))), errno.EACCES)
        os.chmod(path, 0o600)
        self.assertIn("mask::---", run(["getfacl", "-cpn", path]).stdout)
        self.assertEqual(as_user(1001, lambda: os.close(os.open(path, os.O_RDONLY))), errno.EACCES)

        os.mkdir(self.path("d"))
        run(["setfacl", "-d", "-m", "u:1001:rwx", self.path("d")])
        self.write("d/file", b"y")
        os.mkdir(self.path("d/sub"))
        self.assertIn("user:1001:rwx", run(["getfacl", "-cpn", self.path("d/file")]).stdout)
        self.assertIn("default:user:1001:rwx", run(["getfacl", "-cpn", self.path("d/sub")]).stdout)
        self.mount.remount()
        self.assertIn("user:1001:rwx", run(["getfacl", "-cpn", self.path("d/file")]).stdout)
        run(["setfacl", "-b", path])
        self.assertNotIn("1001", run(["getfacl", "-cpn", path]).stdout)

    def test_statfs(self):
        st = os.statvfs(self.dir)
        self.assertGreater(st.f_blocks, 0)
        self.assertGreater(st.f_bavail, 0)
        self.assertLessEqual(st.f_bfree, st.f_blocks)
        self.assertGreater(st.f_ffree, 0)
        self.assertRegex(run(["df", "-k", self.dir]).stdout, r"\d+%")


class Content(harness.MountedTest):
    def test_open_flags(self):
        path = self.write("file", b"12345")
        self.assertErrno(errno.EEXIST, os.open, path, os.O_CREAT | os.O_EXCL)
        self.assertErrno(errno.ENOTDIR, os.open, path, os.O_DIRECTORY)
        self.assertErrno(errno.EISDIR, os.open, self.dir, os.O_WRONLY)
        self.assertErrno(errno.ENOENT, os.open, self.path("none"), os.O_RDWR)
        self.assertErrno(errno.ENOTDIR, os.open, path + "/below", os.O_RDONLY)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.pwrite(fd, b"6", 0)
        os.write(fd, b"7")
        os.close(fd)
        self.assertEqual(self.read("file"), b"1234567")
        os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
        self.assertEqual(os.stat(path).st_size, 0)
        fd = os.open(path, os.O_RDONLY)
        self.assertErrno(errno.EBADF, os.write, fd, b"x")
        self.assertErrno(errno.EINVAL, os.ftruncate, fd, 1)
        os.close(fd)

    def test_direct_io(self):
        buffer = mmap.mmap(-1, 1 << 20)
        buffer.write(os.urandom(1 << 20))
        fd = os.open(self.path("file"), os.O_RDWR | os.O_CREAT | os.O_DIRECT)
        self.assertEqual(os.pwritev(fd, [buffer], 4096), 1 << 20)
        back = mmap.mmap(-1, 1 << 20)
        self.assertEqual(os.preadv(fd, [back], 4096), 1 << 20)
        self.assertEqual(back[:], buffer[:])
        # What one wrote through the cache, the other reads directly, and back.
        with open(self.path("file"), "r+b") as cached:
            cached.read(8192)
            os.pwritev(fd, [memoryview(buffer)[:4096]], 0)
            cached.seek(0)
            self.assertEqual(cached.read(4096), buffer[:4096])
            cached.seek(0)
            cached.write(b"z" * 4096)
            cached.flush()
            self.assertEqual(os.preadv(fd, [memoryview(back)[:4096]], 0), 4096)
            self.assertEqual(back[:4096], b"z" * 4096)
        os.close(fd)

    def test_shared_mapping(self):
        path = self.write("file", b"a" * 300000)
        fd = os.open(path, os.O_RDWR)
        shared = mmap.mmap(fd, 300000)
        other = mmap.mmap(fd, 300000)
        shared[1000:1005] = b"HELLO"
        self.assertEqual(other[1000:1005], b"HELLO")
        self.assertEqual(os.pread(fd, 5, 1000), b"HELLO")
        os.pwrite(fd, b"WRITE", 200000)
        self.assertEqual(shared[200000:200005], b"WRITE")
        private = mmap.mmap(fd, 300000, flags=mmap.MAP_PRIVATE)
        private[0:4] = b"mine"
        self.assertEqual(os.pread(fd, 4, 0), b"aaaa")
        shared.flush()
        for one in (shared, other, private):
            one.close()
        os.close(fd)
        self.mount.crash()
        expected = bytearray(b"a" * 300000)
        expected[1000:1005] = b"HELLO"
        expected[200000:200005] = b"WRITE"
        self.assertEqual(self.read("file"), bytes(expected))

    def test_mapping_survives_close_and_umount(self):
        fd = os.open(self.write("file", b"a" * 8192), os.O_RDWR)
        shared = mmap.mmap(fd, 8192)
        shared[4096:4100] = b"late"
        shared.close()
        os.close(fd)
        self.mount.remount()
        self.assertEqual(self.read("file")[4096:4100], b"late")

    def test_holes(self):
        fd = os.open(self.path("file"), os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, b"x" * 131072, 4 << 20)
        os.fsync(fd)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_DATA), 4 << 20)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_HOLE), 0)
        self.assertEqual(os.lseek(fd, 4 << 20, os.SEEK_HOLE), (4 << 20) + 131072)
        self.assertErrno(errno.ENXIO, os.lseek, fd, (4 << 20) + 131072, os.SEEK_DATA)
        self.assertErrno(errno.ENXIO, os.lseek, fd, 5 << 20, os.SEEK_HOLE)
        self.assertLess(os.fstat(fd).st_blocks * 512, 1 << 20)
        os.close(fd)

    def test_fallocate(self):
        fd = os.open(self.path("file"), os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, b"x" * 500000, 0)
        fallocate(fd, 0, 0, 600000)
        self.assertEqual(os.fstat(fd).st_size, 600000)
        fallocate(fd, 1, 0, 900000)
        self.assertEqual(os.fstat(fd).st_size, 600000)
        fallocate(fd, 3, 100, 300000)
        self.assertEqual(os.pread(fd, 500000, 0), b"x" * 100 + b"\0" * 300000 + b"x" * 199900)
        fallocate(fd, 0x10, 450000, 250000)
        self.assertEqual(os.fstat(fd).st_size, 700000)
        self.assertEqual(os.pread(fd, 250000, 450000), b"\0" * 250000)
        self.assertErrno(errno.EOPNOTSUPP, fallocate, fd, 2, 0, 4096)
        self.assertErrno(errno.EINVAL, fallocate, fd, 0, 0, 0)
        os.close(fd)
        self.mount.crash()
        self.assertEqual(self.read("file"), b"x" * 100 + b"\0" * 300000 + b"x" * 149900 + b"\0" * 250000)

    def test_fallocate_is_a_change_even_where_nothing_grows(self):
        for size in (100, 500000):
            name = self.write(f"file{size}", b"x" * size)
            # Within the file, beyond it without growing, a hole beyond it.
            for mode, offset in ((0, 0), (1, 0), (1, size), (3, size), (0x11, size)):
                os.utime(name, (1000, 1000))
                fd = os.open(name, os.O_RDWR)
                fallocate(fd, mode, offset, 50)
                self.assertGreater(os.fstat(fd).st_mtime, 1_000_000, (size, mode, offset))
                self.assertGreater(os.fstat(fd).st_ctime, 1_000_000)
                self.assertEqual(os.fstat(fd).st_size, size)
                os.close(fd)
            self.mount.crash()
            self.assertGreater(os.stat(name).st_mtime, 1_000_000)
            self.assertEqual(self.read(f"file{size}"), b"x" * size)

    def test_copy_file_range(self):
        source = os.urandom(700000)
        a = os.open(self.write("a", source), os.O_RDONLY)
        b = os.open(self.path("b"), os.O_RDWR | os.O_CREAT)
        done = 0
        while done < len(source):
            done += os.copy_file_range(a, b, len(source) - done, done, done)
        self.assertEqual(self.read("b"), source)
        os.copy_file_range(a, b, 1000, 5, 300001)
        self.assertEqual(self.read("b")[300001:301001], source[5:1005])
        self.assertEqual(self.read("a"), source, "the source of a shared chunk has changed")
        os.close(a)
        os.close(b)
        run(["cp", "--reflink=auto", "--sparse=never", self.path("a"), self.path("c")])
        os.unlink(self.path("a"))
        self.mount.crash()
        self.assertEqual(self.read("c"), source)

    def test_16_tib(self):
        size = (16 << 40) - 65536 * 2
        fd = os.open(self.path("file"), os.O_RDWR | os.O_CREAT)
        os.ftruncate(fd, size)
        os.pwrite(fd, b"end", size - 3)
        os.pwrite(fd, b"middle", 7 << 40)
        os.fsync(fd)
        self.assertEqual(os.fstat(fd).st_size, size)
        self.assertLess(os.fstat(fd).st_blocks * 512, 8 << 20)
        os.close(fd)
        self.mount.crash()
        fd = os.open(self.path("file"), os.O_RDWR)
        self.assertEqual(os.pread(fd, 10, size - 5), b"\0\0end")
        self.assertEqual(os.pread(fd, 10, (7 << 40) - 2), b"\0\0middle\0\0")
        self.assertEqual(os.pread(fd, 4, 3 << 40), b"\0" * 4)
        if not harness.LOCAL:
            data = os.lseek(fd, 0, os.SEEK_DATA)
            self.assertLessEqual(data, 7 << 40)
            self.assertGreater(data, (7 << 40) - (1 << 20))
        os.ftruncate(fd, 10)
        os.close(fd)
        self.assertEqual(self.read("file"), b"\0" * 10)

    def test_fsync_of_directories(self):
        fd = os.open(self.dir, os.O_RDONLY)
        self.write("file", b"x")
        os.fsync(fd)
        os.fdatasync(fd)
        os.close(fd)

    def test_buffers_reach_the_store_by_age(self):
        """Data of a file still open is at most 5 s old in the store (and 5 s more on disk)."""
        fd = os.open(self.path("file"), os.O_WRONLY | os.O_CREAT)
        os.write(fd, b"x" * 10000)
        other = os.open(self.path("other"), os.O_WRONLY | os.O_CREAT)
        deadline = time.monotonic() + 7
        while time.monotonic() < deadline:
            os.pwrite(other, b"y" * 100, 0)
            time.sleep(0.1)  # the age itself is what is tested
        if not harness.LOCAL:
            self.mount.kill()
        for one in (fd, other):
            try:
                os.close(one)
            except OSError:
                pass  # the mount is gone
        self.mount.start()
        self.assertEqual(self.read("file"), b"x" * 10000)


if __name__ == "__main__":
    harness.main()
