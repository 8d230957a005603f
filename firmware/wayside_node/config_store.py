"""The configuration as a file that is replaced whole or not at all.

`path` is in force, `path`.old the last one that proved itself: a copy of the same one, as a rule, so that damage to
either costs nothing. `path`.new is the one that is being written. At every moment one of the first two is whole,
whatever cuts the power. Nothing becomes `path`.old but what is whole and has proved itself; where there is none, what
a technician has put there and the node can start with. What was put in force bears a seal (seal.py); what has none a
technician has put there, and gets one at the next start.

A new one may be on trial: `path`.trial is there from before it is put in force until keep(). It holds a newline for
each start since, of which there are so many, counted before they happen; and what went wrong in it. begin() goes back
when they are used up or the trial is lost, or when `path` cannot be used, and nothing else does: there the heap is
whole. The one that failed stays as `path`.failed, for people.
"""

import binascii
import errno
import hashlib
import json

from micropython import const
from wayside_wire.text import printable

from .config import ConfigError, check, load
from .seal import SpoiltFile, has_seal, look, seal, strip

MAX_SIZE = const(32768)
_STARTS = const(3)
_START = b"\n"
_LOST = b"\x01"  # no zero: that may be what a cut leaves
_WHY = const(200)  # characters
_FIXED = ("gateway", "state")


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
        self._running = None
        self._is_present = False  # the node was started with what is in force
        self.trying = False  # the node was started with one that is on trial
        self.proved = True  # it was started with the one that is gone back to

    def read(self, offset: int, size: int):
        """(size of the file, its SHA-256, up to `size` bytes from `offset` on); ConfigError when there is none."""
        data = self._files.read(self._path)
        if data is None:
            raise ConfigError("%s: there is no configuration" % self._path)
        try:
            data = strip(data)
        except SpoiltFile:
            raise ConfigError("%s: is damaged; the next start goes back to the one before" % self._path)
        start = min(offset, len(data))
        return len(data), hashlib.sha256(data).digest(), data[start : start + size]

    def write(self, offset: int, piece: bytes) -> None:
        """A piece of the new configuration. 0 begins it; any other offset has to be the end of what was written."""
        new = self._path + ".new"
        if offset + len(piece) > MAX_SIZE:
            raise ConfigError("a configuration has at most %d bytes" % MAX_SIZE)
        if offset == 0:
            self._files.replace(new, piece)
            return
        written = self._files.size(new) if self._has(".new") else 0
        if offset != written:
            raise ConfigError("the piece begins at %d, but %d bytes are written; begin again at 0" % (offset, written))
        with self._files.append(new) as file:
            self._files.write(file, piece)

    def use(self, size: int, digest: bytes) -> None:
        """Put what was written in force, when it has this size and SHA-256 and is a configuration under which the
        gateway can command; else ConfigError."""
        data = self._files.read(self._path + ".new")
        if data is None and self._holds(digest):
            return  # asked again after it was done
        if data is None or len(data) != size or hashlib.sha256(data).digest() != digest:
            raise ConfigError("what was written is not what was meant; write it again from 0")
        if has_seal(data):
            raise ConfigError("the new configuration ends with blanks; leave them out")
        try:
            made = json.loads(data.decode())
        except ValueError:
            raise ConfigError("the new configuration is not JSON")
        self._refuse_what_locks_out(self._check(made))
        if not self._holds(digest):
            # Under the present one this was commanded: it has proved itself, unless it is on trial or not what runs.
            if self._is_present and self._is_whole("") and not self.on_trial():
                self._copy()
            if self._tried and self._is_whole(".old"):
                self._remove(".failed")
                self._files.replace(self._path + ".trial", b"")
        with self._files.append(self._path + ".new") as file:
            self._files.write(file, seal(binascii.crc32(data)))
        self._files.rename(self._path + ".new", self._path)
        self._is_present = False

    # --- trial ---

    def begin(self, report):
        """The configuration to start with, as load_or_fall_back(); counts the start of one that is on trial.

        report(text): at every start after a failed trial, so that people see it in the node's log.
        """
        self._running = self._begin(report)
        return self._running

    def _begin(self, report):
        path = self._path
        self.trying = self._has(".trial")  # before all that may fail: whoever sees it starts the board again
        try:
            if self.trying:
                self._add(_START)
                self.trying = not self._is_settled(report)
        except OSError as error:
            report("%s: its trial cannot be noted: %s" % (path, error))
            # A start that cannot be counted might be one of a thousand: with the one before, for now.
            if self._is_usable(".old"):
                self.trying = False
                return self._load(path + ".old")
        if self.trying:
            self.proved = False
            self._is_present = True
            return self._load(path)
        if self._has(".failed"):
            report("the configuration before is back; see %s.failed" % path)
        said = []
        config = load_or_fall_back(path, said.append, self._load)
        for text in said:
            report(text)
        try:
            if said:  # what is damaged gives way, so that there are two again
                if self._has(""):
                    self._remove(".failed")
                self._restore()
            self._is_present = True
            self._tend()
        except (OSError, SpoiltFile) as error:
            report("%s: its copies cannot be kept: %s" % (path, error))
        return config

    def on_trial(self) -> bool:
        """Whether the configuration in force has to prove itself yet. What was put there has a seal, and is another one
        than what is gone back to: else a cut came before, or a technician has written it."""
        if not self._has(".trial") or not self._has(""):
            return False
        try:
            return look(self._files, self._path)[2] and not self._is_copied()
        except SpoiltFile:
            return True

    def keep(self) -> None:
        """It has proved itself: from here on it is what is gone back to."""
        self._remove(".trial")
        self.trying = False
        self._copy()
        self.proved = True

    def note(self, why: str) -> None:
        """What went wrong in this start, for people."""
        self._add(printable(why, _WHY).encode())

    def lose(self, why: str) -> None:
        """No further start: the next begin() goes back."""
        self.note(why)
        self._add(_LOST)

    def _is_settled(self, report) -> bool:
        """Whether the trial is over: lost, and the one before is back; or there is none on trial."""
        if self._has(".failed"):
            self._go_back()  # a cut, on the way
            return True
        if not self.on_trial():
            self._remove(".trial")
            return True
        story = self._files.read(self._path + ".trial")
        if story.count(_START) <= _STARTS and _LOST not in story:
            return False
        for line in story.replace(_LOST, b"").split(_START):
            if line:
                report("the new configuration: %s" % printable("".join([chr(byte) for byte in line]), _WHY))
        self._go_back()
        return True

    def _go_back(self) -> None:
        """Put the one before in force. A cut, or a flash that refuses, leaves what the next begin() goes on with."""
        if self._is_usable(".old"):
            self._restore()
        elif not self._has(""):
            self._files.rename(self._path + ".failed", self._path)
        self._remove(".trial")

    def _restore(self) -> None:
        if not self._has(".failed") and self._has(""):
            self._files.rename(self._path, self._path + ".failed")
        self._files.rename(self._path + ".old", self._path)

    # --- copies ---

    def _tend(self) -> None:
        """Of one that is not on trial, and usable: its seal, where it has none, and a second copy, where there is no
        other one."""
        _, crc, sealed = look(self._files, self._path)
        if not sealed:
            self._write_as("", seal(crc))
        if not self._is_whole(".old"):
            self._copy()
        self.proved = self._is_copied()

    def _copy(self) -> None:
        if not self._is_copied():
            self._write_as(".old", b"")

    def _write_as(self, end: str, tail: bytes) -> None:
        """Make what is in force, with `tail` behind it, the file that is called so: whole or not at all."""
        new = self._path + ".tmp"
        with self._files.create(new) as file:
            for piece in self._files.pieces(self._path):
                self._files.write(file, piece)
            self._files.write(file, tail)
        self._files.sync_parent(new)
        try:
            look(self._files, new)
        except SpoiltFile:
            raise OSError(errno.EIO)  # it reads back as other bytes
        self._files.rename(new, self._path + end)

    def _is_copied(self) -> bool:
        """Whether what is in force and what is gone back to are the same, byte for byte."""
        old = self._path + ".old"
        if not self._has(".old") or self._files.size(old) != self._files.size(self._path):
            return False
        offset = 0
        for piece in self._files.pieces(self._path):
            if self._files.read_at(old, offset, len(piece)) != piece:
                return False
            offset += len(piece)
        return True

    def _is_whole(self, end: str) -> bool:
        """Whether it is there, with a right seal or none."""
        try:
            return self._has(end) and look(self._files, self._path + end)[0] > 0
        except SpoiltFile:
            return False

    def _is_usable(self, end: str) -> bool:
        try:
            self._load(self._path + end)
            return True
        except ConfigError:
            return False

    def _holds(self, digest: bytes) -> bool:
        """Whether what is in force, without its seal, has this SHA-256; in pieces, because a heap may be small."""
        if not self._is_whole(""):
            return False
        found = hashlib.sha256()
        for piece in self._files.pieces(self._path, look(self._files, self._path)[0]):
            found.update(piece)
        return found.digest() == digest

    def _refuse_what_locks_out(self, new) -> None:
        """Nothing that comes over the link may take the node from its gateway, or its key and packs from the node."""
        for key in _FIXED:
            if self._running is not None and getattr(self._running, key) != getattr(new, key):
                raise ConfigError("%s: cannot be changed from afar; do it at the board's console" % key)

    def _add(self, line: bytes) -> None:
        with self._files.append(self._path + ".trial") as file:
            self._files.write(file, line)

    def _has(self, end: str) -> bool:
        return self._files.exists(self._path + end)

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
