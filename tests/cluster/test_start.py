"""How nodes are started: configuration files, keys, joining; and what is refused."""

import json
import os
import unittest

import cluster_harness
import harness
from cluster_harness import Cluster, binary, run, wait_for


def refused(test, command, *words):
    done = run(command, check=False, timeout=60)
    test.assertEqual(done.returncode, 1, done.stdout)
    for word in words:
        test.assertIn(word, done.stdout)


class Configuration(unittest.TestCase):
    def setUp(self):
        self.base = cluster_harness.make_base()
        self.file = os.path.join(self.base, "node.toml")
        self.addCleanup(harness.tear_down, self.base)

    def write(self, text):
        with open(self.file, "w") as file:
            file.write(text)

    def check(self, *words):
        return [binary("kvfsd"), "--config", self.file, "--check-config", *words]

    def test_a_node_from_a_file(self):
        [port] = cluster_harness.free_ports(1)
        self.write(f"""
data = "{self.base}/node1"
node-id = 1
cluster = "{os.path.basename(self.base)}"
memory = "128M"
[[members]]
node = 1
address = "127.0.0.1:{port}"
zone = "a"
""")
        self.assertIn("ok", run(self.check(), timeout=60).stdout)
        self.assertFalse(os.path.exists(f"{self.base}/node1"))
        # The command line wins.
        refused(self, self.check("--memory", "1"), "memory must be between")
        cluster = Cluster(1, base=self.base)
        cluster.command = lambda node, *options: [binary("kvfsd"), "--config", self.file, *options]
        cluster.start(1)
        done = run([binary("kvfs-admin"), "--peer", f"127.0.0.1:{port}", "--cluster", cluster.name,
                    "members", "--json"], timeout=60)
        self.assertEqual(json.loads(done.stdout)["nodes"][0]["zone"], "a")
        cluster.stop(1)

    def test_what_is_wrong_is_named(self):
        self.write('data = "/a"\nreplica = 3\n')
        refused(self, self.check(), f"{self.file}:2: 'replica'", "is 'replicas' meant?")
        self.write('data = "/a"\nnode-id =\n')
        refused(self, self.check(), f"{self.file}:2:")
        self.write('data = "/a"\nnode-id = 1\nmembers = "1=nowhere"\n')
        refused(self, self.check(), "'nowhere' is not HOST:PORT")
        self.write('data = "/a"\n')
        refused(self, self.check(), "--node-id")
        self.write("")
        refused(self, [binary("kvfsd"), "--config", self.file + "x", "--check-config"], "cannot read")
        refused(self, [binary("kvfsd"), "--check-config"], "--config FILE")


class Keys(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(3)
        self.addCleanup(harness.tear_down, self.cluster.base)
        self.allow = os.path.join(self.cluster.base, "allow")
        lines = [f"{node} {self.keygen(node)}" for node in (1, 2, 3)]
        lines.append(f"client {self.keygen('client')}")
        with open(self.allow, "w") as file:
            file.write("# who may speak\n" + "\n".join(lines) + "\n")
        plain = self.cluster.command
        self.cluster.command = lambda node, *options: plain(
            node, "--key", self.key(node), "--allow", self.allow, *options)

    def tearDown(self):
        for child in self.cluster.children.values():
            child.kill()
            child.wait(30)

    def key(self, name):
        return os.path.join(self.cluster.base, f"key-{name}")

    def keygen(self, name):
        return run([binary("kvfs-admin"), "keygen", self.key(name)], timeout=60).stdout.strip()

    def admin(self, *words, key="client", peer=None):
        return [binary("kvfs-admin"), "--peer", peer or f"1={self.cluster.addresses[1]}",
                *words, "--cluster", self.cluster.name, "--key", self.key(key), "--allow",
                self.allow]

    def test_a_cluster_with_keys(self):
        self.cluster.start_all()
        # The client's key, and that of a node.
        for key in ("client", 2):
            done = run(self.admin("status", "--json", key=key), check=False, timeout=60)
            self.assertEqual(len(json.loads(done.stdout)["nodes"]), 3)
        wait_for("all to be up", lambda: run(self.admin("status"), check=False, timeout=60)
                 .stdout.count(" UN ") == 3)
        mount = harness.Mount(base=os.path.join(self.cluster.base, "mnt"))
        peers = ",".join(f"{node}={address}" for node, address in self.cluster.addresses.items())
        mount.start("--peers", peers, "--cluster", self.cluster.name, "--key", self.key("client"),
                    "--allow", self.allow)
        with open(f"{mount.path}/file", "w") as file:
            file.write("secret")
        self.cluster.kill(2)
        with open(f"{mount.path}/more", "w") as file:
            file.write("words")
        self.cluster.start(2)
        mount.stop()

        # Without keys, or with one that nobody knows, nobody answers.
        refused(self, [binary("kvfs-admin"), "--peer", self.cluster.addresses[1], "--cluster",
                       self.cluster.name, "status"], "no node of the cluster")
        self.keygen("stranger")
        refused(self, self.admin("status", key="stranger"), "Does it let this key in?")
        # Whose key is at an address has to be known.
        refused(self, self.admin("status", peer=self.cluster.addresses[1]), "NODE=HOST:PORT")

    def test_what_is_refused(self):
        refused(self, [binary("kvfs-admin"), "keygen", self.key("client")], "File exists")
        command = self.cluster.command(1)
        os.chmod(self.key(1), 0o644)
        refused(self, command, "can be read by others")
        os.chmod(self.key(1), 0o600)
        command[command.index("--key") + 1] = self.key(2)
        refused(self, command, "is that of node 1")
        at = command.index("--allow")
        refused(self, command[:at] + command[at + 2:], "--key and --allow belong together")
        with open(self.allow, "a") as file:
            file.write("5 nonsense\n")
        refused(self, self.cluster.command(1), "line 6")
        self.assertFalse(os.path.exists(self.cluster.data(1)))


class Joining(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(3).start_all()
        self.addCleanup(harness.tear_down, self.cluster.base)

    def tearDown(self):
        for child in self.cluster.children.values():
            child.kill()
            child.wait(30)

    def members(self, node):
        done = run([binary("kvfs-admin"), "--peer", self.cluster.addresses[node], "--cluster",
                    self.cluster.name, "members", "--json"], timeout=60)
        return {line["node_id"]: line for line in json.loads(done.stdout)["nodes"]}

    def test_one_more_node_is_announced_and_serves_clients(self):
        [port] = cluster_harness.free_ports(1)
        address = f"127.0.0.1:{port}"
        plain = self.cluster.command
        self.cluster.addresses[4] = address
        self.cluster.command = lambda node, *options: plain(node, *options) if node != 4 else [
            binary("kvfsd"), "--node-id", "4", "--join", self.cluster.addresses[2], "--listen",
            address, "--zone", "d", "--cluster", self.cluster.name, "--data", self.cluster.data(4)]
        self.cluster.start(4)
        for node in (1, 2, 3, 4):
            wait_for(f"node {node} to know the new one",
                     lambda node=node: self.members(node).get(4, {}).get("code") == "UJ")
        line = self.members(1)[4]
        self.assertEqual((line["zone"], line["address"], line["partitions"]), ("d", address, 0))
        # It coordinates for whoever asks it.
        admin = [binary("kvfs-admin"), "--peer", address, "--cluster", self.cluster.name]
        run(admin + ["kv", "put", "pk", "ck", "value"], timeout=60)
        self.assertEqual(run(admin + ["kv", "get", "pk", "ck"], timeout=60).stdout, "value\n")
        # Its address alone is enough for a mount.
        mount = harness.Mount(base=os.path.join(self.cluster.base, "mnt"))
        mount.start("--peers", address, "--cluster", self.cluster.name)
        with open(f"{mount.path}/file", "w") as file:
            file.write("hello")
        mount.stop()
        # It comes and goes without anybody being told.
        self.cluster.kill(4)
        wait_for("node 4 to be missed", lambda: self.members(1)[4]["code"] in ("SJ", "DJ"), 60)
        self.cluster.start(4)
        wait_for("node 4 to be back", lambda: self.members(1)[4]["code"] == "UJ", 60)
        self.cluster.stop(4)

    def suspect_partitions(self):
        done = run([binary("kvfs-admin"), "--peer", self.cluster.addresses[1], "--cluster",
                    self.cluster.name, "status", "--json"], check=False, timeout=60)
        return [line.get("suspect_partitions") for line in json.loads(done.stdout)["nodes"]]

    def test_a_member_at_another_address(self):
        # A new node counts once it has heard from the others that they hold nothing of its.
        wait_for("all to count", lambda: self.suspect_partitions() == [0, 0, 0], 60)
        [port] = cluster_harness.free_ports(1)
        moved = f"127.0.0.1:{port}"
        self.cluster.stop(3)
        others = dict(self.cluster.addresses)
        told = self.cluster.members
        self.cluster.members = told.replace(others[3], moved)
        self.cluster.addresses[3] = moved
        self.cluster.start(3)
        for node in (1, 2):
            wait_for(f"node {node} to know the new address",
                     lambda node=node: (self.members(node)[3]["code"],
                                        self.members(node)[3]["address"]) == ("UN", moved), 60)
        # The others reach it: with node 1 away it is needed for a majority.
        self.cluster.members = told
        self.cluster.kill(1)
        admin = [binary("kvfs-admin"), "--peer", others[2], "--cluster", self.cluster.name]
        run(admin + ["kv", "put", "moved", "ck", "value"], timeout=60)
        homes = json.loads(run(admin + ["explain", "moved", "--json"], timeout=60).stdout)["homes"]
        self.assertEqual(sorted(home["node_id"] for home in homes if home["seq"] > 0), [2, 3])
        self.cluster.start(1)
        wait_for("node 1 to learn it from the others",
                 lambda: self.members(1)[3]["address"] == moved, 60)

    def test_what_is_refused(self):
        [port] = cluster_harness.free_ports(1)
        join = [binary("kvfsd"), "--node-id", "4", "--data", self.cluster.data(4), "--cluster",
                self.cluster.name, "--join", self.cluster.addresses[1]]
        refused(self, join, "--listen HOST:PORT")
        refused(self, join + ["--listen", f"0.0.0.0:{port}"], "--listen HOST:PORT")
        refused(self, join + ["--listen", f"127.0.0.1:{port}", "--weight", "2"], "--weight")
        refused(self, join + ["--listen", f"127.0.0.1:{port}", "--members", "4=127.0.0.1:1"],
                "either --members or --join")
        join[-1] = f"127.0.0.1:{port}"
        refused(self, join + ["--listen", f"127.0.0.1:{port}"], "no node of the cluster")


if __name__ == "__main__":
    harness.main()
