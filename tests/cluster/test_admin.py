"""kvfs-admin asks the nodes of a cluster: what it says, of nodes that are there and away, and what it
refuses."""

import json
import subprocess
import time
import unittest

import cluster_harness
import harness
from cluster_harness import Cluster, binary, run, wait_for


class Admin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3, attributes={1: "/zone=a", 2: "/zone=b", 3: "/zone=c"}).start_all()
        wait_for("everybody to be seen", lambda: cls.states() == ["UN", "UN", "UN"])
        # Until new nodes have met, they do not know that there is nothing for them to rebuild.
        wait_for("nothing to be left to rebuild",
                 lambda: cls.admin("status", check=False).returncode == 0)

    @classmethod
    def tearDownClass(cls):
        for node in list(cls.cluster.children):
            cls.cluster.stop(node)
        harness.tear_down(cls.cluster.base)

    @classmethod
    def admin(cls, *words, node=1, check=True, **kwargs):
        return run([binary("kvfs-admin"), "--peer", cls.cluster.addresses[node], "--cluster",
                    cls.cluster.name, *words], check=check, timeout=60, **kwargs)

    @classmethod
    def asks(cls, *words, node=1):
        done = cls.admin(*words, "--json", node=node, check=False)
        return json.loads(done.stdout)

    @classmethod
    def states(cls, node=1):
        return [line["code"] for line in cls.asks("status", node=node)["nodes"]]

    def refused(self, *words, saying):
        done = self.admin(*words, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(saying, done.stdout)

    def test_status_and_members(self):
        done = self.admin("status")
        self.assertIn("every partition has all its homes", done.stdout)
        self.assertLessEqual(max(len(line) for line in done.stdout.splitlines()), 80)
        status = self.asks("status", node=2)
        self.assertEqual(status["cluster"]["node_id"], 2)
        self.assertEqual(status["cluster"]["warnings"], [])
        for line in status["nodes"]:
            self.assertTrue(line["answers"])
            self.assertGreater(line["capacity_bytes"], 0)
            self.assertEqual(line["partitions"], 256)
        members = self.admin("members").stdout
        self.assertLessEqual(max(len(line) for line in members.splitlines()), 80)
        for address in self.cluster.addresses.values():
            self.assertIn(address, members)
        self.assertEqual([line["zone"] for line in self.asks("members")["nodes"]], ["a", "b", "c"])

    def test_a_node_that_is_away(self):
        self.cluster.kill(3)
        wait_for("node 3 to be missed", lambda: self.states()[2] in ("SN", "DN"))
        done = self.admin("status", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("WARNING: node 3 (zone c)", done.stdout)
        self.assertIn("what to do:", done.stdout)
        self.assertLessEqual(max(len(line) for line in done.stdout.splitlines()), 80)
        wait_for("node 3 to be dead for both", lambda: self.states()[2] == "DN"
                 and self.states(2)[2] == "DN", 120)
        self.assertEqual(self.asks("members")["nodes"][2]["confirmers"], [1, 2])
        self.cluster.start(3)
        wait_for("node 3 to be back", lambda: self.states() == ["UN", "UN", "UN"])
        # One that is told to stop says so.
        self.cluster.stop(3)
        wait_for("node 3 to have left", lambda: self.states()[2] == "LN", 10)
        self.cluster.start(3)
        wait_for("node 3 to be back", lambda: self.states() == ["UN", "UN", "UN"])

    def test_ring(self):
        picture = self.admin("ring").stdout
        self.assertIn("256 partitions, 3 replicas of each", picture)
        ring = self.asks("ring")
        self.assertEqual(len(ring["partitions"]), 256)
        self.assertEqual(sorted(ring["partitions"][17]), [1, 2, 3])
        self.assertEqual(ring, self.asks("ring", node=3))

    def test_plan(self):
        done = self.admin("plan", "--add", "4/zone=d")
        self.assertIn("joins, +192", done.stdout)
        self.assertIn("Nothing was changed", done.stdout)
        plan = self.asks("plan", "--add", "4/zone=d", "--remove", "2")
        self.assertEqual({line["node_id"]: line["partitions"] for line in plan["members"]},
                         {1: 256, 3: 256, 4: 256})
        self.assertEqual(len(plan["transfers"]), 256)
        self.assertEqual(len(self.asks("plan", "--replace", "2=7")["transfers"]), 256)
        self.assertEqual(self.asks("ring")["number"], 1)
        self.refused("plan", saying="which change?")
        self.refused("plan", "--remove", "9", saying="9")
        self.refused("plan", "--replace", "2", saying="'2' is not OLD=NEW")
        self.refused("plan", "--add", "x", saying="'x' is not NODE")

    def test_items(self):
        self.refused("kv", "put", "some", "0x0001", "y", saying="reserved by the store")
        self.admin("kv", "put", "some", "b", "two words")
        self.admin("kv", "put", "some", "0x01ff", "first", node=2)
        self.assertEqual(self.admin("kv", "get", "some", "b", node=3).stdout, "two words\n")
        scan = self.asks("kv", "scan", "some")
        self.assertEqual([bytes.fromhex(item["ck"]) for item in scan["items"]], [b"\x01\xff", b"b"])
        self.refused("kv", "get", "some", "c", saying="there is no item c of some")
        self.admin("kv", "delete", "some", "b")
        self.refused("kv", "get", "some", "b", saying="there is no item")
        self.refused("kv", "put", "dir:1", "x", "y", saying="the filesystem keeps")
        self.refused("kv", "delete", "cluster", "x", saying="the filesystem keeps")
        self.refused("kv", "put", "some", "0x1", "y", saying="hexadecimal")
        self.refused("kv", "put", "s" * 65, "x", "y", saying="64 bytes")
        self.refused("kv", "scan", "some", "--limit", "0", saying="1 to 10,000")

    def test_explain(self):
        self.admin("kv", "put", "explained", "a", "1")
        def homes():
            return self.asks("explain", "explained")["homes"]
        wait_for("all homes to hold it", lambda: all(home["seq"] > 0 for home in homes()))
        self.assertEqual(sorted(home["node_id"] for home in homes()), [1, 2, 3])
        self.assertFalse(any(home["behind"] for home in homes()))
        self.assertIn("up to date", self.admin("explain", "explained").stdout)
        # A file of a mount, and with it the directory's partition key.
        mount = self.cluster.mount("explain")
        with open(f"{mount.path}/file", "w") as file:
            file.write("hello")
        done = self.admin("explain", f"{mount.path}/file")
        self.assertIn("partition key dir:1", done.stdout)
        self.assertIn("HOME", done.stdout)
        mount.stop()

    def test_watch(self):
        child = subprocess.Popen(
            [binary("kvfs-admin"), "status", "--watch", "--peer", self.cluster.addresses[1],
             "--cluster", self.cluster.name], stdout=subprocess.PIPE, text=True)
        seen = 0
        deadline = time.monotonic() + 30
        for line in child.stdout:
            seen += line.startswith("NODE") or "NODE  ST" in line
            if seen == 2 or time.monotonic() > deadline:
                break
        child.kill()
        child.communicate(timeout=30)
        self.assertEqual(seen, 2)

    def test_the_socket_of_a_node(self):
        done = run([binary("kvfs-admin"), "status", "--data", self.cluster.data(2)], timeout=60)
        self.assertIn("as node 2 sees it", done.stdout)
        done = run([binary("kvfs-admin"), "engine", "stats", "--data", self.cluster.data(2)],
                   timeout=60)
        self.assertIn("fdatasync calls", done.stdout)

    def test_who_does_not_answer(self):
        [port] = cluster_harness.free_ports(1)
        for words in (["status"], ["members"], ["kv", "get", "a", "b"]):
            done = run([binary("kvfs-admin"), "--peer", f"127.0.0.1:{port}", *words], check=False,
                       timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no node of the cluster kvfs answers at 127.0.0.1", done.stdout)
        done = run([binary("kvfs-admin"), "--peer", self.cluster.addresses[1], "--cluster", "other",
                    "status"], check=False, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is that the cluster's name?", done.stdout)

    def test_wrong_command_lines(self):
        for words, saying in ((["--peer", "nowhere", "status"], "'nowhere' is not HOST:PORT"),
                              (["members"], "--peer HOST:PORT"),
                              (["ring"], "--peer HOST:PORT"),
                              (["kv"], "subcommand"),
                              (["kv", "get"], "PK"),
                              (["statsu"], "statsu")):
            done = run([binary("kvfs-admin"), *words], check=False, timeout=60)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(saying, done.stdout)


if __name__ == "__main__":
    harness.main()
