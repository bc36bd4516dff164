"""What nodes and mounts tell of themselves: metrics, probes and the web page over HTTP, and the commands
of kvfs-admin that look after a cluster."""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import tarfile
import unittest

import cluster_harness
import harness
from cluster_harness import Cluster, binary, run, wait_for

SCREENSHOT = os.environ.get("KVFS_SCREENSHOT")  # where to keep the picture of the web page


def ask(address, path, **headers):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def parse_metrics(text):
    """name{labels} -> value; refuses what a Prometheus server would."""
    found = {}
    kinds = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} comes twice"
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'([a-z_:]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) ([0-9.e+-]+)', line)
            assert match, f"not a sample: {line}"
            base = match[1].split("{")[0]
            known = base in kinds or re.sub("_(bucket|sum|count)$", "", base) in kinds
            assert known, f"{base} has no type"
            found[match[1]] = float(match[2])
    return found


class Observation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3, attributes={1: "/zone=a", 2: "/zone=b", 3: "/zone=c"})
        cls.http = [f"127.0.0.1:{port}" for port in cluster_harness.free_ports(2)]
        ordinary = cls.cluster.command
        cls.cluster.command = lambda node, *options: ordinary(
            node, *options, *(("--http", cls.http[0]) if node == 1 else ()))
        cls.cluster.start_all()
        cls.mount = cls.cluster.mount("mnt", options=("-o", f"http={cls.http[1]}"))
        for i in range(20):
            with open(f"{cls.mount.path}/file{i}", "wb") as file:
                file.write(os.urandom(200_000 if i % 4 == 0 else 5_000))
                os.fsync(file.fileno())

    @classmethod
    def tearDownClass(cls):
        cls.mount.stop()
        for node in list(cls.cluster.children):
            cls.cluster.stop(node)
        harness.tear_down(cls.cluster.base)

    @classmethod
    def admin(cls, *words, check=True, peer=True, timeout=120):
        which = ["--peer", cls.cluster.addresses[2], "--cluster", cls.cluster.name] if peer else []
        return run([binary("kvfs-admin"), *words, *which], check=check, timeout=timeout)

    def asks(self, *words, **kwargs):
        return json.loads(self.admin(*words, "--json", check=False, **kwargs).stdout)

    @contextlib.contextmanager
    def work(self, command):
        """Has a shell do it again and again meanwhile."""
        stop = os.path.join(self.cluster.base, "stop")
        worker = subprocess.Popen(["sh", "-c", f"while ! [ -e {stop} ]; do {command}; done"],
                                  stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            open(stop, "w").close()
            worker.wait(60)
            os.unlink(stop)

    def test_metrics_of_a_node(self):
        status, text = ask(self.http[0], "/metrics")
        self.assertEqual(status, 200)
        metrics = parse_metrics(text)
        self.assertGreater(metrics['kvfs_request_seconds_count{method="apply"}'], 0)
        self.assertGreater(metrics["kvfs_engine_user_written_bytes_total"], 0)
        self.assertEqual(metrics['kvfs_members{state="up"}'], 3)
        self.assertEqual(metrics["kvfs_hinted_chunks"], 0)
        buckets = [value for name, value in metrics.items()
                   if name.startswith('kvfs_request_seconds_bucket{method="apply"')]
        self.assertEqual(buckets, sorted(buckets))
        # The same through kvfs-admin.
        other = set(parse_metrics(self.admin("metrics").stdout))  # of node 2
        self.assertEqual((other ^ set(metrics)) - {"kvfs_antientropy_calm_age_seconds"}, set())

    def test_metrics_of_a_mount(self):
        before = parse_metrics(ask(self.http[1], "/metrics")[1])
        for i in range(5):
            os.mkdir(f"{self.mount.path}/metrics{i}")
        with self.assertRaises(OSError):
            os.mkdir(f"{self.mount.path}/metrics0/a/b")
        def seen():
            after = parse_metrics(ask(self.http[1], "/metrics")[1])
            name = 'kvfs_fuse_operation_seconds_count{operation="mkdir"}'
            return after[name] - before[name] == 5
        wait_for("five mkdir to be counted", seen)

    def test_every_metric_is_documented(self):
        with open(os.path.join(harness.SOURCE, "doc/operations.md")) as file:
            documented = set(re.findall(r"`((?:kvfs|process)_[a-z_0-9]+)`", file.read()))
        told = set()
        for address in self.http:
            told |= set(re.findall(r"^# TYPE ([a-z_]+)", ask(address, "/metrics")[1], re.M))
        self.assertEqual(told - documented, set())
        # Some are told by a lone mount, or only after a minute.
        self.assertEqual(documented - told - {"kvfs_commits_total", "kvfs_commit_conflicts_total",
                                              "kvfs_antientropy_calm_age_seconds"}, set())

    def test_probes(self):
        for address in self.http:
            for path in ("/healthz", "/readyz"):
                self.assertEqual(ask(address, path), (200, "ok\n"))

    def test_a_node_without_a_majority_is_not_ready(self):
        self.cluster.stop(2)
        self.cluster.stop(3)
        try:
            wait_for("node 1 not to be ready", lambda: ask(self.http[0], "/readyz")[0] == 503, 30)
            self.assertEqual(ask(self.http[0], "/healthz")[0], 200)
            self.assertIn("only 1 of 3 members", ask(self.http[0], "/readyz")[1])
        finally:
            self.cluster.start(2).start(3)
        wait_for("node 1 to be ready", lambda: ask(self.http[0], "/readyz")[0] == 200, 60)

    def test_hostile_requests(self):
        self.assertEqual(ask(self.http[0], "/../../etc/passwd")[0], 404)
        self.assertEqual(ask(self.http[0], "/metrics", Host="evil.example")[0], 403)
        connection = http.client.HTTPConnection(self.http[0], timeout=30)
        connection.request("POST", "/status.json", body=b"x" * 100)
        self.assertEqual(connection.getresponse().status, 405)
        self.assertEqual(ask(self.http[0], "/" + "a" * 9000)[0], 431)
        self.assertEqual(ask(self.http[0], "/healthz")[0], 200)
        command = self.cluster.command(3)
        done = run([*command, "--http", "0.0.0.0:9"], check=False, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing is authenticated", done.stdout)

    def test_hints_and_verify(self):
        self.admin("wait-converged", "--timeout", "60")
        found = self.asks("verify")
        self.assertTrue(found["converged"])
        self.assertEqual((found["compared"], found["silent"]), (256, []))
        self.assertIn("all homes of 256 partitions hold the same keys", self.admin("verify").stdout)
        hints = self.asks("hints")["nodes"]
        self.assertEqual([line["node_id"] for line in hints], [1, 2, 3])
        self.assertEqual({line["chunks"] + line["unmerged_keys"] for line in hints}, {0})
        # With a node away nothing is proved of what it keeps.
        self.cluster.kill(3)
        done = self.admin("verify", check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("node 3 does not answer", done.stdout)
        with open(f"{self.mount.path}/while-away", "wb") as file:
            file.write(b"x" * 300_000)
        done = self.admin("wait-converged", "--timeout", "1", check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.cluster.start(3)
        self.admin("wait-converged", "--timeout", "100", timeout=200)
        self.assertTrue(self.asks("verify")["converged"])

    def test_top(self):
        done = self.admin("top", "--interval", "0.5", "--count", "1")
        self.assertEqual(done.stdout.splitlines()[0].split()[:2], ["NODE", "OPS/S"])
        self.assertLessEqual(max(len(line) for line in done.stdout.splitlines()), 80)
        lines = self.asks("top", "--interval", "0.5", "--count", "1")["nodes"]
        self.assertEqual([line["node_id"] for line in lines], [1, 2, 3])
        mounted = json.loads(run([binary("kvfs-admin"), "top", "--data", self.mount.path, "--json",
                                  "--interval", "0.5", "--count", "1"], timeout=60).stdout)["nodes"]
        self.assertEqual([line["node_id"] for line in mounted], [0])
        self.assertGreater(mounted[0]["resident_bytes"], 1 << 20)

    def test_profile(self):
        with self.work(f"mkdir {self.mount.path}/p; rmdir {self.mount.path}/p"):
            found = json.loads(run([binary("kvfs-admin"), "profile", self.mount.path, "--seconds", "1",
                                    "--json"], timeout=60).stdout)
            text = run([binary("kvfs-admin"), "profile", self.mount.path, "--seconds", "0.5"],
                       timeout=60).stdout
        counts = {line["operation"]: line["count"] for line in found["operations"]}
        self.assertGreater(counts["mkdir"], 0)
        self.assertGreater(counts["rmdir"], 0)
        self.assertIn("mkdir", text)
        self.assertLessEqual(max(len(line) for line in text.splitlines()), 80)

    def test_scrub(self):
        nodes = self.asks("scrub")["nodes"]
        self.assertEqual([line["problems"][:3] for line in nodes], [[], [], []])
        self.assertGreater(nodes[0]["chunks"], 0)
        self.assertIn("read and checked", self.admin("scrub").stdout)

    def test_config_and_log_level(self):
        self.assertEqual(self.admin("config", "get", "node-id").stdout, "2\n")
        options = self.asks("config", "list")
        self.assertEqual(options["cluster"], self.cluster.name)
        self.assertEqual(self.admin("config", "get", "nothing", check=False).returncode, 1)
        self.assertEqual(self.admin("log-level").stdout, "info\n")
        self.assertEqual(self.admin("log-level", "debug").stdout, "debug\n")
        self.assertEqual(self.admin("log-level", "info").stdout, "info\n")
        done = self.admin("log-level", "loud", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there are error, warning, info, debug", done.stdout)

    def test_support_bundle(self):
        file = os.path.join(self.cluster.base, "bundle.tar.gz")
        self.admin("support-bundle", file)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        with tarfile.open(file) as bundle:
            names = {os.path.basename(name) for name in bundle.getnames()}
            self.assertIn("3", bundle.extractfile("./metrics-node1.txt").read().decode())
        for name in ("about.txt", "status.json", "status.txt", "ring.json", "config-node3.json"):
            self.assertIn(name, names)
        self.assertEqual(self.admin("support-bundle", file, check=False).returncode, 1)

    def test_web_page(self):
        status, page = ask(self.http[0], "/")
        self.assertEqual(status, 200)
        self.assertNotRegex(page, r'(src|href)="|url\(|https?://(?!www\.w3\.org/2000/svg)')
        browser = shutil.which("chromium")
        if browser is None:
            self.skipTest("no chromium")
        profile = os.path.join(self.cluster.base, "browser")
        options = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", f"--user-data-dir={profile}", "--window-size=1200,900",
                   "--virtual-time-budget=12000", "--timeout=12000"]
        for address, expected in ((self.http[0], ("kvfs, as node 1 sees it", "all is well", "256 partitions",
                                                  "operations a second")),
                                  (self.http[1], (f"kvfs at {self.mount.path}", "all is well"))):
            done = run([*options, "--dump-dom", f"http://{address}/"], timeout=90, stderr=subprocess.DEVNULL)
            for words in expected:
                self.assertIn(words, done.stdout)
        # Three members in the table, three homes of each partition in the ring.
        dom = run([*options, "--dump-dom", f"http://{self.http[0]}/"], timeout=90,
                  stderr=subprocess.DEVNULL).stdout
        self.assertEqual(len(re.findall(r'class="good">UN<', dom)), 3)
        self.assertEqual(dom.count("<polygon"), 3 * 256)
        picture = SCREENSHOT or os.path.join(self.cluster.base, "page.png")
        with self.work(f"head -c 300000 /dev/urandom > {self.mount.path}/work; cat {self.mount.path}/file*"):
            run([*options, f"--screenshot={picture}", f"http://{self.http[0]}/"], timeout=90)
        self.assertGreater(os.path.getsize(picture), 10_000)


if __name__ == "__main__":
    harness.main()
