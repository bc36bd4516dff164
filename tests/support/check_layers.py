#!/usr/bin/env python3
"""Checks who includes whom.

The folders and their order are read from the top CMakeLists.txt: a file may
include its own folder and folders above its own line there, and nothing else of
the project. Further rules are the tables below. Prints one line per violation
and exits with 1 if there is any.

    check_layers.py [ROOT]          check the tree
    check_layers.py --self-test     check that each rule catches what it forbids
"""

import pathlib
import re
import sys
import tempfile

# Folders that must not see each other in either direction, however they are ordered.
STRANGERS = [
    {"kvcore/engine", "kvcore/versioning", "kvcore/ring", "kvcore/membership"},
]
# (who, what it must not include, what of that it may): the engine is reached through LocalStore.
FORBIDDEN = [
    ("kvcore/replication", ("kvcore/engine/", "kvcore/membership/"), ()),
    ("kvcore/antientropy", ("kvcore/engine/", "kvcore/membership/"), ()),
    ("fs", ("kvcore/",), ("kvcore/base/", "kvcore/env/", "kvcore/client/", "kvcore/node/")),
]
# The composition roots: the only ones that choose between the real world and the simulated one.
USES_POSIX_ENV = ("kvcore/env/posix", "transport", "fs/fuse", "tools", "tests")
USES_SIM_ENV = ("kvcore/env/sim", "tests")
# Real time, threads, sockets and files.
USES_SYSTEM = ("kvcore/env/posix", "transport", "fs/fuse", "tools", "tests")
SYSTEM_HEADER = re.compile(
    r"^(thread|stop_token|chrono|ctime|future|condition_variable|semaphore|latch|barrier|random|"
    r"filesystem|fstream|csignal|syncstream|"
    r"unistd\.h|fcntl\.h|time\.h|dirent\.h|poll\.h|pthread\.h|sched\.h|signal\.h|netdb\.h|dlfcn\.h|"
    r"mntent\.h|pwd\.h|grp\.h|spawn\.h|syslog\.h|termios\.h|(sys|linux|net|netinet|arpa|asm)/.*)$")
THIRD_PARTY = [
    (re.compile(r"^fuse"), ("fs/fuse",)),
    (re.compile(r"^(zmq|czmq|zmq\.hpp|zmq_addon)"), ("transport",)),
]
# (file, header, why it is right there).
EXCEPTIONS = {
    # The names of modes and flags; no calls.
    ("fs/meta/posix.h", "fcntl.h"),
    ("fs/meta/posix.h", "unistd.h"),
    ("fs/meta/posix.h", "linux/falloc.h"),
    ("fs/meta/posix.h", "sys/stat.h"),
    ("fs/meta/posix.h", "sys/xattr.h"),
    # A generator that is seeded by whoever makes the core: the same seed does the same.
    ("kvcore/membership/membership.h", "random"),
    # Closing a store waits for its running tasks; in the simulator none runs beside it.
    ("kvcore/engine/task_group.h", "condition_variable"),
}

TREES = ("kvcore", "fs", "transport", "tools", "tests")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUBDIRECTORY = re.compile(r"^\s*add_subdirectory\(\s*([^\s)]+)")


def within(path, folders):
    return any(path == f or path.startswith(f + "/") for f in folders)


def read_order(root):
    lines = (root / "CMakeLists.txt").read_text().splitlines()
    return [m.group(1) for line in lines if (m := SUBDIRECTORY.match(line))]


def folder_of(path, order):
    """The longest registered folder that holds the path, or None."""
    found = [f for f in order if within(path, (f,))]
    return max(found, key=len) if found else None


def is_test_file(path):
    """Tests, and the headers that the tests of one folder share."""
    return path.endswith(("_test.cc", "_test_support.h")) or path.startswith("tests/")


def check_file(root, path, order, report):
    is_test = is_test_file(path)
    own = folder_of(path, order)
    if own is None:
        report(path, 0, "is in a folder that the top CMakeLists.txt does not list")
        return
    text = (root / path).read_text(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match or (path, match.group(2)) in EXCEPTIONS:
            continue
        quoted, name = match.group(1) == '"', match.group(2)

        def say(message, number=number, name=name):
            report(path, number, f"includes {name}: {message}")

        for pattern, users in THIRD_PARTY:
            if pattern.match(name) and not within(own, users):
                say(f"only {', '.join(users)} may")
        if not quoted:
            if SYSTEM_HEADER.match(name) and not is_test and not within(own, USES_SYSTEM):
                say("real time, threads, sockets and files only through env")
            continue
        if not name.startswith(tuple(t + "/" for t in TREES)):
            say("project headers are named from the root of the repository")
            continue
        source = name[: -len(".pb.h")] + ".proto" if name.endswith(".pb.h") else name
        if not (root / source).is_file():
            say("there is no such file")
            continue
        if is_test_file(name) and not is_test:
            say("it is for tests")
        target = folder_of(name, order)
        if is_test and (within(name, ("tests/support",)) or target in
                        ("kvcore/env/posix", "kvcore/env/sim")):
            continue
        if target is None:
            say("it is in no listed folder")
            continue
        if target != own:
            if order.index(target) > order.index(own):
                say(f"{own} is below {target}")
            if any(own in group and target in group for group in STRANGERS):
                say(f"{own} and {target} must not know each other")
        if target == "kvcore/env/posix" and not within(own, USES_POSIX_ENV):
            say("only a composition root chooses the real env")
        if target == "kvcore/env/sim" and not within(own, USES_SIM_ENV):
            say("the simulator is for tests")
        for who, what, but in FORBIDDEN:
            # A unit test may build what the interface hides.
            if within(own, (who,)) and not within(name, (who,)) and not is_test:
                if name.startswith(what) and not name.startswith(but or ("\0",)):
                    say(f"{who} does not see it")


def check_tree(root):
    problems = []
    order = read_order(root)
    files = sorted(p for tree in TREES for suffix in ("*.h", "*.cc")
                   for p in (root / tree).rglob(suffix))
    for file in files:
        check_file(root, file.relative_to(root).as_posix(), order,
                   lambda path, line, text: problems.append(f"{path}:{line}: {text}"))
    return problems, len(files)


SELF_TEST_ORDER = ["kvcore/base", "kvcore/env", "kvcore/env/posix", "kvcore/env/sim",
                   "kvcore/engine", "kvcore/versioning", "kvcore/membership",
                   "kvcore/replication", "kvcore/antientropy", "kvcore/client", "transport",
                   "fs/meta", "fs/fuse", "tools", "tests"]
# (file, the include, allowed)
SELF_TEST = [
    ("kvcore/engine/x.cc", '"kvcore/env/a.h"', True),
    ("kvcore/env/x.cc", '"kvcore/engine/a.h"', False),
    ("kvcore/engine/x.cc", '"a.h"', False),
    ("kvcore/engine/x.cc", '"kvcore/env/missing.h"', False),
    ("kvcore/versioning/x.cc", '"kvcore/engine/a.h"', False),
    ("kvcore/membership/x.cc", '"kvcore/versioning/a.h"', False),
    ("kvcore/replication/x.cc", '"kvcore/engine/a.h"', False),
    ("kvcore/replication/x_test.cc", '"kvcore/engine/a.h"', True),
    ("kvcore/replication/x.cc", '"kvcore/versioning/a.h"', True),
    ("kvcore/antientropy/x.cc", '"kvcore/membership/a.h"', False),
    ("kvcore/antientropy/x.cc", '"kvcore/replication/a.h"', True),
    ("fs/meta/x.cc", '"kvcore/engine/a.h"', False),
    ("fs/meta/x.cc", '"kvcore/client/a.h"', True),
    ("kvcore/engine/x.cc", '"kvcore/env/posix/a.h"', False),
    ("kvcore/engine/x_test.cc", '"kvcore/env/posix/a.h"', True),
    ("kvcore/engine/x_test.cc", '"kvcore/env/sim/a.h"', True),
    ("tools/x.cc", '"kvcore/env/posix/a.h"', True),
    ("tools/x.cc", '"kvcore/env/sim/a.h"', False),
    ("kvcore/engine/x_test_support.h", '"kvcore/env/sim/a.h"', True),
    ("kvcore/engine/x_test.cc", '"kvcore/env/y_test_support.h"', True),
    ("kvcore/engine/x.cc", '"kvcore/env/y_test_support.h"', False),
    ("kvcore/engine/x.cc", "<thread>", False),
    ("kvcore/engine/x.cc", "<mutex>", True),
    ("kvcore/engine/x.cc", "<sys/stat.h>", False),
    ("kvcore/engine/x_test.cc", "<thread>", True),
    ("kvcore/env/posix/x.cc", "<thread>", True),
    ("fs/meta/x.cc", "<unistd.h>", False),
    ("fs/meta/posix.h", "<unistd.h>", True),
    ("fs/meta/x_test.cc", "<fuse_lowlevel.h>", False),
    ("fs/fuse/x.cc", "<fuse3/fuse_lowlevel.h>", True),
    ("kvcore/client/x.cc", "<zmq.h>", False),
    ("transport/x.cc", "<zmq.h>", True),
    ("kvcore/ring/x.cc", "<vector>", False),  # not a listed folder
]


def self_test():
    failures = 0
    for path, include, allowed in SELF_TEST:
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            lines = "".join(f"add_subdirectory({f})\n" for f in SELF_TEST_ORDER)
            (root / "CMakeLists.txt").write_text(lines)
            for folder in SELF_TEST_ORDER:
                (root / folder).mkdir(parents=True, exist_ok=True)
                (root / folder / "a.h").write_text("")
            (root / "kvcore/replication/local_store.h").write_text("")
            (root / "kvcore/env/y_test_support.h").write_text("")
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(f"#include {include}\n")
            problems, _ = check_tree(root)
            if bool(problems) == allowed:
                failures += 1
                print(f"self-test: {path} including {include}: "
                      f"{'refused' if allowed else 'not caught'}: {problems}")
    print(f"{len(SELF_TEST)} cases, {failures} failed")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    problems, files = check_tree(root)
    print("\n".join(problems + [f"{files} files, {len(problems)} violations"]))
    sys.exit(1 if problems or files == 0 else 0)


if __name__ == "__main__":
    main()
