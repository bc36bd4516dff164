"""Two and more processes on one file and one directory at once."""

import errno
import fcntl
import multiprocessing
import os
import struct
import time

import harness

PROCESSES = 4


def in_parallel(function, *arguments, processes=PROCESSES):
    """Runs function(index, barrier, *arguments) in processes; returns their results."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes)
    results = context.Queue()

    def body(index):
        try:
            results.put((index, function(index, barrier, *arguments)))
        except BaseException as failure:  # a child must always answer
            results.put((index, failure))

    children = [context.Process(target=body, args=(i,)) for i in range(processes)]
    for child in children:
        child.start()
    answers = dict(results.get(timeout=120) for _ in children)
    for child in children:
        child.join(60)
    for answer in answers.values():
        if isinstance(answer, BaseException):
            raise answer
    return [answers[i] for i in range(processes)]


def create_exclusively(index, barrier, directory, count):
    won = []
    for i in range(count):
        barrier.wait(60)
        try:
            os.close(os.open(os.path.join(directory, f"{i}"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            won.append(i)
        except FileExistsError:
            pass
    return won


def make_directories(index, barrier, directory, count):
    won = []
    for i in range(count):
        barrier.wait(60)
        try:
            os.mkdir(os.path.join(directory, f"{i}"))
            won.append(i)
        except FileExistsError:
            pass
    return won


def append_records(index, barrier, path, count):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    barrier.wait(60)
    for i in range(count):
        record = f"{index}:{i}:".encode() + bytes([97 + index]) * (50 + i % 900) + b"\n"
        assert os.write(fd, record) == len(record)
    os.close(fd)


def rename_over(index, barrier, path, seconds):
    deadline = None
    barrier.wait(60)
    deadline = time.monotonic() + seconds
    turns = 0
    while time.monotonic() < deadline:
        if index == 0:
            with open(path + ".new", "wb") as file:
                file.write(bytes([turns % 256]) * 70000)
            os.rename(path + ".new", path)
        else:
            with open(path, "rb") as file:  # ENOENT here is a failure
                data = file.read()
            assert len(data) == 70000 and len(set(data)) == 1, (len(data), set(data))
        turns += 1
    return turns


def list_while_removed(index, barrier, directory, count):
    """Process 0 removes the files named x*; the others list. The files named k* stay."""
    barrier.wait(60)
    if index == 0:
        for i in range(count):
            os.unlink(os.path.join(directory, f"x{i}"))
        open(os.path.join(directory, "done"), "w").close()
        return 0
    kept = {f"k{i}" for i in range(count)}
    turns = 0
    while True:
        names = os.listdir(directory)
        assert len(names) == len(set(names)), "a name was listed twice"
        assert kept <= set(names), f"missing {len(kept - set(names))} names that were never removed"
        turns += 1
        if "done" in names:
            return turns


def count_under_lock(index, barrier, path, count, kind):
    fd = os.open(path, os.O_RDWR)
    barrier.wait(60)
    for _ in range(count):
        if kind == "flock":
            fcntl.flock(fd, fcntl.LOCK_EX)
        elif kind == "fcntl":
            fcntl.lockf(fd, fcntl.LOCK_EX, 8, 0)
        else:
            fcntl.fcntl(fd, 38, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 8, 0))  # F_OFD_SETLKW
        value = int(os.pread(fd, 8, 0) or b"0", 10)
        os.pwrite(fd, b"%08d" % (value + 1), 0)
        if kind == "flock":
            fcntl.flock(fd, fcntl.LOCK_UN)
        elif kind == "fcntl":
            fcntl.lockf(fd, fcntl.LOCK_UN, 8, 0)
        else:
            fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_UNLCK, 0, 0, 8, 0))  # F_OFD_SETLK
    os.close(fd)


def rename_around(index, barrier, directory, count):
    """Everybody moves the one token to a name of his own; it may never double or vanish."""
    barrier.wait(60)
    moved = 0
    for _ in range(count):
        for other in range(PROCESSES):
            try:
                os.rename(os.path.join(directory, f"token{other}"),
                          os.path.join(directory, f"token{index}"))
                moved += 1
            except FileNotFoundError:
                pass
    return moved


class Races(harness.MountedTest):
    def test_exclusive_create_has_one_winner(self):
        won = in_parallel(create_exclusively, self.dir, 300)
        self.assertEqual(sorted(sum(won, [])), list(range(300)))

    def test_mkdir_has_one_winner(self):
        won = in_parallel(make_directories, self.dir, 200)
        self.assertEqual(sorted(sum(won, [])), list(range(200)))

    def test_appends_are_whole(self):
        path = self.write("log", b"")
        in_parallel(append_records, path, 500)
        seen = {i: [] for i in range(PROCESSES)}
        for line in self.read("log").split(b"\n")[:-1]:
            index, i, rest = line.split(b":")
            self.assertEqual(rest, bytes([97 + int(index)]) * (50 + int(i) % 900))
            seen[int(index)].append(int(i))
        for index in seen:
            self.assertEqual(seen[index], list(range(500)), "lost or out of order")

    def test_rename_over_a_reader(self):
        path = self.write("file", b"\0" * 70000)
        turns = in_parallel(rename_over, path, 4, processes=3)
        self.assertGreater(min(turns), 5)

    def test_open_file_outlives_rename_over(self):
        path = self.write("file", b"old" * 10000)
        with open(path, "rb") as file:
            self.write("new", b"new")
            os.rename(self.path("new"), path)
            self.assertEqual(file.read(), b"old" * 10000)
            self.assertEqual(os.fstat(file.fileno()).st_nlink, 0)
        self.assertEqual(self.read("file"), b"new")

    def test_readdir_under_removal(self):
        for i in range(1000):
            self.write(f"k{i}", b"")
            self.write(f"x{i}", b"")
        in_parallel(list_while_removed, self.dir, 1000, processes=3)
        self.assertEqual(len(os.listdir(self.dir)), 1001)

    def test_locks_exclude(self):
        for kind in ("flock", "fcntl", "ofd"):
            path = self.write(kind, b"%08d" % 0)
            in_parallel(count_under_lock, path, 150, kind)
            self.assertEqual(int(self.read(kind)), PROCESSES * 150, kind)

    def test_locks_of_the_dead_are_released(self):
        path = self.write("file", b"x")
        for take in (lambda f: fcntl.flock(f, fcntl.LOCK_EX), lambda f: fcntl.lockf(f, fcntl.LOCK_EX)):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                take(os.open(path, os.O_RDWR))
                os.write(writing, b"x")
                time.sleep(60)
                os._exit(0)
            os.read(reading, 1)
            with open(path, "r+b") as file:
                with self.assertRaises(OSError) as caught:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.assertIn(caught.exception.errno, (errno.EAGAIN, errno.EACCES))
                os.kill(child, 9)
                os.waitpid(child, 0)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_renames_of_one_file(self):
        self.write("token0", b"token")
        moved = in_parallel(rename_around, self.dir, 100)
        self.assertGreater(sum(moved), 0)
        self.assertEqual(len(os.listdir(self.dir)), 1)
        self.assertEqual(self.read(os.listdir(self.dir)[0]), b"token")

    def test_removing_a_tree_together(self):
        for i in range(20):
            os.makedirs(self.path(f"tree/d{i}/e"))
            for j in range(20):
                self.write(f"tree/d{i}/f{j}", b"x")
        in_parallel(lambda index, barrier: (barrier.wait(60), os.system(
            f"rm -rf '{self.path('tree')}' 2>/dev/null")))
        self.assertEqual(os.listdir(self.dir), [])


if __name__ == "__main__":
    harness.main()
