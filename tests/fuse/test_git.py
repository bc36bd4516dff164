"""git on the mount: history, clones, branches, gc, and a clean status afterwards."""

import os
import random

import harness
from harness import run

FILES = 5000
COMMITS = 50


def git(directory, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "gc.auto=0",
                "-c", "init.defaultBranch=main", "-c", "safe.directory=*"]
    return run(["git", *identity, "-C", directory, *arguments], timeout=600).stdout


class Git(harness.MountedTest):
    def make_history(self, repository):
        choose = random.Random(1)
        git(self.dir, "init", "-q", repository)
        names = [f"d{i % 50}/e{i % 7}/file{i}.txt" for i in range(FILES)]
        for i in range(50):
            for j in range(7):
                os.makedirs(os.path.join(repository, f"d{i}/e{j}"))
        for name in names:
            with open(os.path.join(repository, name), "w") as file:
                file.write(f"{name}\n" * choose.randrange(1, 200))
        git(repository, "add", "-A")
        git(repository, "commit", "-q", "-m", "first")
        for commit in range(1, COMMITS):
            for name in choose.sample(names, 40):
                with open(os.path.join(repository, name), "a") as file:
                    file.write(f"commit {commit}\n")
            git(repository, "commit", "-q", "-a", "-m", f"commit {commit}")

    def test_history(self):
        repository = self.path("repository")
        self.make_history(repository)
        self.assertEqual(git(repository, "rev-list", "--count", "HEAD").strip(), str(COMMITS))
        head = git(repository, "rev-parse", "HEAD")
        self.assertEqual(git(repository, "status", "--porcelain"), "")

        self.mount.remount()
        self.assertEqual(git(repository, "status", "--porcelain"), "")
        git(repository, "fsck", "--strict")

        # Branches that touch the same tree, merged again.
        git(repository, "checkout", "-q", "-b", "side", "HEAD~20")
        with open(os.path.join(repository, "side.txt"), "w") as file:
            file.write("side\n")
        git(repository, "add", "side.txt")
        git(repository, "commit", "-q", "-m", "side")
        git(repository, "checkout", "-q", "main")
        self.assertFalse(os.path.exists(os.path.join(repository, "side.txt")))
        git(repository, "merge", "-q", "--no-edit", "side")
        self.assertEqual(git(repository, "status", "--porcelain"), "")

        git(self.dir, "clone", "-q", "--no-hardlinks", repository, self.path("clone"))
        git(self.dir, "clone", "-q", repository, self.path("linked"))
        for clone in (self.path("clone"), self.path("linked")):
            self.assertEqual(git(clone, "status", "--porcelain"), "")
            self.assertIn(head.strip(), git(clone, "rev-list", "HEAD"))
        git(repository, "gc", "-q", "--aggressive", "--prune=now")
        git(repository, "fsck", "--strict")

        # Committed just before the daemon dies: still whole, after one look at the index.
        with open(os.path.join(repository, "late.txt"), "w") as file:
            file.write("late\n")
        git(repository, "add", "late.txt")
        git(repository, "commit", "-q", "-m", "late")
        self.mount.crash()
        for clone in (repository, self.path("clone"), self.path("linked")):
            git(clone, "fsck", "--strict")
            self.assertEqual(git(clone, "status", "--porcelain"), "")
        self.assertEqual(git(repository, "log", "-1", "--format=%s").strip(), "late")


if __name__ == "__main__":
    harness.main()
