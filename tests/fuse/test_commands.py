"""The commands: what they refuse and how they say so, and what kvfs-admin reports."""

import errno
import json
import os
import random
import shutil
import subprocess
import unittest

import harness
from harness import Mount, binary, run


def kvfs(*arguments, timeout=60, **kwargs):
    return run([binary("kvfs"), *arguments], check=False, timeout=timeout, cwd="/", **kwargs)


def admin(*arguments, check=True, **kwargs):
    return run([binary("kvfs-admin"), *arguments], check=check, timeout=120, cwd="/", **kwargs)


@unittest.skipIf(harness.LOCAL, "nothing to test without kvfs")
class Commands(unittest.TestCase):
    def setUp(self):
        self.base = harness.make_base()
        self.addCleanup(harness.tear_down, self.base)
        self.data = os.path.join(self.base, "data")
        self.mnt = os.path.join(self.base, "mnt")
        os.mkdir(self.mnt)

    def mount(self, *options):
        return kvfs("mount", "--data", self.data, self.mnt, *options)

    def umount(self, *options):
        done = kvfs("umount", *options, self.mnt)
        self.assertEqual(done.returncode, 0, done.stdout)
        harness.wait_for("the daemon to end", lambda: not harness.kvfs_pids(self.base))

    def assertMounted(self, done):
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(harness.is_mounted(self.mnt))

    def assertRefused(self, done, *words):
        self.assertGreater(done.returncode, 0, "must fail, and not by a signal: " + done.stdout)
        self.assertNotIn("terminate called", done.stdout)
        self.assertNotIn("ssertion", done.stdout)
        for word in words:
            self.assertIn(word, done.stdout)
        self.assertFalse(harness.is_mounted(self.mnt))

    def snapshot(self):
        return {os.path.join(d, f): os.stat(os.path.join(d, f)).st_mtime_ns
                for d, _, files in os.walk(self.data) for f in files}

    # ---- mount and umount ----

    def test_mount_returns_when_it_answers(self):
        self.assertMounted(self.mount())
        with open(os.path.join(self.mnt, "file"), "w") as file:
            file.write("content")
        self.umount()
        self.assertFalse(harness.is_mounted(self.mnt))
        self.assertEqual(os.listdir(self.mnt), [])
        self.assertMounted(self.mount())
        with open(os.path.join(self.mnt, "file")) as file:
            self.assertEqual(file.read(), "content")
        self.umount()

    def test_umount_8_and_mount_again_at_once(self):
        for i in range(5):
            self.assertMounted(self.mount())
            with open(os.path.join(self.mnt, f"file{i}"), "wb") as file:
                file.write(os.urandom(3 << 20))
            run(["umount", self.mnt])
        self.assertMounted(self.mount())
        self.assertEqual(len(os.listdir(self.mnt)), 5)
        self.umount()

    def test_mount_helper(self):
        helper = os.path.join(harness.SOURCE, "packaging/mount.kvfs")
        environment = dict(os.environ, PATH=harness.BIN + ":" + os.environ["PATH"])
        run([helper, self.data, self.mnt, "-n", "-o", "rw,nofail,_netdev,memory=128M"],
            env=environment, timeout=60)
        self.assertTrue(harness.is_mounted(self.mnt))
        with open(os.path.join(self.mnt, "file"), "w"):
            pass
        self.umount()
        run([helper, self.data, self.mnt, "-o", "ro"], env=environment, timeout=60)
        with self.assertRaises(OSError):
            os.unlink(os.path.join(self.mnt, "file"))
        self.assertEqual(os.listdir(self.mnt), ["file"])
        self.umount()

    def test_unknown_words(self):
        self.assertRefused(self.mount("--no-such-option"), "no-such-option")
        self.assertRefused(self.mount("-o", "no_such_option"), "no_such_option")
        self.assertRefused(kvfs("frobnicate"), "frobnicate")
        self.assertRefused(kvfs("mount"))
        self.assertRefused(self.mount("--memory", "a lot"))
        self.assertFalse(os.path.exists(self.data), "a refused command has made a data directory")
        self.assertGreater(admin("frobnicate", check=False).returncode, 0)
        for command in ("kvfs", "kvfs-admin"):
            self.assertIn("mount" if command == "kvfs" else "fsck", run([binary(command), "--help"]).stdout)

    def test_mountpoints_refused(self):
        os.rmdir(self.mnt)
        self.assertRefused(self.mount(), self.mnt)
        with open(self.mnt, "w"):
            pass
        self.assertRefused(self.mount(), self.mnt)
        os.unlink(self.mnt)
        os.mkdir(self.mnt)
        with open(os.path.join(self.mnt, "mine"), "w"):
            pass
        self.assertRefused(self.mount(), self.mnt)
        self.assertEqual(os.listdir(self.mnt), ["mine"])

    def test_data_inside_mountpoint_and_reverse(self):
        self.assertRefused(kvfs("mount", "--data", os.path.join(self.mnt, "data"), self.mnt))
        os.mkdir(self.data)
        inner = os.path.join(self.data, "mnt")
        os.mkdir(inner)
        done = kvfs("mount", "--data", self.data, inner)
        self.assertGreater(done.returncode, 0, done.stdout)
        self.assertFalse(harness.is_mounted(inner))

    def test_second_mount_names_the_holder(self):
        self.assertMounted(self.mount())
        other = os.path.join(self.base, "other")
        os.mkdir(other)
        done = kvfs("mount", "--data", self.data, other)
        self.assertGreater(done.returncode, 0)
        self.assertTrue(any(str(pid) in done.stdout for pid in harness.kvfs_pids(self.base)),
                        f"{done.stdout} does not name one of {harness.kvfs_pids(self.base)}")
        self.assertFalse(harness.is_mounted(other))
        self.umount()

    def test_data_of_another_program(self):
        os.mkdir(self.data)
        with open(os.path.join(self.data, "thesis.txt"), "w") as file:
            file.write("mine")
        self.assertRefused(self.mount(), self.data)
        self.assertEqual(os.listdir(self.data), ["thesis.txt"])
        os.unlink(os.path.join(self.data, "thesis.txt"))
        with open(os.path.join(self.data, "FORMAT"), "w") as file:
            file.write("this is not a format file of kvfs\n")
        self.assertRefused(self.mount())
        shutil.rmtree(self.data)
        with open(self.data, "w") as file:
            file.write("a file")
        self.assertRefused(self.mount())

    def test_data_on_a_read_only_disk(self):
        self.assertMounted(self.mount())
        self.umount()
        run(["mount", "--bind", self.data, self.data])
        run(["mount", "-o", "remount,ro,bind", self.data])
        self.assertRefused(self.mount())
        run(["umount", self.data])
        self.assertMounted(self.mount())
        self.umount()

    def test_busy_umount_names_the_holder(self):
        self.assertMounted(self.mount())
        child = subprocess.Popen(["sleep", "600"], cwd=self.mnt)
        try:
            harness.wait_for("the child to stand there",
                             lambda: os.readlink(f"/proc/{child.pid}/cwd") == self.mnt)
            done = kvfs("umount", self.mnt)
            self.assertGreater(done.returncode, 0)
            self.assertIn(str(child.pid), done.stdout)
            self.assertTrue(harness.is_mounted(self.mnt))
            done = kvfs("umount", "--force", self.mnt, timeout=30)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertFalse(harness.is_mounted(self.mnt))
        finally:
            child.kill()
            child.wait()

    def test_umount_of_what_is_not_mounted(self):
        done = kvfs("umount", self.mnt)
        self.assertGreater(done.returncode, 0)
        self.assertIn(self.mnt, done.stdout)

    def test_stale_mountpoint_is_healed(self):
        mount = Mount(self.base)
        mount.start()
        with open(os.path.join(self.mnt, "file"), "w") as file:
            file.write("content")
        mount.kill()
        with self.assertRaises(OSError):
            os.stat(self.mnt)
        self.assertMounted(self.mount())
        with open(os.path.join(self.mnt, "file")) as file:
            self.assertEqual(file.read(), "content")
        self.umount()

    def test_crashed_daemon_is_brought_back(self):
        self.assertMounted(self.mount())
        with open(os.path.join(self.mnt, "file"), "w") as file:
            file.write("content")
        serving = [pid for pid in harness.kvfs_pids(self.base) if self.serves(pid)]
        self.assertTrue(serving, "no process holds /dev/fuse")
        os.kill(serving[-1], 9)

        def back():
            try:
                with open(os.path.join(self.mnt, "file")) as file:
                    return file.read() == "content"
            except OSError:
                return False

        harness.wait_for("the supervisor to mount again", back, 30)
        self.umount()

    def serves(self, pid):
        try:
            return any(os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/fuse"
                       for fd in os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return False

    def test_sigterm_drains(self):
        self.assertMounted(self.mount())
        with open(os.path.join(self.mnt, "file"), "wb") as file:
            file.write(b"x" * 1_000_000)
        for pid in harness.kvfs_pids(self.base):
            try:
                os.kill(pid, 15)
            except ProcessLookupError:
                pass
        harness.wait_for("the daemon to end", lambda: not harness.kvfs_pids(self.base), 60)
        self.assertFalse(harness.is_mounted(self.mnt))
        self.assertMounted(self.mount())
        self.assertEqual(os.path.getsize(os.path.join(self.mnt, "file")), 1_000_000)
        self.umount()

    def test_an_ordinary_user(self):
        if not shutil.which("fusermount3"):
            self.skipTest("no fusermount3")
        os.chmod("/dev/fuse", 0o666)
        home = os.path.join(self.base, "home")
        os.mkdir(home)
        for path in (home, self.mnt):
            os.chown(path, 65534, 65534)  # fusermount3 wants a user that has a name: nobody
        user = dict(user=65534, group=65534, extra_groups=[], env={"HOME": home, "PATH": os.environ["PATH"]})
        done = kvfs("mount", self.mnt, **user)
        self.assertEqual(done.returncode, 0, done.stdout)
        done = run(f"echo hello > {self.mnt}/file && cat {self.mnt}/file && stat -c %u {self.mnt}/file", **user)
        self.assertEqual(done.stdout, "hello\n65534\n")
        self.assertTrue(os.path.isdir(os.path.join(home, ".local/share/kvfs")))
        done = kvfs("umount", self.mnt, **user)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertFalse(harness.is_mounted(self.mnt))

    # ---- kvfs-admin ----

    def fill(self):
        shutil.copytree(os.path.join(harness.SOURCE, "kvcore"), os.path.join(self.mnt, "kvcore"))
        with open(os.path.join(self.mnt, "large"), "wb") as file:
            file.write(os.urandom(1 << 20) * 3)
        with open(os.path.join(self.mnt, "small"), "wb") as file:
            file.write(b"small")

    def test_admin_on_a_mounted_store(self):
        self.assertMounted(self.mount())
        self.fill()
        for command in (["status"], ["engine", "stats"]):
            text = admin(*command, "--data", self.data).stdout
            self.assertTrue(text.strip())
            json.loads(admin(*command, "--data", self.data, "--json").stdout)
        for name in ("large", "small", "kvcore"):
            path = os.path.join(self.mnt, name)
            facts = admin("explain", path, "--json").stdout
            json.loads(facts)
            self.assertIn(str(os.stat(path).st_ino), facts)
            self.assertTrue(admin("explain", path).stdout.strip())
        missing = admin("explain", os.path.join(self.mnt, "none"), check=False)
        self.assertGreater(missing.returncode, 0)
        foreign = admin("explain", "/etc/passwd", check=False)
        self.assertGreater(foreign.returncode, 0)
        repair = admin("fsck", "--repair", self.data, check=False)
        self.assertGreater(repair.returncode, 0, "repair of a mounted store must be refused")
        self.umount()

    def test_checkpoint_is_a_store(self):
        self.assertMounted(self.mount())
        self.fill()
        copy = os.path.join(self.base, "checkpoint")
        admin("checkpoint", copy, "--data", self.data)
        with open(os.path.join(self.mnt, "later"), "w"):
            pass
        other = os.path.join(self.base, "other")
        os.mkdir(other)
        done = kvfs("mount", "--data", copy, other)
        self.assertEqual(done.returncode, 0, done.stdout)
        os.unlink(os.path.join(self.mnt, "later"))
        harness.compare_trees(self, self.mnt, other, without=[b""])  # the root's mtime moved on
        self.assertEqual(kvfs("umount", other).returncode, 0)
        self.umount()

    def test_fsck_is_clean_after_kill(self):
        mount = Mount(self.base)
        mount.start()
        self.fill()
        shutil.rmtree(os.path.join(self.mnt, "kvcore/engine"))
        mount.kill()
        run(["umount", "-l", self.mnt])
        admin("fsck", self.data)
        json.loads(admin("fsck", self.data, "--json").stdout)

    # ---- damaged files ----

    def make_store(self):
        self.assertMounted(self.mount())
        self.fill()
        os.sync()
        self.umount()

    def file_kinds(self):
        """One file of every kind in the data directory, by how it is named."""
        kinds = {}
        for directory, _, files in os.walk(self.data):
            for name in sorted(files):
                kind = "".join("#" if c.isdigit() else c for c in name)
                path = os.path.join(directory, name)
                if os.path.getsize(path) > 0:
                    kinds[kind.replace("##", "#").replace("##", "#").replace("##", "#")] = path
        return kinds

    def survives(self, what):
        """With damage in DIR: mounts or refuses, and reads give the right bytes or EIO;
        never a crash, a hang, other bytes, or files that are gone without a word."""
        done = self.mount()
        harness.log(f"{what}: mount says {done.returncode} {done.stdout.strip()[-200:]}")
        self.assertIn(done.returncode, range(0, 126), f"{what}: {done.stdout}")
        self.assertNotIn("ssertion", done.stdout, what)
        if done.returncode == 0:
            wrong = errors = 0
            for directory, _, files in os.walk(os.path.join(harness.SOURCE, "kvcore")):
                for name in files:
                    path = os.path.join(directory, name)
                    copy = os.path.join(self.mnt, os.path.relpath(path, harness.SOURCE))
                    try:
                        with open(copy, "rb") as a, open(path, "rb") as b:
                            wrong += a.read() != b.read()
                    except OSError as failure:
                        errors += 1
                        wrong += failure.errno == errno.ENOENT
            self.assertEqual(wrong, 0, f"{what}: {wrong} files are gone or have other bytes")
            serving = [pid for pid in harness.kvfs_pids(self.base) if self.serves(pid)]
            self.assertTrue(serving, f"{what}: the daemon has died")
            kvfs("umount", self.mnt)
            harness.log(f"  {errors} files with errors")
        check = admin("fsck", self.data, check=False)
        self.assertIn(check.returncode, range(0, 126), f"fsck, {what}: {check.stdout[-2000:]}")
        harness.tear_down_mounts(self.base)

    def damage_each_kind(self, damage, what):
        self.make_store()  # synced and cleanly unmounted: nothing may be lost
        good = os.path.join(self.base, "good")
        shutil.copytree(self.data, good)
        kinds = self.file_kinds()
        harness.log(f"kinds of files: {sorted(kinds)}")
        self.assertGreaterEqual(len(kinds), 3)
        for kind, path in sorted(kinds.items()):
            with open(path, "r+b") as file:
                damage(file, os.path.getsize(path))
            self.survives(f"{what} {kind}")
            shutil.rmtree(self.data)
            shutil.copytree(good, self.data)
        self.assertMounted(self.mount())
        self.umount()

    def test_flipped_bits(self):
        choose = random.Random(5)

        def flip(file, size):
            for at in [size // 2] + [choose.randrange(size) for _ in range(3)]:
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ (1 << choose.randrange(8))]))

        self.damage_each_kind(flip, "bits flipped in")

    def test_truncated_files(self):
        self.damage_each_kind(lambda file, size: file.truncate(size * 2 // 3), "truncated")

    def test_emptied_files(self):
        self.damage_each_kind(lambda file, size: file.truncate(0), "emptied")


if __name__ == "__main__":
    harness.main()
