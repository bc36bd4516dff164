"""Clusters of kvfsd processes on loopback, and mounts of them; built on tests/fuse/harness.py.

Everything lies below one directory that the harness of tests/fuse finds again and takes away,
processes and mounts included, also after a test run that was killed."""

import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fuse"))

import harness  # noqa: E402
from harness import binary, make_base, run, wait_for  # noqa: E402,F401


def free_ports(count):
    """Ports that nobody listens on just now."""
    sockets = []
    for _ in range(count):
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        sockets.append(one)
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def make_source(base, name, folders):
    """A tree with folders of the sources in it, and a large file that nothing compresses."""
    source = os.path.join(base, name)
    for folder in folders:
        target = os.path.join(source, folder)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        run(["cp", "-a", os.path.join(harness.SOURCE, folder), target])
    with open(os.path.join(source, "large"), "wb") as file:
        for _ in range(12):
            file.write(os.urandom(1 << 20))
    return source


def make_repository(base, source):
    """A git repository with all of a tree in its one commit."""
    repository = os.path.join(base, "repository")
    git = ["git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@t"]
    run(["cp", "-a", source, repository])
    run(["git", "init", "-q", repository])
    run(git + ["add", "-A"])
    run(git + ["commit", "-q", "-m", "all of it"])
    return repository


class Cluster:
    """Nodes 1..n of a cluster of its own, on loopback or each on its machine of a Network."""

    def __init__(self, nodes=3, base=None, attributes=None, network=None):
        """`attributes`: what follows the address of a node in the list of members."""
        self.base = base or make_base()
        self.name = os.path.basename(self.base)
        self.network = network
        if network is None:
            self.addresses = {i + 1: f"127.0.0.1:{port}"
                              for i, port in enumerate(free_ports(nodes))}
        else:
            self.addresses = {i + 1: f"{network.address(i + 1)}:7101" for i in range(nodes)}
        self.members = ",".join(f"{node}={address}{(attributes or {}).get(node, '')}"
                                for node, address in self.addresses.items())
        self.peers = ",".join(self.addresses.values())
        self.joined = set()  # nodes that are not among the members it began with
        self.children = {}

    def data(self, node):
        return os.path.join(self.base, f"node{node}")

    def log(self, node):
        return os.path.join(self.base, f"node{node}.log")

    def on(self, machine):
        return [] if self.network is None else self.network.on(machine)

    def command(self, node, *options):
        if self.network is not None:
            options = ("--insecure", *options)
        which = (["--join", self.peers, "--listen", self.addresses[node]] if node in self.joined
                 else ["--members", self.members])
        return [*self.on(node), binary("kvfsd"), "--node-id", str(node), *which,
                "--cluster", self.name, "--data", self.data(node), *options]

    def start(self, node, timeout=60):
        """Starts a node and waits until it says that it is ready."""
        with open(self.log(node), "ab") as output:
            offset = output.tell()
            child = subprocess.Popen(self.command(node), stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=output, start_new_session=True, cwd="/")

        def is_ready():
            if child.poll() is not None:
                raise AssertionError(f"node {node} ended with {child.returncode}:\n{self.tail(node)}")
            with open(self.log(node), "rb") as file:
                file.seek(offset)
                return b" is ready on " in file.read()

        wait_for(f"node {node} to be ready", is_ready, timeout)
        self.children[node] = child
        return self

    def join(self, node):
        """Starts a node more, which keeps nothing yet."""
        self.addresses[node] = f"127.0.0.1:{free_ports(1)[0]}"
        self.joined.add(node)
        return self.start(node)

    def admin(self, node, *command, timeout=300):
        """What kvfs-admin prints, asking a node."""
        child = self.children.get(node)
        if child is not None and child.poll() is not None:
            raise AssertionError(f"node {node} ended with {child.returncode}:\n{self.tail(node)}")
        return run([binary("kvfs-admin"), *command, "--peer", self.addresses[node], "--cluster",
                    self.name], timeout=timeout).stdout

    def start_all(self):
        for node in self.addresses:
            self.start(node)
        return self

    def tail(self, node, lines=30):
        with open(self.log(node), errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def kill(self, node):
        """kill -9."""
        child = self.children.pop(node)
        child.kill()
        child.wait(30)

    def stop(self, node, timeout=60):
        """SIGTERM, and a clean end."""
        child = self.children.pop(node)
        child.send_signal(signal.SIGTERM)
        code = child.wait(timeout)
        if code != 0:
            raise AssertionError(f"node {node} ended with {code}:\n{self.tail(node)}")

    def mount(self, name="mnt", timeout=60, options=(), machine=1):
        """A mount of the cluster, below its directory."""
        base = os.path.join(self.base, name)
        os.makedirs(base, exist_ok=True)
        mount = harness.Mount(base=base, on=self.on(machine))
        return mount.start("--peers", self.peers, "--cluster", self.name, *options, timeout=timeout)
