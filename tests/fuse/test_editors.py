"""How editors save: the old or the new text, whole, whatever happens in between."""

import os
import subprocess
import sys

import harness
from harness import run

# Reads the file over and over; prints "ok N" at the end of its input, or what it saw.
READER = """
import select, sys
path, size = sys.argv[1], int(sys.argv[2])
reads = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    with open(path, "rb") as file:
        data = file.read()
    if len(data) != size or data != data[:1] * size:
        sys.exit(f"a mixture of {len(data)} bytes: {sorted(set(data))}")
    reads += 1
print("ok", reads)
"""


def save(path, data, fsync):
    temporary = path + ".tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, data)
    if fsync:
        os.fsync(fd)
    os.close(fd)
    os.rename(temporary, path)


class Editors(harness.MountedTest):
    SIZE = 20000

    def text(self, i):
        return bytes([65 + i % 26]) * self.SIZE

    def save_pattern(self, fsync):
        path = self.write("text", self.text(0))
        reader = subprocess.Popen([sys.executable, "-c", READER, path, str(self.SIZE)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        self.assertEqual(reader.stdout.readline(), "ready\n")
        for i in range(300):
            save(path, self.text(i), fsync)
            self.assertEqual(self.read("text"), self.text(i))
        output, _ = reader.communicate("stop\n", timeout=60)
        self.assertEqual(reader.returncode, 0, output)
        self.assertTrue(output.startswith("ok"), output)
        for i in range(300, 305):
            save(path, self.text(i), fsync)
            self.mount.crash()  # the name was there on return, its text at close
            self.assertEqual(self.read("text"), self.text(i))
            self.assertEqual(os.listdir(self.dir), ["text"])

    def test_write_fsync_rename(self):
        self.save_pattern(True)

    def test_write_rename_without_fsync(self):
        self.save_pattern(False)

    def test_backup_by_rename(self):
        # As vim does: the old file becomes the backup, the new one is written in its place.
        path = self.write("text", b"old\n")
        inode = os.stat(path).st_ino
        os.rename(path, path + "~")
        self.write("text", b"new\n")
        self.assertNotEqual(os.stat(path).st_ino, inode)
        self.mount.crash()
        self.assertEqual(self.read("text"), b"new\n")
        self.assertEqual(self.read("text~"), b"old\n")
        os.unlink(path + "~")
        self.assertEqual(os.listdir(self.dir), ["text"])

    def test_in_place(self):
        path = self.write("text", b"one\ntwo\nthree\n" * 1000)
        with open(path, "r+b") as file:
            file.truncate(0)
            file.write(b"short\n")
        self.mount.crash()
        self.assertEqual(self.read("text"), b"short\n")

    def test_stream_editors(self):
        path = self.write("text", b"one\ntwo\n" * 500)
        os.chmod(path, 0o640)
        run(["sed", "-i", "s/two/2/", path])
        run(["perl", "-pi", "-e", "s/one/1/", path])
        self.assertEqual(self.read("text"), b"1\n2\n" * 500)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        run(f"echo more >> '{path}'")
        run(["cp", "--backup=numbered", "/etc/passwd", path])
        self.assertEqual(sorted(os.listdir(self.dir)), ["text", "text.~1~"])
        self.assertTrue(self.read("text.~1~").endswith(b"more\n"))


if __name__ == "__main__":
    harness.main()
