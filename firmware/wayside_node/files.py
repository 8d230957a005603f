"""The few things that the node does with files, so that a test can cut the power at any byte.

That a file is not there is one thing; whatever else flash answers is a failure, and raises OSError.
"""

import errno
import os

_PIECE = 512


def _nobody(text: str) -> None:
    pass


class Files:
    """Durable files. `sync(file)` and `sync_directory(path)` come from the board: after them the bytes, or the names,
    survive a power cut."""

    def __init__(self, sync, sync_directory):
        self._sync = sync
        self._sync_directory = sync_directory
        self.report = _nobody  # report(text): for people
        self.refusals = {}  # path: the error, of files that others do without

    def refused(self, path: str, error: OSError) -> None:
        """Flash does not take this file, and its second copy is kept alone: told once."""
        if path not in self.refusals:
            self.refusals[path] = error
            self.report("%s cannot be written: %s; its second copy alone is kept" % (path, error))

    def read(self, path: str):
        """The whole content, None where there is no such file."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None

    def read_or_empty(self, path: str):
        """As read(), but empty where it cannot be read: for what has a second copy, or is as good as torn then."""
        try:
            return self.read(path)
        except OSError:
            return b""

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on."""
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def pieces(self, path: str, end=None):
        """Its bytes up to `end`, or all of them, in pieces that any heap has room for."""
        offset = 0
        while end is None or offset < end:
            piece = self.read_at(path, offset, _PIECE if end is None else min(_PIECE, end - offset))
            if not piece:
                return
            yield piece
            offset += len(piece)

    def size(self, path: str) -> int:
        return os.stat(path)[6]

    def create(self, path: str):
        """A new, empty file to write to, whatever stood there before."""
        return open(path, "wb")

    def append(self, path: str):
        """A file to write at the end of, made when it is not there."""
        return open(path, "ab")

    def write(self, file, data: bytes) -> None:
        """All of `data`, durable on return; OSError otherwise."""
        if file.write(data) != len(data):
            raise OSError(28)  # ENOSPC
        self._sync(file)

    def replace(self, path: str, data: bytes) -> None:
        """A new file with this content, durable on return. A cut in between leaves it torn: keep a second copy."""
        with self.create(path) as file:
            self.write(file, data)
        self.sync_parent(path)

    def exchange(self, path: str, data: bytes) -> None:
        """As replace(), and a cut in between leaves the file as it was."""
        self.replace(path + ".new", data)
        self.rename(path + ".new", path)

    def sync_parent(self, path: str) -> None:
        """Make a new or removed name durable."""
        self._sync_directory(path[: path.rfind("/")] or "/")

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_directory(self, path: str) -> None:
        """An empty one."""
        os.rmdir(path)
        self.sync_parent(path)

    def rename(self, path: str, to: str) -> None:
        """Durable on return."""
        os.rename(path, to)
        self.sync_parent(to)

    def names(self, path: str) -> list[str]:
        """Sorted names in a directory, none where it does not exist."""
        return sorted(os.listdir(path)) if self.exists(path) else []

    def make_directory(self, path: str) -> None:
        """`path` and what is missing above it."""
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if not part or self.exists(part):
                continue
            os.mkdir(part)
            self.sync_parent(part if "/" in part else "./" + part)

    def exists(self, path: str) -> bool:
        try:
            os.stat(path)
            return True
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
