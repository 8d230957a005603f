"""Files whose power can be cut at any byte written and at any change of a name."""

import os

from fakes import flush
from wayside_node.files import Files

# Between one cut and the next, in bytes and names: `make test` tries each seventh place, `make campaigns` each.
STRIDE = 1 if os.getenv("WAYSIDE_WHOLE") else 7
TORN, ZEROS, DROPPED = "torn", "zeros", "dropped"
MODES = (TORN, ZEROS, DROPPED)


class PowerCut(Exception):
    pass


class CutFiles(Files):
    """The power fails after `budget` bytes and names. What the unfinished write leaves depends on the mode: TORN, the
    bytes up to the cut; ZEROS, zeros in the length of the write, as a file system does that had noted the size already;
    DROPPED, nothing of it, nor of the names changed since the last sync of a directory.
    """

    def __init__(self, budget, mode):
        super().__init__(flush, _nothing)
        self.budget = budget
        self.mode = mode
        self._undo = []

    def write(self, file, data):
        if len(data) <= self.budget:
            self.budget -= len(data)
            super().write(file, data)
            return
        if self.mode == TORN:
            file.write(data[: self.budget])
        elif self.mode == ZEROS:
            file.write(bytes(len(data)))
        file.close()
        self._cut()

    def create(self, path):
        self._name()
        before = self.read(path)
        file = super().create(path)
        if before is None:
            self._undo.append(lambda: super(CutFiles, self).remove(path))
        return file

    def remove(self, path):
        self._name()
        before = self.read(path)
        super().remove(path)
        self._undo.append(lambda: _put(path, before))

    def remove_directory(self, path):
        self._name()
        os.rmdir(path)
        self._undo.append(lambda: os.mkdir(path))
        self.sync_parent(path)

    def rename(self, path, to):
        self._name()
        super().rename(path, to)  # whose sync is part of it

    def sync_parent(self, path):
        self._name()
        self._undo = []

    def _name(self):
        if not self.budget:
            self._cut()
        self.budget -= 1

    def _cut(self):
        if self.mode == DROPPED:
            for undo in reversed(self._undo):
                undo()
        raise PowerCut()


def _put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def _nothing(_):
    pass
