"""The benchmark runs through on a mount, every row, small."""

import json

import harness
from harness import run


class Bench(harness.MountedTest):
    def test_every_row(self):
        out = run([harness.binary("fs_bench"), self.dir, "--scale", "0.02", "--json", "--before-cold",
                   f"{harness.sys.executable} {harness.__file__} remount {self.mount.base}"],
                  stderr=None, cwd="/").stdout
        rows = json.loads(out)["rows"]
        self.assertGreater(len(rows), 20)
        for name, row in rows.items():
            self.assertGreater(row["median"], 0, name)


if __name__ == "__main__":
    harness.main()
