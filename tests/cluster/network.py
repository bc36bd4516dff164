"""Machines in network namespaces, joined by a switch, whose links can be cut. Everything is taken
away at the end, also what a test run that was killed left behind."""

import atexit
import os
import subprocess

PREFIX = "kvfst"
SUBNET = "10.97.55"


def _run(*command, check=True, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def missing():
    """Why there can be no namespaces here, or nothing."""
    for program in ("ip", "nft", "nsenter"):
        if subprocess.run(["which", program], stdout=subprocess.DEVNULL).returncode != 0:
            return f"{program} is not installed"
    name = f"{PREFIX}{os.getpid()}probe"
    done = subprocess.run(["ip", "netns", "add", name], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        return f"no network namespaces here: {done.stdout.strip()}"
    _run("ip", "netns", "del", name)
    return None


def sweep():
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        owner = name[len(PREFIX):].split("-")[0]
        if name.startswith(PREFIX) and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            _run("ip", "netns", "del", name, check=False)


class Network:
    """Machines 1..n, each with an address that the others reach."""

    def __init__(self, machines):
        sweep()
        self.machines = range(1, machines + 1)
        self._names = []
        atexit.register(self.close)
        self._switch = self._add("switch")
        self._in(self._switch, "ip", "link", "add", "br0", "type", "bridge")
        self._in(self._switch, "ip", "link", "set", "br0", "up")
        for machine in self.machines:
            name = self._add(f"m{machine}")
            port = f"p{machine}"
            self._in(self._switch, "ip", "link", "add", port, "type", "veth", "peer", "name",
                     "eth0", "netns", name)
            self._in(self._switch, "ip", "link", "set", port, "master", "br0", "up")
            self._in(name, "ip", "address", "add", f"{self.address(machine)}/24", "dev", "eth0")
            self._in(name, "ip", "link", "set", "lo", "up")
            self._in(name, "ip", "link", "set", "eth0", "up")
            self._in(name, "nft", "add", "table", "ip", "cut")
            self._in(name, "nft", "add", "chain", "ip", "cut", "in",
                     "{ type filter hook input priority 0; }")

    def _add(self, what):
        name = f"{PREFIX}{os.getpid()}-{id(self) % 100_000}-{what}"
        _run("ip", "netns", "add", name)
        self._names.append(name)
        return name

    def _name(self, machine):
        return self._names[machine]  # the switch is 0

    def _in(self, name, *command):
        _run("ip", "netns", "exec", name, *command)

    def address(self, machine):
        return f"{SUBNET}.{machine}"

    def on(self, machine):
        """What a command line begins with to run on the machine."""
        return ["nsenter", f"--net=/run/netns/{self._name(machine)}"]

    # ---- links ---------------------------------------------------------------

    def cut(self, here, there):
        """What the machines `there` send does not arrive at those `here`."""
        for machine in here:
            for other in there:
                self._in(self._name(machine), "nft", "add", "rule", "ip", "cut", "in", "ip",
                         "saddr", self.address(other), "drop")

    def partition(self, *sides):
        """No machine of one side hears one of another."""
        for here in sides:
            for there in sides:
                if here is not there:
                    self.cut(here, there)

    def heal(self):
        for machine in self.machines:
            self._in(self._name(machine), "nft", "flush", "chain", "ip", "cut", "in")

    def close(self):
        for name in self._names:
            _run("ip", "netns", "del", name, check=False)
        self._names = []
