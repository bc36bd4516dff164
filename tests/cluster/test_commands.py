"""kvfsd and `kvfs mount --peers` as commands: what they refuse, say and leave."""

import os
import shutil
import signal
import unittest

import cluster_harness
import harness
from cluster_harness import Cluster, binary, run


class Commands(unittest.TestCase):
    def refused(self, command, *words):
        done = run(command, check=False, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout)
        for word in words:
            self.assertIn(word, done.stdout)

    def test_help_and_version(self):
        self.assertIn("--members", run([binary("kvfsd"), "--help"]).stdout)
        self.assertIn("kvfsd", run([binary("kvfsd"), "--version"]).stdout)

    def test_wrong_command_lines_change_nothing(self):
        base = cluster_harness.make_base()
        data = os.path.join(base, "data")
        good = [binary("kvfsd"), "--data", data, "--node-id", "1"]
        self.refused(good, "--members")
        self.refused(good + ["--members", "1=nowhere"], "'nowhere'")
        self.refused(good + ["--members", "1=127.0.0.1:7101/rack=a"], "'rack=a'")
        self.refused(good + ["--members", "2=127.0.0.1:7102"], "node 1")
        self.refused(good + ["--members", "1=127.0.0.1:7101", "--replicas", "0"], "replicas")
        self.refused(good + ["--members", "1=127.0.0.1:7101", "--memory", "1"], "memory")
        self.refused([binary("kvfs"), "mount", "--peers", "nowhere", base], "--peers")
        self.assertFalse(os.path.exists(data))

    def test_does_not_listen_for_others_without_keys(self):
        base = cluster_harness.make_base()
        command = [binary("kvfsd"), "--data", os.path.join(base, "data"), "--node-id", "1",
                   "--members", "1=0.0.0.0:7101"]
        self.refused(command, "can be reached by others")

    def test_refuses_the_data_of_another(self):
        cluster = Cluster(1).start_all()
        self.refused(cluster.command(1), "locked by kvfsd, node 1")
        cluster.stop(1)
        other = cluster.command(1)
        other[other.index("--cluster") + 1] = "another"
        self.refused(other, "another cluster")
        node = cluster.command(1)
        node[node.index("--node-id") + 1] = "2"
        node[node.index("--members") + 1] = "2=127.0.0.1:7102"
        self.refused(node, "node 1")
        alone = harness.Mount()
        self.refused([binary("kvfs"), "mount", "--peers", cluster.peers, "--data", cluster.data(1),
                      alone.path], "holds a store")
        cluster.start(1)
        cluster.stop(1)

    def test_nodes_that_were_told_different_members(self):
        cluster = Cluster(3)
        cluster.start(1).start(2)
        # Refused while the others are there, whatever it is that differs.
        other = cluster.command(3)
        for members, words in (
                (cluster.members.replace(",2=", "/zone=a,2="), "the zone of node 1"),
                (cluster.members.replace(",2=", "/weight=3,2="), "the weight of node 1"),
                (cluster.members + ",4=127.0.0.1:1", "node 4 is a member here, not there")):
            other[other.index("--members") + 1] = members
            self.refused(other, "was given other members", words)
            shutil.rmtree(cluster.data(3))
        other[other.index("--members") + 1] = cluster.members
        self.refused(other + ["--replicas", "2"], "the number of replicas")
        shutil.rmtree(cluster.data(3))
        cluster.start(3)
        # And by its own store when they are not.
        for node in (1, 2, 3):
            cluster.stop(node)
        other[other.index("--members") + 1] = cluster.members.replace(",2=", "/zone=a,2=")
        self.refused(other, "not those that the store was made with", "the zone of node 1")
        cluster.start(3)
        cluster.stop(3)

    def test_a_daemon_in_the_background(self):
        cluster = Cluster(1).start_all()
        mount = harness.Mount(base=os.path.join(cluster.base, "mnt"))
        command = [binary("kvfs"), "mount", "--peers", cluster.peers, "--cluster", cluster.name,
                   "--data", mount.data, mount.path]
        run(command, timeout=60)
        self.assertTrue(harness.is_mounted(mount.path))
        self.refused(command, "in use")
        with open(os.path.join(mount.path, "file"), "w") as file:
            file.write("hello")
        # The supervisor brings a killed daemon back.
        os.kill(mount.pid(), signal.SIGKILL)
        cluster_harness.wait_for("the mount to be back", lambda: self.reads(mount, "hello"))
        self.assertIn("no problems", run([binary("kvfs-admin"), "fsck", mount.path]).stdout)
        run([binary("kvfs"), "umount", mount.path])
        self.assertFalse(harness.is_mounted(mount.path))
        cluster.stop(1)

    def reads(self, mount, text):
        try:
            with open(os.path.join(mount.path, "file")) as file:
                return file.read() == text
        except OSError:
            return False

    def test_no_node_answers(self):
        mount = harness.Mount()
        [port] = cluster_harness.free_ports(1)
        self.refused([binary("kvfs"), "mount", "--peers", f"127.0.0.1:{port}", "--data", mount.data,
                      mount.path], "no node of the cluster kvfs answers")
        self.assertFalse(harness.is_mounted(mount.path))

    def test_one_node_is_a_cluster(self):
        cluster = Cluster(1).start_all()
        mount = cluster.mount()
        with open(os.path.join(mount.path, "file"), "w") as file:
            file.write("hello")
        mount.stop()
        cluster.stop(1)
        cluster.start(1)
        mount.start()
        with open(os.path.join(mount.path, "file")) as file:
            self.assertEqual(file.read(), "hello")
        mount.stop()
        cluster.stop(1)


if __name__ == "__main__":
    harness.main()
