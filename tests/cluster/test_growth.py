"""A cluster grows from three nodes to five, and shrinks to four, while programs work on a mount of
it: none of them meets with an error, and everything is where the layout says in the end."""

import json
import os
import subprocess
import time
import unittest

import cluster_harness
import harness
from cluster_harness import Cluster, binary, make_repository, make_source, run, wait_for
from harness import compare_trees


class Work:
    """Clones a repository and copies a tree, again and again, until it is told to stop."""

    def __init__(self, repository, source, target):
        self.repository, self.source, self.target = repository, source, target
        self.stop_file = os.path.join(os.path.dirname(source), "stop")
        script = f"""set -e
            i=0
            while [ ! -e {self.stop_file} ]; do
                i=$((i+1))
                rm -rf {target}/clone; git clone -q {repository} {target}/clone
                git -C {target}/clone fsck --strict >&2
                rsync -a --delete {source}/ {target}/copy/
                rsync -ac --delete {source}/ {target}/copy$i/
                echo round $i
                rm -rf {target}/copy$((i-1))
            done"""
        self.process = subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def finish(self):
        """How many rounds; raises if anything failed."""
        with open(self.stop_file, "w"):
            pass
        output, errors = self.process.communicate(timeout=600)
        os.remove(self.stop_file)
        if self.process.returncode != 0:
            raise AssertionError(f"a program met with an error:\n{errors[-3000:]}")
        return output.count("round")


class Growth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = cluster_harness.make_base()
        cls.source = make_source(cls.base, "source", ("doc", "fs", "kvcore/ring"))
        cls.repository = make_repository(cls.base, cls.source)

    def setUp(self):
        self.cluster = Cluster().start_all()
        self.mount = self.cluster.mount()
        self.addCleanup(harness.tear_down, self.cluster.base)

    def tearDown(self):
        for child in self.cluster.children.values():
            child.kill()
            child.wait(30)

    def path(self, *names):
        return os.path.join(self.mount.path, *names)

    def wait_until_known(self, by, *nodes):
        def are_known():
            members = json.loads(self.cluster.admin(by, "members", "--json"))["nodes"]
            return set(nodes) <= {node["node_id"] for node in members if node["state"] == "up"}
        wait_for("new nodes to be known", are_known, 60)

    def transfers(self, node):
        return json.loads(self.cluster.admin(node, "transfers", "--json"))

    def change(self, by, *command):
        """Carries a change out while programs work, prints what moved, and returns that."""
        work = Work(self.repository, self.source, self.mount.path)
        try:
            time.sleep(1)
            began = time.monotonic()
            self.cluster.admin(by, *command, "--wait")
            seconds = time.monotonic() - began
            done = self.transfers(by)
        except BaseException:
            work.process.kill()
            raise
        rounds = work.finish()
        self.assertFalse(done["in_transition"])
        print(f"\n{' '.join(command)}: {seconds:.1f} s; {rounds} rounds of git clone and rsync")
        for node in done["nodes"]:
            print(f"  node {node['node_id']}: keeps {node['partitions']} partitions, fetched "
                  f"{node['moved_keys']} keys, {node['moved_chunks']} chunks, "
                  f"{node['moved_bytes'] / 1e6:.1f} MB")
        return done

    def check_erased(self, by):
        def nothing_left():
            return all(node["to_erase"] == 0 for node in self.transfers(by)["nodes"]
                       if node["answers"])
        wait_for("what is kept no more to be erased", nothing_left, 120)

    def check_trees(self):
        compare_trees(self, self.source, self.path("copy"))
        self.assertEqual(run(["git", "-C", self.path("clone"), "status", "--porcelain"]).stdout, "")
        run([binary("kvfs-admin"), "fsck", self.mount.data], timeout=300)

    def test_from_three_to_five_to_four(self):
        self.cluster.join(4)
        self.cluster.join(5)
        refused = subprocess.run([binary("kvfs-admin"), "join", "6", "--peer",
                                  self.cluster.addresses[1], "--cluster", self.cluster.name],
                                 capture_output=True, text=True)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("node 6 is not there", refused.stderr)
        self.wait_until_known(1, 4, 5)
        grown = self.change(1, "join", "4", "5")
        kept = [node["partitions"] for node in grown["nodes"]]
        self.assertEqual(sum(kept), 3 * 256)
        self.assertLessEqual(max(kept) - min(kept), 1)
        self.check_erased(1)
        self.check_trees()
        shrunk = self.change(4, "leave", "1")
        kept = {node["node_id"]: node["partitions"] for node in shrunk["nodes"]}
        self.assertEqual(kept, {1: 0, 2: 192, 3: 192, 4: 192, 5: 192})
        self.check_erased(4)
        self.cluster.stop(1)
        self.check_trees()
        self.mount.remount()
        self.check_trees()
        # Two of what were three are gone, and nothing is missed.
        self.cluster.kill(2)
        compare_trees(self, self.source, self.path("copy"))
        self.mount.stop()

    def test_a_dead_node_is_replaced_and_a_mover_dies(self):
        run(["rsync", "-a", self.source + "/", self.path("copy") + "/"], timeout=300)
        run(["git", "clone", "-q", self.repository, self.path("clone")], timeout=300)
        self.cluster.join(4)
        self.cluster.kill(3)

        def is_dead():
            members = json.loads(self.cluster.admin(1, "members", "--json"))["nodes"]
            return any(node["node_id"] == 3 and node["state"] != "up" for node in members)
        wait_for("the others to notice", is_dead, 60)
        self.wait_until_known(1, 4)
        self.cluster.admin(1, "replace", "3=4")
        self.cluster.kill(4)  # in the midst of it
        self.cluster.start(4)

        def is_over():
            now = self.transfers(1)
            return now["layout_number"] == 2 and not now["in_transition"]
        wait_for("the change to be complete", is_over, 180)
        self.check_trees()
        self.cluster.kill(2)  # one of two that have been there from the beginning
        compare_trees(self, self.source, self.path("copy"))
        self.mount.stop()


if __name__ == "__main__":
    harness.main()
