"""Runs a test file of tests/fuse with its mounts on a cluster of three nodes:

    run_suite.py NAME [TEST...]
"""

import os
import subprocess
import sys

import cluster_harness
import harness


def main():
    name, *tests = sys.argv[1:]
    harness.prepare()
    cluster = cluster_harness.Cluster().start_all()
    environment = dict(os.environ)
    environment["KVFS_TEST_MOUNT_OPTIONS"] = f"--peers {cluster.peers} --cluster {cluster.name}"
    file = os.path.join(harness.SOURCE, "tests/fuse", f"test_{name}.py")
    code = subprocess.run([sys.executable, file, *tests], env=environment).returncode
    for node in cluster.addresses:
        cluster.stop(node)
    sys.exit(code)


if __name__ == "__main__":
    main()
