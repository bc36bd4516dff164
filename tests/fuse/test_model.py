"""Random operations against a local directory, with remounts and kill -9 in between."""

import os
import sys

import harness

SEEDS = range(1, 9) if harness.LONG else (1,)


class Model(harness.MountedTest):
    def model(self, operations, *arguments):
        for seed in SEEDS:
            command = [harness.binary("fs_model_test"), self.dir, "--reference", self.mount.base,
                       "--seed", str(seed), "--ops", str(operations), *arguments]
            output = harness.run(command, check=False, timeout=900, cwd="/")
            harness.log(output.stdout)
            self.assertEqual(output.returncode, 0, "see the replay line above")

    def hook(self, verb):
        if harness.LOCAL:
            return "true"
        return f"{sys.executable} {os.path.abspath(harness.__file__)} {verb} {self.mount.base}"

    def test_operations(self):
        self.model(200_000)

    def test_operations_with_remounts(self):
        self.model(60_000, "--every", "6000", "--hook", self.hook("remount"))

    def test_operations_with_kills(self):
        self.model(60_000, "--every", "3000", "--hook", self.hook("kill"))


if __name__ == "__main__":
    harness.main()
