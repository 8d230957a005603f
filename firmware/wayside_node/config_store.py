"""The configuration as a file that is replaced whole or not at all.

`path` is in force, `path`.old the one before it, `path`.new the one that is being written. At every moment one of the
first two is whole, whatever cuts the power.

A new one may be on trial: `path`.trial is there from before it is put in force until keep(), a byte in it for each
start since. go_back() puts the one before it in force again; the one that failed stays as `path`.failed, for people.
"""

import hashlib
import json

from micropython import const

from .config import ConfigError, check, load

MAX_SIZE = const(32768)
_STARTS = const(3)  # on trial; a configuration with which the node does not live until its verdict is not started again


class ConfigStore:
    """Reads the configuration in pieces, takes a new one in pieces, and makes it the one in force."""

    def __init__(self, files, path: str, check=check, load=load, tried: bool = False):
        """check(data), load(path): of this node's role, with ConfigError for what is no configuration of it.

        tried: a new one is on trial, and whoever starts the node calls begin().
        """
        self._files = files
        self._path = path
        self._check = check
        self._load = load
        self._tried = tried

    def read(self, offset: int, size: int):
        """(size of the file, its SHA-256, up to `size` bytes from `offset` on); ConfigError when there is none."""
        data = self._files.read(self._path)
        if data is None:
            raise ConfigError("%s: there is no configuration" % self._path)
        return len(data), hashlib.sha256(data).digest(), data[offset : offset + size]

    def write(self, offset: int, piece: bytes) -> None:
        """A piece of the new configuration. 0 begins it; any other offset has to be the end of what was written."""
        new = self._path + ".new"
        if offset + len(piece) > MAX_SIZE:
            raise ConfigError("a configuration has at most %d bytes" % MAX_SIZE)
        if offset == 0:
            self._files.replace(new, piece)
            return
        written = len(self._files.read(new) or b"")
        if offset != written:
            raise ConfigError("the piece begins at %d, but %d bytes are written; begin again at 0" % (offset, written))
        with self._files.append(new) as file:
            self._files.write(file, piece)

    def use(self, size: int, digest: bytes) -> None:
        """Put what was written in force, when it has this size and SHA-256 and is a configuration; else ConfigError."""
        present = self._files.read(self._path)
        data = self._files.read(self._path + ".new")
        if data is None and present is not None and hashlib.sha256(present).digest() == digest:
            return  # asked again after it was done
        if data is None or len(data) != size or hashlib.sha256(data).digest() != digest:
            raise ConfigError("what was written is not what was meant; write it again from 0")
        try:
            self._check(json.loads(data.decode()))
        except ValueError:
            raise ConfigError("the new configuration is not JSON")
        if present is not None and present != data:
            # The one before one on trial stays: what has not proved itself is nothing to go back to.
            if not self.on_trial():
                self._files.replace(self._path + ".old", present)
            if self._tried:
                self._remove(".failed")
                self._files.replace(self._path + ".trial", b"")
        self._files.rename(self._path + ".new", self._path)

    # --- trial ---

    def begin(self, report):
        """The configuration to start with, as load_or_fall_back(); counts the start of one that is on trial."""
        starts = self._files.read(self._path + ".trial")
        if starts is not None:
            try:
                if len(starts) >= _STARTS or self._has(".failed"):
                    self.go_back()
                else:
                    with self._files.append(self._path + ".trial") as file:
                        self._files.write(file, b".")
            except OSError as error:
                report("%s: its trial cannot be noted: %s" % (self._path, error))
        if self._has(".failed"):
            report("the gateway commanded nothing: back to the configuration before; see %s.failed" % self._path)
        return load_or_fall_back(self._path, report, self._load)

    def on_trial(self) -> bool:
        """Whether the configuration in force has to prove itself yet."""
        return self._has(".trial")

    def keep(self) -> None:
        """It has proved itself."""
        self._remove(".trial")

    def go_back(self) -> None:
        """Put the one before it in force. A cut leaves what the next begin() goes on with."""
        if not self._has(".failed"):
            self._files.rename(self._path, self._path + ".failed")
        before = self._files.read(self._path + ".old")
        if before is not None:
            self._files.replace(self._path, before)
        self._remove(".trial")

    def _has(self, end: str) -> bool:
        return self._files.read(self._path + end) is not None

    def _remove(self, end: str) -> None:
        if self._has(end):
            self._files.remove(self._path + end)
            self._files.sync_parent(self._path)


def load_or_fall_back(path: str, report, load=load):
    """The configuration in `path`, or the one before where that cannot be used; ConfigError when neither can."""
    try:
        return load(path)
    except ConfigError as error:
        try:
            config = load(path + ".old")
        except ConfigError:
            raise error
        report("%s; going on with the configuration before it" % error)
        return config
