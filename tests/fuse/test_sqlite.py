"""sqlite: 2,000 transactions, the daemon killed in the middle, nothing acknowledged lost."""

import os
import subprocess
import sys

import harness
from harness import run

TRANSACTIONS = 2000

# Commits rows first..last-1 and prints each number once its COMMIT has returned.
WRITER = """
import sqlite3, sys
path, mode, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
db = sqlite3.connect(path, isolation_level=None)
assert db.execute("PRAGMA journal_mode=" + mode).fetchone()[0].lower() == mode.lower()
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v BLOB)")
for i in range(first, last):
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR REPLACE INTO t VALUES(?, ?)", (i, bytes([i % 251]) * (100 + i % 3000)))
    db.execute("UPDATE t SET v = v WHERE id = ?", (i // 2,))
    db.execute("COMMIT")
    print(i, flush=True)
"""


class Sqlite(harness.MountedTest):
    def sql(self, path, statement):
        return run(["sqlite3", path, statement]).stdout.strip()

    def start_writer(self, path, mode, first, last):
        return subprocess.Popen([sys.executable, "-c", WRITER, path, mode, str(first), str(last)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")

    def check(self, path, acknowledged):
        self.assertEqual(self.sql(path, "PRAGMA integrity_check"), "ok")
        rows = {int(row) for row in self.sql(path, "SELECT id FROM t").split()}
        lost = set(range(acknowledged + 1)) - rows
        self.assertEqual(lost, set(), "committed rows are gone")
        wrong = self.sql(path, "SELECT count(*) FROM t WHERE length(v) <> 100 + id % 3000")
        self.assertEqual(wrong, "0")

    def kill_in_the_middle(self, mode):
        path = self.path("test.db")
        writer = self.start_writer(path, mode, 0, TRANSACTIONS)
        acknowledged = -1
        for line in writer.stdout:
            acknowledged = int(line)
            if acknowledged == TRANSACTIONS // 2 and not harness.LOCAL:
                self.mount.kill()
        _, errors = writer.communicate(timeout=60)
        if harness.LOCAL:
            self.assertEqual(writer.returncode, 0, errors)
        else:
            self.assertNotEqual(writer.returncode, 0, "the writer must see that the mount died")
        self.assertGreaterEqual(acknowledged, TRANSACTIONS // 2)
        self.mount.start()
        self.check(path, acknowledged)

        writer = self.start_writer(path, mode, acknowledged + 1, TRANSACTIONS)
        _, errors = writer.communicate(timeout=300)
        self.assertEqual(writer.returncode, 0, errors)
        self.check(path, TRANSACTIONS - 1)
        self.mount.remount()
        self.check(path, TRANSACTIONS - 1)

    def test_delete_journal(self):
        self.kill_in_the_middle("DELETE")

    def test_wal(self):
        self.kill_in_the_middle("WAL")


if __name__ == "__main__":
    harness.main()
