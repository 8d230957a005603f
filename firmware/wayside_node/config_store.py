"""The configuration as a file that is replaced whole or not at all.

`path` is in force, `path`.old the one before it, `path`.new the one that is being written. At every moment one of the
first two is whole, whatever cuts the power.
"""

import hashlib
import json

from micropython import const

from .config import ConfigError, check, load

MAX_SIZE = const(32768)


class ConfigStore:
    """Reads the configuration in pieces, takes a new one in pieces, and makes it the one in force."""

    def __init__(self, files, path: str, check=check):
        """check(data): raises ConfigError for what is no configuration of this node's role."""
        self._files = files
        self._path = path
        self._check = check

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
            self._files.replace(self._path + ".old", present)
        self._files.rename(self._path + ".new", self._path)


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
