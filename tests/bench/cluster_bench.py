#!/usr/bin/env python3
"""cluster_bench.py [--runs N] [--rows a,b] [--scale F] [--json FILE] [--work DIR] [--peers a,b]

A kvfs cluster of three nodes that keep three replicas, beside GlusterFS (three bricks, replica 3)
and MooseFS (three chunk servers, goal 3), each whole on this machine and mounted here. They
take turns, run by run; a row's figure is the median, and its ratio is kvfs to the better of the two:
above 1 kvfs is ahead, whatever the unit. Cold rows mount anew and drop the page cache.

Needs root, a release build, and Debian's glusterfs-server, moosefs-master, moosefs-chunkserver,
moosefs-client. Nothing listens off the loopback interface: MooseFS, which refuses 127.0.0.0/8, runs in
a network namespace that has nothing else.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree

from side_by_side import BINARIES, ROOT, add_options, compare, is_mounted, run, wait_until

sys.path.insert(0, str(ROOT / "tests/cluster"))
from cluster_harness import free_ports  # noqa: E402

NODES = (1, 2, 3)


class KvfsCluster:
    name = "kvfs"
    programs = ()

    def __init__(self, work):
        self.work, self.mount = work / "kvfs.nodes", work / "kvfs"
        self.mount.mkdir()
        self.nodes = []

    def up(self):
        self.work.mkdir()
        ports = free_ports(len(NODES))
        members = ",".join(f"{node}=127.0.0.1:{port}" for node, port in zip(NODES, ports))
        peers = ",".join(f"127.0.0.1:{port}" for port in ports)
        for node in NODES:
            log = open(self.work / f"node{node}.log", "w")
            self.nodes.append(subprocess.Popen(
                [BINARIES / "kvfsd", "--node-id", str(node), "--members", members, "--cluster", "bench",
                 "--data", self.work / f"node{node}"], stdout=log, stderr=log))
            log.close()
        self.command = f"{BINARIES}/kvfs mount --peers {peers} --cluster bench {self.mount}"
        run("sh", "-c", self.command)

    def again(self):
        return f"{BINARIES}/kvfs umount {self.mount} && {self.command}"

    def down(self):
        if is_mounted(self.mount):
            run(BINARIES / "kvfs", "umount", self.mount)
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.wait(60)
        self.nodes = []
        shutil.rmtree(self.work, ignore_errors=True)


class Gluster:
    """Its daemons speak on 127.0.0.2: a brick on 127.0.0.1 is refused."""

    name = "GlusterFS"
    programs = ("glusterd", "gluster", "glusterfs")
    host = "127.0.0.2"

    def __init__(self, work):
        self.work, self.mount = work / "gluster.nodes", work / "gluster"
        self.mount.mkdir()

    def manage(self, *words):
        return subprocess.run(["gluster", "--mode=script", "--xml", "volume", *map(str, words)],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def bricks_up(self):
        status = xml.etree.ElementTree.fromstring(self.manage("status", "bench").stdout)
        return sum(node.findtext("hostname") == self.host and node.findtext("status") == "1"
                   for node in status.iter("node"))

    def up(self):
        for name in ("state", "run", "log", *(f"brick{node}" for node in NODES)):
            (self.work / name).mkdir(parents=True)
        options = {"working-directory": self.work / "state", "run-directory": self.work / "run",
                   "transport-type": "socket", "transport.socket.bind-address": self.host,
                   "transport.socket.listen-port": 24007}
        volume = self.work / "glusterd.vol"
        volume.write_text("volume management\n type mgmt/glusterd\n"
                          + "".join(f" option {key} {value}\n" for key, value in options.items())
                          + "end-volume\n")
        run("glusterd", "-f", volume, "-p", self.work / "glusterd.pid", "-l", self.work / "log/glusterd")
        wait_until(lambda: self.manage("list").returncode == 0, "glusterd answers")
        bricks = [f"{self.host}:{self.work}/brick{node}" for node in NODES]
        for words in (("create", "bench", "replica", len(NODES), *bricks, "force"), ("start", "bench")):
            done = self.manage(*words)
            if done.returncode != 0:
                sys.exit(f"gluster volume {words[0]}: {done.stdout}")
        wait_until(lambda: self.bricks_up() == len(NODES), "all bricks are up")
        self.command = (f"glusterfs --volfile-server={self.host} --volfile-id=bench "
                        f"-l {self.work}/log/client {self.mount}")
        run("sh", "-c", self.command)
        wait_until(lambda: is_mounted(self.mount), "GlusterFS is mounted")

    def again(self):
        return (f"umount {self.mount} && {self.command} && "
                f"until mountpoint -q {self.mount}; do sleep 0.05; done")

    def pids(self):
        files = [self.work / "glusterd.pid", *self.work.glob("run/**/*.pid")]
        return [int(text) for text in (file.read_text().strip() for file in files if file.exists())
                if text]

    def down(self):
        if is_mounted(self.mount):
            run("umount", self.mount)
        pids = self.pids()
        self.manage("stop", "bench", "force")
        self.manage("delete", "bench")
        for pid in pids:
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "GlusterFS ended")
        shutil.rmtree(self.work, ignore_errors=True)


class MooseFs:
    name = "MooseFS"
    programs = ("mfsmaster", "mfschunkserver", "mfsmount", "mfssetgoal", "mfscli")
    space, host = "kvfs-bench", "10.77.0.1"

    def __init__(self, work):
        self.work, self.mount = work / "moose.nodes", work / "moose"
        self.mount.mkdir()
        self.started = []

    def inside(self, *command, **more):
        return run("nsenter", f"--net=/run/netns/{self.space}", *command, stdout=subprocess.PIPE,
                   stderr=subprocess.STDOUT, text=True, **more)

    def configure(self, name, **settings):
        file = self.work / name
        file.write_text("".join(f"{key} = {value}\n" for key, value in
                                {"WORKING_USER": "root", "WORKING_GROUP": "root", "NICE_LEVEL": 0,
                                 **settings}.items()))
        return file

    def start(self, program, file):
        self.started.append((program, file))
        self.inside(program, "-c", file, "start")

    def up(self):
        run("ip", "netns", "add", self.space)
        run("ip", "-n", self.space, "link", "set", "lo", "up")
        run("ip", "-n", self.space, "addr", "add", f"{self.host}/32", "dev", "lo")
        master = self.work / "master"
        master.mkdir(parents=True)
        (master / "metadata.mfs").write_text("MFSM NEW")
        exports = self.work / "exports"
        exports.write_text(f"{self.host} / rw,alldirs,admin,maproot=0:0\n{self.host} . rw\n")
        (self.work / "topology").touch()
        self.start("mfsmaster", self.configure(
            "master.cfg", DATA_PATH=master, EXPORTS_FILENAME=exports,
            TOPOLOGY_FILENAME=self.work / "topology", MATOML_LISTEN_HOST=self.host,
            MATOCS_LISTEN_HOST=self.host, MATOCL_LISTEN_HOST=self.host))
        for node in NODES:
            for kind in ("state", "disk"):
                (self.work / f"{kind}{node}").mkdir()
            disks = self.work / f"disks{node}"
            disks.write_text(f"{self.work}/disk{node}\n")
            self.start("mfschunkserver", self.configure(
                f"chunks{node}.cfg", DATA_PATH=self.work / f"state{node}", HDD_CONF_FILENAME=disks,
                MASTER_HOST=self.host, BIND_HOST=self.host, CSSERV_LISTEN_HOST=self.host,
                CSSERV_LISTEN_PORT=9500 + node))
        wait_until(lambda: self.inside("mfscli", "-H", self.host, "-SCS").stdout.count("maintenance_off")
                   == len(NODES), "all chunk servers are up")
        self.command = f"nsenter --net=/run/netns/{self.space} mfsmount -H {self.host} {self.mount}"
        run("sh", "-c", self.command, stdout=subprocess.DEVNULL)
        self.inside("mfssetgoal", len(NODES), self.mount)

    def again(self):
        return f"umount {self.mount} && {self.command} > /dev/null"

    def down(self):
        if is_mounted(self.mount):
            run("umount", self.mount)
        for program, file in reversed(self.started):
            self.inside(program, "-c", file, "stop")
        self.started = []
        subprocess.run(["ip", "netns", "delete", self.space], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, "cluster_bench", runs=3)
    parser.add_argument("--peers", default="GlusterFS,MooseFS", help="only these")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("cluster_bench needs root: it mounts, and drops the page cache")
    peers = [system for system in (Gluster, MooseFs) if system.name in arguments.peers.split(",")]
    if not peers:
        parser.error("--peers: GlusterFS, MooseFS or both")
    for system in peers:
        for program in system.programs:
            if shutil.which(program) is None:
                sys.exit(f"no {program}: install {system.name}'s packages")
    compare(arguments, lambda work: [system(work) for system in (KvfsCluster, *peers)])


if __name__ == "__main__":
    main()
