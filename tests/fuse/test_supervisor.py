"""What happens when the daemon dies or hangs: it comes back, and programs are never shown the
bare directory below the mount, nor held for good."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import time
import unittest

import harness
from harness import binary, run, wait_for

DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
# What kvfs umount --force may take: ten seconds to write back, five to die, and a slow machine.
FORCED_SECONDS = 30


def state_of(pid):
    """The letter of /proc/PID/stat, or nothing."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def faults_of_dead_children(pid):
    """Grows with every child that has ended and was waited for."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[8])


class Watcher:
    """A program that, all the time, lists the mount, looks for a file, and makes new ones. It
    stops at the first thing that a mount may never show."""

    def __init__(self, mountpoint, log):
        self.log = log
        open(log, "w").close()
        self.pid = os.fork()
        if self.pid == 0:
            complaint = "it died"
            try:
                complaint = self.watch(mountpoint)
            finally:
                with open(log, "a") as file:
                    file.write(f"complaint: {complaint}\n")
                os._exit(1)

    def watch(self, mountpoint):
        made = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        number = 0
        while True:
            try:
                names = os.listdir(mountpoint)
                if "marker" not in names:
                    return f"a listing without the marker: {names[:5]}"
                os.stat(os.path.join(mountpoint, "marker"))
                number += 1
                fd = os.open(os.path.join(mountpoint, f"made{number}"),
                             os.O_CREAT | os.O_EXCL | os.O_WRONLY)
                os.write(made, f"made{number}\n".encode())
                os.close(fd)
            except OSError as failure:
                if failure.errno not in DEAD:
                    return str(failure)

    def stop(self):
        """The names it made, acknowledged to it by the mount."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        with open(self.log) as file:
            lines = file.read().split("\n")[:-1]
        complaints = [line for line in lines if line.startswith("complaint")]
        if complaints:
            raise AssertionError(complaints[0])
        return lines


@unittest.skipIf(harness.LOCAL, "nothing to test without kvfs")
class Supervisor(unittest.TestCase):
    def setUp(self):
        self.base = harness.make_base()
        self.addCleanup(harness.tear_down, self.base)
        self.data = os.path.join(self.base, "data")
        self.mnt = os.path.join(self.base, "mnt")
        os.mkdir(self.mnt)

    def kvfs(self, *arguments, timeout=60):
        return run([binary("kvfs"), *arguments], check=False, timeout=timeout, cwd="/")

    def mount(self, *options):
        done = self.kvfs("mount", "--data", self.data, self.mnt, *options)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(os.path.join(self.mnt, "marker"), "a"):
            pass
        self.supervisor = next(pid for pid in harness.kvfs_pids(self.base)
                               if name_of(pid) == "kvfs-supervisor")

    def daemon(self):
        return wait_for("a daemon", lambda: children_of(self.supervisor))[0]

    def kill_daemon(self):
        pid = self.daemon()
        os.kill(pid, signal.SIGKILL)
        wait_for("the daemon to die", lambda: state_of(pid) in ("Z", ""))

    def answers(self):
        try:
            return "marker" in os.listdir(self.mnt)
        except OSError as failure:
            self.assertIn(failure.errno, DEAD)
            return False

    def assertDead(self):
        with self.assertRaises(OSError) as caught:
            os.listdir(self.mnt)
        self.assertIn(caught.exception.errno, DEAD)

    def layers(self):
        return sum(mountpoint == self.mnt for _, mountpoint, _ in harness.mounts())

    def log(self):
        with open(os.path.join(self.data, "kvfs.log")) as file:
            return file.read()

    def umount(self, *options, timeout=60):
        done = self.kvfs("umount", *options, self.mnt, timeout=timeout)
        self.assertEqual(done.returncode, 0, done.stdout)
        wait_for("all processes to end", lambda: not harness.kvfs_pids(self.base))
        self.assertEqual(self.layers(), 0)
        self.assertEqual(os.listdir(self.mnt), [], "something was written below the mount")

    # ---- it comes back ----

    def test_killed_again_and_again(self):
        self.mount()
        watcher = Watcher(self.mnt, os.path.join(self.base, "made"))
        for number in range(6):
            wait_for("the program to make files",
                     lambda: os.path.getsize(watcher.log) > number * 1000 + 500)
            self.kill_daemon()
            wait_for("the mount to be back", self.answers)
            self.assertLessEqual(self.layers(), 2)
        made = watcher.stop()
        harness.log(f"{len(made)} files made meanwhile")
        self.assertGreater(len(made), 100)
        self.assertEqual(set(made) - set(os.listdir(self.mnt)), set(), "acknowledged and gone")
        self.umount()

    def test_umount_8_after_a_crash(self):
        self.mount()
        self.kill_daemon()
        wait_for("the mount to be back", self.answers)
        run(["umount", self.mnt])
        wait_for("all processes to end", lambda: not harness.kvfs_pids(self.base))
        self.assertEqual(self.layers(), 0)
        self.assertEqual(os.listdir(self.mnt), [])

    def failing_starts(self, hinder, heal):
        """The daemon dies, cannot start again for two attempts, and then can."""
        self.mount()
        os.kill(self.supervisor, signal.SIGSTOP)
        self.kill_daemon()
        undo = hinder()
        os.kill(self.supervisor, signal.SIGCONT)
        ends = set()

        def tried():
            ends.add(faults_of_dead_children(self.supervisor))
            return len(ends) >= 4  # none, the one killed, and two that could not start
        wait_for("attempts to start again", tried)
        self.assertDead()
        heal(undo)
        wait_for("the mount to be back", self.answers)
        self.umount()

    def test_lock_held_for_a_while(self):
        def hold():
            fd = os.open(os.path.join(self.data, "LOCK"), os.O_RDWR)
            fcntl.flock(fd, fcntl.LOCK_EX)
            return fd

        self.failing_starts(hold, os.close)
        self.assertIn("could not start; another start in", self.log())
        self.assertIn("is in use", self.log())

    def test_log_cannot_be_written_for_a_while(self):
        path = os.path.join(self.data, "kvfs.log")

        def hinder():
            os.rename(path, path + ".aside")
            os.mkdir(path)

        def heal(_):
            os.rmdir(path)

        self.failing_starts(hinder, heal)

    def test_disk_read_only_for_a_while(self):
        os.mkdir(self.data)
        run(["mount", "--bind", self.data, self.data])

        def remount(how):
            run(["mount", "-o", f"remount,bind,{how}", self.data])

        self.failing_starts(lambda: remount("ro"), lambda _: remount("rw"))

    def test_aborted_connection(self):
        self.mount()
        minor = os.minor(os.stat(self.mnt).st_dev)
        control = os.path.join(self.base, "control")
        os.mkdir(control)
        run(["mount", "-t", "fusectl", "fusectl", control])
        with open(f"{control}/{minor}/abort", "w") as file:
            file.write("1")
        run(["umount", control])
        wait_for("the mount to be back", self.answers)
        self.umount()

    def test_the_mount_of_an_ordinary_user(self):
        if not shutil.which("fusermount3"):
            self.skipTest("no fusermount3")
        os.chmod("/dev/fuse", 0o666)
        os.mkdir(self.data)
        for path in (self.data, self.mnt):
            os.chown(path, 65534, 65534)  # fusermount3 wants a user that has a name: nobody
        user = dict(user=65534, group=65534, extra_groups=[])
        run([binary("kvfs"), "mount", "--data", self.data, self.mnt], cwd="/", timeout=60, **user)
        run(["touch", os.path.join(self.mnt, "marker")], **user)
        daemon = next(pid for pid in harness.kvfs_pids(self.base) if name_of(pid) == "kvfs")
        os.kill(daemon, signal.SIGKILL)
        wait_for("the mount to be back",
                 lambda: "marker" in run(["ls", self.mnt], check=False, **user).stdout)
        self.assertEqual(self.layers(), 1)
        run([binary("kvfs"), "umount", self.mnt], cwd="/", timeout=60, **user)
        wait_for("all processes to end", lambda: not harness.kvfs_pids(self.base))

    # ---- it gives up ----

    def test_gives_up_on_damage_but_covers_the_directory(self):
        self.mount()
        os.kill(self.supervisor, signal.SIGSTOP)
        self.kill_daemon()
        for name in os.listdir(self.data):
            if name.startswith("MANIFEST"):
                with open(os.path.join(self.data, name), "r+b") as file:
                    file.write(b"\xff" * 64)
        os.kill(self.supervisor, signal.SIGCONT)
        wait_for("the supervisor to end", lambda: state_of(self.supervisor) == "")
        self.assertIn("not started again", self.log())
        self.assertDead()
        self.kvfs("umount", self.mnt)
        self.assertEqual(self.layers(), 0)

    def test_gives_up_when_the_mount_was_taken_away(self):
        self.mount()
        os.kill(self.supervisor, signal.SIGSTOP)
        self.kill_daemon()
        run(["umount", self.mnt])
        os.kill(self.supervisor, signal.SIGCONT)
        wait_for("the supervisor to end", lambda: state_of(self.supervisor) == "")
        self.assertIn("was unmounted meanwhile", self.log())
        self.assertEqual(self.layers(), 0)

    def test_gives_up_when_the_data_is_mounted_elsewhere(self):
        self.mount()
        os.kill(self.supervisor, signal.SIGSTOP)
        self.kill_daemon()
        run(["umount", self.mnt])
        other = os.path.join(self.base, "other")
        os.mkdir(other)
        done = self.kvfs("mount", "--data", self.data, other)
        self.assertEqual(done.returncode, 0, done.stdout)
        os.kill(self.supervisor, signal.SIGCONT)
        wait_for("the supervisor to end", lambda: state_of(self.supervisor) == "")
        self.assertEqual(self.layers(), 0)
        self.assertEqual(os.listdir(other), ["marker"])
        self.assertEqual(self.kvfs("umount", other).returncode, 0)

    def test_umount_while_it_waits_to_start_again(self):
        self.mount()
        fd = os.open(os.path.join(self.data, "LOCK"), os.O_RDWR)
        self.kill_daemon()
        fcntl.flock(fd, fcntl.LOCK_EX)
        wait_for("a failed attempt", lambda: "could not start" in self.log())
        self.kvfs("umount", self.mnt)
        wait_for("the supervisor to end", lambda: state_of(self.supervisor) == "", 10)
        self.assertEqual(self.layers(), 0)
        os.close(fd)

    # ---- it hangs ----

    def callers(self):
        """Processes that each have a call under way in the mount."""
        commands = (["stat", os.path.join(self.mnt, "unknown")],
                    ["touch", os.path.join(self.mnt, "new")],
                    ["dd", "if=/dev/zero", f"of={self.mnt}/marker", "bs=1M", "count=8", "conv=fsync"])
        waiting = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
        for child in waiting:
            wait_for(f"{child.args} to wait", lambda: state_of(child.pid) in "DS"
                     and self.waits_for_fuse(child.pid), 20)
        return waiting

    @staticmethod
    def waits_for_fuse(pid):
        try:
            with open(f"/proc/{pid}/wchan") as file:
                place = file.read()
        except OSError:
            return False
        return "fuse" in place or "request_wait" in place

    def force(self, callers):
        started = time.monotonic()
        done = self.kvfs("umount", "--force", self.mnt, timeout=FORCED_SECONDS)
        harness.log(f"umount --force: {done.returncode} after {time.monotonic() - started:.1f} s "
                    f"{done.stdout.strip()}")
        for child in callers:
            child.wait(5)
            self.assertNotEqual(child.returncode, 0, child.args)
        self.assertEqual(self.layers(), 0)
        return done

    def test_a_stopped_daemon(self):
        self.mount()
        daemon = self.daemon()
        os.kill(daemon, signal.SIGSTOP)
        done = self.force(self.callers())
        self.assertEqual(done.returncode, 0, done.stdout)
        wait_for("all processes to end", lambda: not harness.kvfs_pids(self.base))

    def test_a_disk_that_hangs(self):
        disk = harness.Image(os.path.join(self.base, "image"), os.path.join(self.base, "disk"), "ext4", 512)
        self.data = os.path.join(disk.path, "data")
        self.mount()
        run(["fsfreeze", "--freeze", disk.path])
        try:
            child = subprocess.Popen(
                ["dd", "if=/dev/zero", f"of={self.mnt}/file", "bs=1M", "count=64", "conv=fsync"],
                stderr=subprocess.DEVNULL)
            wait_for("dd to wait", lambda: self.waits_for_fuse(child.pid), 20)
            done = self.force([child])
            self.assertEqual(done.returncode, 1, "the daemon cannot have ended")
            self.assertIn("waits for the disk", done.stdout)
        finally:
            run(["fsfreeze", "--unfreeze", disk.path])
        wait_for("all processes to end", lambda: not harness.kvfs_pids(self.base))
        self.mount()
        self.umount()
        disk.close()


if __name__ == "__main__":
    harness.main()
