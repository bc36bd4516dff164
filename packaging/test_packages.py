"""The Debian packages: built, then installed, used, upgraded, removed and purged in a copy of this
machine's root that nothing is written to (an overlay, with processes, users of ports and, where that can
be had, a systemd of its own).

    test_packages.py BUILD_DIRECTORY

Where systemd cannot run in a namespace, the units are only verified, and kvfsd is started as its unit
would."""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "fuse"))

from harness import SKIP, run, wait_for  # noqa: E402

NAMES = ("kvfs", "kvfsd", "kvfs-admin")
MOUNTPOINT = "/srv/kvfs-test"
ADDRESS = "127.0.0.1:7101"  # in the configuration that the package brings


def has_systemd():
    return os.path.isdir("/run/systemd/system")


def property_of(unit, name):
    return run(["systemctl", "show", "-P", name, unit]).stdout.strip()


class Inside(unittest.TestCase):
    """Runs in the copied root, in the order of the names; each goes on where the last one ended."""

    packages = []  # files
    node = None    # of kvfsd that was started by hand

    def state(self, name):
        done = run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", name], check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def start_by_hand(self, **environment):
        with open("/tmp/kvfsd.log", "ab") as log:
            Inside.node = subprocess.Popen(
                ["/usr/bin/kvfsd", "--config", "/etc/kvfs/kvfsd.toml"], env={**os.environ, **environment},
                stdout=log, stderr=log, user="kvfs", group="kvfs", extra_groups=[], cwd="/")

    def test_1_install(self):
        run(["dpkg", "-i", *self.packages])
        for name in NAMES:
            self.assertEqual(self.state(name), "ii")
            self.assertIn(f"{name} 0.", run([f"/usr/bin/{name}", "--version"]).stdout)
        self.assertEqual(run(["stat", "-c", "%U %a", "/var/lib/kvfsd"]).stdout, "kvfs 700\n")
        run(["runuser", "-u", "kvfs", "--", "kvfsd", "--check-config", "--config",
             "/etc/kvfs/kvfsd.toml"])
        if has_systemd():  # nobody has said yet what cluster it belongs to
            self.assertEqual(property_of("kvfsd", "ActiveState"), "inactive")

    def test_2_configuration_explains_every_option(self):
        known = set(re.findall(r"^  --([a-z-]+) ", run(["kvfsd", "--help"]).stdout, re.M))
        known -= {"config", "check-config", "members", "version"}
        with open("/etc/kvfs/kvfsd.toml") as file:
            text = file.read()
        explained = set(re.findall(r"^#?([a-z-]+) = ", text, re.M)) - {"node", "address"}
        self.assertEqual(explained, known)
        # Each of them is taken, with the value that stands there, where it does not contradict.
        for line in re.findall(r"^#([a-z-]+ = .*)$", text.split("[[members]]")[0], re.M):
            if line.split()[0] in ("join", "zone", "datacentre", "key", "allow", "listen"):
                continue  # go with other members
            with open("/tmp/one.toml", "w") as file:
                file.write(text.replace(f"#{line}", line))
            run(["kvfsd", "--check-config", "--config", "/tmp/one.toml"])

    def test_3_units(self):
        for unit in ("kvfsd.service", "kvfs@.service"):
            path = f"/tmp/{unit.replace('@', '@srv-files')}"
            shutil.copy(f"/lib/systemd/system/{unit}", path)
            done = run(["systemd-analyze", "verify", path], check=False)
            said = [line for line in done.stdout.splitlines() if "kvfs" in line]
            self.assertEqual((done.returncode, said), (0, []), done.stdout)
        # Of 100; what is left is that it needs the network and a user of its own.
        done = run(["systemd-analyze", "security", "--offline=true", "--threshold=30",
                    "/lib/systemd/system/kvfsd.service"], check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:])

    def test_4_manual_and_completion(self):
        for name, section in (("kvfs", 1), ("kvfsd", 8), ("kvfs-admin", 8)):
            page = f"/usr/share/man/man{section}/{name}.{section}.gz"
            done = run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.assertEqual(done.stderr, "")
            text = run(["man", "-l", page], env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C"}).stdout
            for option in re.findall(r"^ +(?:-\w,)?(--[a-z-]+)", run([name, "--help"]).stdout, re.M):
                self.assertIn(option, text)
            run(["bash", "-n", f"/usr/share/bash-completion/completions/{name}"])
            if shutil.which("zsh"):
                run(["zsh", "-n", f"/usr/share/zsh/vendor-completions/_{name}"])

        def completed(*words):
            text = (f". /usr/share/bash-completion/completions/{words[0]}; "
                    f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
                    f"_{words[0].replace('-', '_')}; echo \"${{COMPREPLY[@]}}\"")
            return run(["bash", "-c", text]).stdout.split()
        self.assertEqual(completed("kvfs", "um"), ["umount"])
        self.assertEqual(completed("kvfs-admin", "kv", "g"), ["get"])
        self.assertEqual(completed("kvfs", "mount", "--cap"), ["--capacity"])

    def test_5_the_daemon_tells_how_it_is(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind("/run/kvfs-test-notify")
            os.chmod("/run/kvfs-test-notify", 0o777)
            heard.settimeout(60)
            self.start_by_hand(NOTIFY_SOCKET="/run/kvfs-test-notify", WATCHDOG_USEC="2000000")
            self.assertEqual(heard.recv(1000).split(b"\n")[0], b"READY=1")
            for _ in range(3):
                self.assertEqual(heard.recv(1000), b"WATCHDOG=1")
            self.node.terminate()
            while (said := heard.recv(1000)) == b"WATCHDOG=1":
                pass
            self.assertEqual(said.split(b"\n")[0], b"STOPPING=1")
            self.assertEqual(self.node.wait(60), 0)

    def test_6_the_service(self):
        if not has_systemd():
            self.start_by_hand()
            wait_for("the node to answer", lambda: run(
                ["kvfs-admin", "--peer", ADDRESS, "members"], check=False).returncode == 0, 60)
            self.skipTest("no systemd in a namespace here: the unit itself was not started")
        run(["systemctl", "start", "kvfsd"], timeout=60)  # returns when it is ready
        run(["kvfs-admin", "--peer", ADDRESS, "members"], timeout=60)
        self.assertIn("node 1 of cluster kvfs", property_of("kvfsd", "StatusText"))
        pid = int(property_of("kvfsd", "MainPID"))
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.split(":\t") for line in file.read().splitlines() if ":\t" in line)
        self.assertEqual((status["CapEff"], status["NoNewPrivs"], status["Seccomp"]),
                         ("0" * 16, "1", "2"))
        self.assertNotEqual(status["Uid"].split()[0], "0")
        self.assertIn("is ready on", run(["journalctl", "-u", "kvfsd", "--no-pager"]).stdout)

        def is_another(old):
            return property_of("kvfsd", "ActiveState") == "active" and \
                int(property_of("kvfsd", "MainPID")) not in (0, old)
        os.kill(pid, signal.SIGKILL)
        wait_for("the killed daemon to be started again", lambda: is_another(pid), 60)
        # One that hangs is killed and started again, too.
        os.makedirs("/run/systemd/system/kvfsd.service.d")
        with open("/run/systemd/system/kvfsd.service.d/soon.conf", "w") as file:
            file.write("[Service]\nWatchdogSec=2\n")
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "restart", "kvfsd"], timeout=60)
        pid = int(property_of("kvfsd", "MainPID"))
        os.kill(pid, signal.SIGSTOP)
        wait_for("the stopped daemon to be started again", lambda: is_another(pid), 60)
        self.assertIn("killed by a fatal signal", run(["journalctl", "-u", "kvfsd", "--no-pager"]).stdout)

    def test_7_mounts(self):
        os.makedirs(MOUNTPOINT)
        run(["mount", "-t", "kvfs", ADDRESS, MOUNTPOINT, "-o", "_netdev,nofail"], timeout=60)
        with open(f"{MOUNTPOINT}/file", "w") as file:
            file.write("hello")
        done = run(["kvfs-admin", "--peer", ADDRESS, "status", "--json"], check=False)
        self.assertEqual([line["code"] for line in json.loads(done.stdout)["nodes"]], ["UN"])
        # A package whose program serves a mount is not taken away.
        self.assertNotEqual(run(["dpkg", "--remove", "kvfs"], check=False).returncode, 0)
        self.assertEqual(self.state("kvfs")[1], "i")
        run(["kvfs", "umount", MOUNTPOINT])
        with open("/etc/fstab", "a") as file:
            file.write(f"{ADDRESS} {MOUNTPOINT} kvfs defaults,nofail,_netdev,cluster=kvfs 0 0\n")
        run(["mount", MOUNTPOINT], timeout=60)
        self.assertIn("fuse.kvfs", run(["findmnt", "-no", "FSTYPE", MOUNTPOINT]).stdout)
        with open(f"{MOUNTPOINT}/file") as file:
            self.assertEqual(file.read(), "hello")
        run(["kvfs", "umount", MOUNTPOINT])

    def test_8_a_mount_as_a_service(self):
        if not has_systemd():
            self.skipTest("no systemd in a namespace here")
        with open("/etc/kvfs/mounts/srv-team.conf", "w") as file:
            file.write(f"KVFS_MOUNT=--peers {ADDRESS} -o noatime\n")
        os.makedirs("/srv/team")
        run(["systemctl", "start", "kvfs@srv-team"], timeout=60)
        with open("/srv/team/file") as file:
            self.assertEqual(file.read(), "hello")
        run(["systemctl", "stop", "kvfs@srv-team"], timeout=60)
        self.assertFalse(os.path.ismount("/srv/team"))
        self.assertEqual(property_of("kvfs@srv-team", "Result"), "success")

    def test_9_upgrade_remove_purge(self):
        with open("/etc/kvfs/kvfsd.toml", "a") as file:
            file.write("# mine\n")
        pid = property_of("kvfsd", "MainPID") if has_systemd() else None
        run(["dpkg", "-i", *self.packages], timeout=120)
        with open("/etc/kvfs/kvfsd.toml") as file:
            self.assertIn("# mine\n", file.read())
        if has_systemd():  # the new program runs, with the old data
            self.assertEqual(property_of("kvfsd", "ActiveState"), "active")
            self.assertNotEqual(property_of("kvfsd", "MainPID"), pid)
        run(["mount", MOUNTPOINT], timeout=60)
        with open(f"{MOUNTPOINT}/file") as file:
            self.assertEqual(file.read(), "hello")
        run(["kvfs", "umount", MOUNTPOINT])
        if not has_systemd():
            self.node.terminate()
            self.assertEqual(self.node.wait(60), 0)
        run(["dpkg", "--remove", *NAMES], timeout=120)
        for name in NAMES:
            self.assertFalse(os.path.exists(f"/usr/bin/{name}"))
        self.assertTrue(os.path.exists("/etc/kvfs/kvfsd.toml"))
        done = run(["dpkg", "--purge", *NAMES])
        self.assertIn("the data in /var/lib/kvfsd stays", done.stdout)
        self.assertFalse(os.path.exists("/etc/kvfs/kvfsd.toml"))
        self.assertTrue(os.listdir("/var/lib/kvfsd/node"))


# Makes the copy and becomes its process 1: systemd, or something that only waits. Everything that is
# mounted and started there ends with it.
ENTER = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/disk" -o size=2g
mkdir "$1/disk/upper" "$1/disk/work"
root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/disk/upper,workdir=$1/disk/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/var/lib/kvfs-debs"
cp "$1"/*.deb "$root/var/lib/kvfs-debs"
ip link set lo up
cd "$root"
pivot_root . mnt
umount -l /mnt
touch /var/lib/kvfs-debs/entered
if [ "$2" = systemd ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir -p /run/systemd/system
  printf '[Unit]\nRequires=systemd-journald.service\n' > /run/systemd/system/kvfs-test.target
  export container=other
  exec /lib/systemd/systemd --system --unit=kvfs-test.target --log-target=console --show-status=no
fi
exec sleep infinity
"""


def make_cgroup():
    """A control group for all that runs in the copy; none where there are no such groups."""
    with open("/proc/mounts") as file:
        roots = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
    if not roots:
        return None
    path = os.path.join(roots[0], f"kvfs-test.{os.getpid()}")
    os.makedirs(path, exist_ok=True)
    return path


def remove_cgroup(path):
    def is_removed(directory):
        try:
            os.rmdir(directory)
            return True
        except OSError:  # what ran there is still ending
            return False
    for directory, _, _ in os.walk(path, topdown=False):
        wait_for(f"{directory} to be empty", lambda: is_removed(directory), 30)


class Machine:
    """The copy: its process 1, and commands in it."""

    def __init__(self, directory, init):
        self.cgroup = make_cgroup()
        join = f"echo $$ > {self.cgroup}/cgroup.procs; " if self.cgroup else ""
        self.child = subprocess.Popen(
            ["bash", "-c", join + 'exec "$@"', "join", "unshare", "--mount", "--pid", "--net", "--uts", "--ipc",
             "--cgroup", "--fork", "--kill-child", "bash", "-c", ENTER, "enter", directory, init],
            stdin=subprocess.DEVNULL)

    def run(self, *command, **kwargs):
        children = open(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read().split()
        if not children:
            return subprocess.CompletedProcess(command, 1, "")
        return run(["nsenter", "-t", children[0], "-a", *command], check=False, **kwargs)

    def is_up(self, init):
        """Whether it came up within some seconds."""
        test = (["systemctl", "is-active", "kvfs-test.target"] if init == "systemd"
                else ["test", "-e", "/var/lib/kvfs-debs/entered"])
        try:
            wait_for("it to come up", lambda: self.child.poll() is not None or
                     self.run(*test).returncode == 0, 20)
        except AssertionError:
            return False
        return self.child.poll() is None

    def end(self):
        self.child.kill()  # and with it process 1, and so everything in there
        self.child.wait(60)
        if self.cgroup:
            remove_cgroup(self.cgroup)


def build_packages(build, directory):
    run(["cpack", "--config", os.path.join(build, "CPackConfig.cmake"), "-B", directory], timeout=500)
    return sorted(glob.glob(os.path.join(directory, "*.deb")))


def test_in_copy(directory, init):
    """The exit status; None if there is no such copy."""
    machine = Machine(directory, init)
    try:
        if not machine.is_up(init):
            return None
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
                       "PYTHONDONTWRITEBYTECODE=1", "DEBIAN_FRONTEND=noninteractive"]
        return machine.run(*environment, "python3", os.path.abspath(__file__), "--inside", timeout=400,
                           stdout=None, stderr=None).returncode
    finally:
        machine.end()


def main():
    if sys.argv[1:2] == ["--inside"]:
        Inside.packages = sorted(glob.glob("/var/lib/kvfs-debs/*.deb"))
        unittest.main(argv=sys.argv[:1], verbosity=2, failfast=True)
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not shutil.which("dpkg-shlibdeps"):
        print("SKIPPED: needs root, /dev/fuse and dpkg-dev")
        sys.exit(SKIP)
    directory = tempfile.mkdtemp(prefix="kvfs-packages.", dir="/var/tmp")
    try:
        packages = build_packages(os.path.abspath(sys.argv[1]), directory)
        assert len(packages) == len(NAMES), packages
        for package in packages:
            print(os.path.basename(package), os.path.getsize(package))
            print(run(["dpkg-deb", "--field", package, "Package", "Depends"]).stdout, flush=True)
        for name in ("disk", "root"):
            os.mkdir(os.path.join(directory, name))
        status = test_in_copy(directory, "systemd")
        if status is None:
            print("no systemd in a namespace here", flush=True)
            status = test_in_copy(directory, "none")
        sys.exit(1 if status is None else status)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
