"""kvfs's own engine, configured, built and tested on the mount."""

import os

import harness
from harness import run


class SelfBuild(harness.MountedTest):
    def test_engine(self):
        source = self.path("kvfs")
        run(["rsync", "-a", "--exclude=/build*", "--exclude=/.git", "--exclude=/.cache",
             harness.SOURCE + "/", source])
        # Quick to compile rather than quick to run.
        run(["cmake", "--preset", "dev", "-DCMAKE_CXX_FLAGS=-O0", "-DKVFS_BENCH=OFF"], cwd=source)
        targets = ["kvfs_base_test", "kvfs_env_posix_test", "kvfs_engine_test"]
        run(["cmake", "--build", "build/dev", "-j2", *(f"--target={name}" for name in targets)],
            cwd=source, timeout=1200)
        temporary = self.path("tmp")
        os.mkdir(temporary)
        environment = dict(os.environ, TMPDIR=temporary, TEST_TMPDIR=temporary)
        for name in targets:
            output = run([f"build/dev/bin/{name}", "--gtest_brief=1"], cwd=source, env=environment,
                         timeout=1200).stdout
            self.assertIn("PASSED", output)
        # Nothing is left to do, also for the timestamps of a later mount.
        self.mount.remount()
        again = run(["cmake", "--build", "build/dev", f"--target={targets[0]}"], cwd=source).stdout
        self.assertIn("no work to do", again)


if __name__ == "__main__":
    harness.main()
