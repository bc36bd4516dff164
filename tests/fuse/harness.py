"""Mounts kvfs for tests, kills it, mounts it again, and always cleans up.

A Mount is a directory of its own (data, mnt, log) below KVFS_TEST_TMP (default
/var/tmp). Everything needed to find its daemon is in that path, so another
process can work on the same Mount: `harness.py kill BASE` is what the model test
runs between its batches.

Environment:
  KVFS_BIN         where kvfs, kvfs-admin and the test programs are
  KVFS_TEST_TMP    where data directories are made
  KVFS_TEST_MOUNT_OPTIONS  for every mount, before its own; tests/cluster runs these tests
                   on mounts of a cluster with it
  KVFS_TEST_LOCAL  1: no mount at all, the tests run on a plain directory; what
                   they say about POSIX must hold there too
"""

import atexit
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

LOCAL = os.environ.get("KVFS_TEST_LOCAL") == "1"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("KVFS_BIN", os.path.join(SOURCE, "build/dev/bin"))
TMP = os.environ.get("KVFS_TEST_TMP", "/var/tmp")
MOUNT_OPTIONS = os.environ.get("KVFS_TEST_MOUNT_OPTIONS", "").split()
LONG = os.environ.get("KVFS_LONG") == "1"
PREFIX = "kvfs-test."
SKIP = 77


def binary(name):
    return os.path.join(BIN, name)


def log(text):
    print(text, flush=True)


def run(command, check=True, timeout=300, **kwargs):
    """Runs a command (list, or text for the shell); returns the completed process
    with its output (stdout and stderr together) as .stdout."""
    kwargs.setdefault("stdout", subprocess.PIPE)
    kwargs.setdefault("stderr", subprocess.STDOUT)
    kwargs.setdefault("text", True)
    kwargs.setdefault("errors", "surrogateescape")
    done = subprocess.run(command, shell=isinstance(command, str), timeout=timeout, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}: {command}\n{(done.stdout or '')[-4000:]}")
    return done


def wait_for(what, condition, timeout=30):
    """Polls until the condition holds; the deadline is a failure."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


# ---- processes and mounts ---------------------------------------------------

def mounts():
    """(source, mountpoint, type) of everything mounted."""
    found = []
    with open("/proc/self/mounts") as file:
        for line in file:
            source, mountpoint, kind = line.split()[:3]
            found.append((source, mountpoint.encode().decode("unicode_escape"), kind))
    return found


def is_mounted(path):
    return any(mountpoint == path for _, mountpoint, _ in mounts())


def kvfs_pids(path):
    """Processes of kvfs that name a path at or below `path` in their command line."""
    pids = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = [os.fsdecode(word) for word in file.read().split(b"\0")]
            with open(f"/proc/{name}/stat") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state == "Z" or not os.path.basename(words[0]).startswith("kvfs"):
            continue
        if any(word == path or word.startswith(path + "/") or ("=" + path + "/") in word
               for word in words):
            pids.append(int(name))
    return pids


def kill_all(path):
    """kill -9 of all of kvfs_pids; returns them."""
    pids = kvfs_pids(path)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return pids


def peak_memory(pid):
    """VmHWM in MiB."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0


def tear_down_mounts(base):
    """Kills the daemons of `base` and unmounts whatever is mounted below it."""
    # More than once: a supervisor may start a daemon between two looks.
    for _ in range(100):
        if not kill_all(base):
            break
        time.sleep(0.02)
    for _ in range(5):
        below = [m for _, m, _ in mounts() if m.startswith(base + "/")]
        if not below:
            break
        for mountpoint in reversed(below):
            subprocess.run(["umount", "-l", mountpoint], stderr=subprocess.DEVNULL)


def tear_down(base):
    """Takes away whatever a test left below `base`: daemons, mounts, loop devices, files."""
    tear_down_mounts(base)
    devices = subprocess.run(["losetup", "-n", "-O", "NAME,BACK-FILE"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True).stdout
    for line in devices.splitlines():
        device, _, backing = line.strip().partition(" ")
        if backing.strip().startswith(base + "/"):
            subprocess.run(["losetup", "-d", device], stderr=subprocess.DEVNULL)
    shutil.rmtree(base, ignore_errors=True)


def sweep():
    """Takes away what test runs that were killed left behind."""
    for name in os.listdir(TMP):
        if not name.startswith(PREFIX):
            continue
        owner = name[len(PREFIX):].split(".")[0]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            tear_down(os.path.join(TMP, name))


def make_base():
    base = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}.", dir=TMP)
    os.chmod(base, 0o755)
    atexit.register(tear_down, base)
    return base


class Mount:
    """One data directory and its mountpoint. `on`: what the daemon's command line begins with."""

    def __init__(self, base=None, data=None, on=()):
        self.on = list(on)
        self.base = base or make_base()
        self.path = os.path.join(self.base, "mnt")
        self.data = data or os.path.join(self.base, "data")
        self.log = os.path.join(self.base, "daemon.log")
        self.options = []
        os.makedirs(self.path, exist_ok=True)
        os.chmod(self.path, 0o755)
        self._child = None
        self._reap = []

    def start(self, *options, timeout=60):
        """Mounts, in the foreground so that nothing brings a killed daemon back."""
        if LOCAL:
            return self
        if options:
            self.options = list(options)
            with open(os.path.join(self.base, "options"), "w") as file:
                file.write("\n".join(options))
        elif os.path.exists(os.path.join(self.base, "options")):
            with open(os.path.join(self.base, "options")) as file:
                self.options = file.read().split("\n")
        command = [*self.on, binary("kvfs"), "mount", "--foreground", "--data", self.data,
                   self.path, *MOUNT_OPTIONS, *self.options]
        with open(self.log, "a") as output:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                     stdout=output, stderr=output, start_new_session=True, cwd="/")
        outside = os.stat(self.base).st_dev

        def answers():
            if child.poll() is not None:
                raise AssertionError(f"kvfs mount ended with {child.returncode}:\n{self.tail()}")
            try:
                os.statvfs(self.path)  # the kernel answers stat for a dead daemon, from memory
                return os.stat(self.path).st_dev != outside
            except OSError:
                return False  # the stale mount of a killed daemon, not healed yet

        wait_for("the mount to answer", answers, timeout)
        self._child = child
        return self

    def tail(self, lines=30):
        try:
            with open(self.log, errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""

    def pid(self):
        """The daemon's process."""
        if self._child is not None and self._child.poll() is None:
            children = kvfs_pids(self.base)
            return max(children) if len(children) > 1 else self._child.pid
        pids = kvfs_pids(self.base)
        if not pids:
            raise AssertionError(f"no daemon of {self.base}:\n{self.tail()}")
        return pids[-1]

    def kill(self):
        """kill -9 of everything of this mount."""
        if LOCAL:
            return
        wait_for("the killed daemon to be gone", lambda: not kill_all(self.base))
        if self._child is not None:
            self._child.wait(30)
            self._child = None

    def stop(self, timeout=120):
        """`kvfs umount`."""
        if LOCAL:
            return
        run([binary("kvfs"), "umount", self.path], timeout=timeout, cwd="/")
        if self._child is not None:
            self._child.wait(timeout)
            self._child = None
        wait_for("the daemon to be gone", lambda: not kvfs_pids(self.base), timeout)

    def remount(self):
        self.stop()
        self.start()

    def crash(self):
        """kill -9, then mounted again over the stale mountpoint."""
        self.kill()
        self.start()

    def drop_caches(self):
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")

    def disk_use(self):
        """Bytes allocated below the data directory."""
        total = 0
        for directory, _, files in os.walk(self.data):
            for name in files:
                try:
                    total += os.lstat(os.path.join(directory, name)).st_blocks * 512
                except FileNotFoundError:
                    pass  # a table that compaction took away meanwhile
        return total

    def close(self):
        tear_down(self.base)


class MountedTest(unittest.TestCase):
    """A test class whose methods share one mount; each gets an empty directory."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.mount = Mount()
        try:
            cls.mount.start(*cls.options)
        except BaseException:
            tear_down(cls.mount.base)
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.mount.stop()
        finally:
            if os.environ.get("KVFS_TEST_LOG") == "1":
                log(cls.mount.tail(200))
            tear_down(cls.mount.base)

    def setUp(self):
        self.dir = os.path.join(self.mount.path, self._testMethodName)
        os.mkdir(self.dir)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def assertErrno(self, number, function, *arguments, **kwargs):
        with self.assertRaises(OSError) as caught:
            function(*arguments, **kwargs)
        self.assertEqual(caught.exception.errno, number, os.strerror(caught.exception.errno))


class Image:
    """A file system in an image file, mounted over a loop device."""

    def __init__(self, image, mountpoint, kind, mib=None, options=()):
        self.image = image
        self.path = mountpoint
        os.makedirs(mountpoint, exist_ok=True)
        if mib is not None:
            with open(image, "wb") as file:
                file.truncate(mib << 20)
            run([f"mkfs.{kind}", "-q", *options, image])
        done = run(["mount", "-o", "loop", "-t", kind, image, mountpoint], check=False)
        if done.returncode != 0 and not os.path.exists("/dev/loop-control"):
            raise unittest.SkipTest("this machine has no loop devices")
        if done.returncode != 0:
            raise AssertionError(f"mount {image}: {done.stdout}")

    def close(self):
        run(["umount", self.path])


# ---- files held open ---------------------------------------------------------

class Holder:
    """A process that calls a function and then keeps its files open, without forking: a child
    that closes them would flush them."""

    def __init__(self, function):
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                function()
                os.write(writing, b"x")
                signal.pause()
            finally:
                os._exit(1)
        os.close(writing)
        if os.read(reading, 1) != b"x":
            raise AssertionError("the process that was to hold files has died")
        os.close(reading)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


# ---- comparison of trees ----------------------------------------------------

def describe_tree(root, content=True, times=True):
    """{relative path: description} of everything below root."""
    described = {}
    first = {}
    root = os.fsencode(root)
    stack = [b""]
    while stack:
        relative = stack.pop()
        path = os.path.join(root, relative) if relative else root
        st = os.lstat(path)
        facts = [oct(st.st_mode), st.st_uid, st.st_gid]
        if times:
            facts.append(st.st_mtime_ns)
        names = sorted(os.listxattr(path, follow_symlinks=False))
        facts.append([(name, os.getxattr(path, name, follow_symlinks=False)) for name in names])
        if stat.S_ISDIR(st.st_mode):
            for name in os.listdir(path):
                stack.append(os.path.join(relative, name))
        else:
            facts += [st.st_nlink, st.st_rdev, st.st_size]
            if st.st_nlink > 1:
                first.setdefault(st.st_ino, []).append(relative)
            if stat.S_ISLNK(st.st_mode):
                facts.append(os.readlink(path))
            elif stat.S_ISREG(st.st_mode) and content:
                with open(path, "rb") as file:
                    facts.append(hashlib.sha256(file.read()).hexdigest())
        described[relative] = facts
    for links in first.values():
        links.sort()
        for link in links:
            described[link].append(("links", links[0]))
    return described


def compare_trees(test, a, b, without=(), **kwargs):
    left, right = describe_tree(a, **kwargs), describe_tree(b, **kwargs)
    for relative in without:
        left.pop(relative, None)
        right.pop(relative, None)
    test.assertEqual(sorted(left.keys() ^ right.keys())[:5], [], f"names only in one of {a}, {b}")
    for relative, facts in left.items():
        if facts != right[relative]:
            test.fail(f"{relative!r} differs\n  {a}: {facts}\n  {b}: {right[relative]}")
    return len(left)


def copy_of_sources(test, destination, at_least=5000):
    """A local copy of a real tree of at least so many files, made once a test."""
    os.makedirs(destination)
    files = 0
    for source in ("/usr/include", "/usr/share/doc", "/usr/share/perl", "/usr/lib/python3"):
        if files >= at_least or not os.path.isdir(source):
            continue
        run(["cp", "-a", source, destination])
        files = sum(len(names) for _, _, names in os.walk(destination))
    test.assertGreaterEqual(files, at_least, "this machine has no tree of that size")
    return files


# ---- running ----------------------------------------------------------------

def prepare():
    """Ends the process as skipped where nothing can be mounted; cleans up what others left."""
    reason = None
    if not LOCAL:
        if os.geteuid() != 0:
            reason = "mounting needs root"
        elif not os.path.exists("/dev/fuse"):
            reason = "this machine has no /dev/fuse"
        elif not os.access(binary("kvfs"), os.X_OK):
            reason = f"{binary('kvfs')} is not built"
    if reason:
        log(f"SKIPPED: {reason}")
        sys.exit(SKIP)
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sweep()


def main():
    """Runs the tests of the module it is called from, or says why it cannot."""
    prepare()
    result = unittest.main(verbosity=2, exit=False).result
    for test, why in result.skipped:
        log(f"SKIPPED: {test}: {why}")
    if result.wasSuccessful() and result.testsRun == len(result.skipped):
        sys.exit(SKIP)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    verb, where = sys.argv[1:3]
    {"kill": Mount.crash, "remount": Mount.remount}[verb](Mount(where))
