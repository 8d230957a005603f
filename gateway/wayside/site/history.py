"""The versions of a site file, and the one that is on trial: a folder beside the file, NAME.history.

A version is the whole file, byte for byte: `0004.toml`; `0004.failed` says why it did not come up. `trial.json` says
that the newest version is on trial and which one was in force before it. A site file is replaced whole or not at all,
and a power cut at any point leaves the old or the new one with a trial that fits, or one that is void. Imports no
other folder but what reads and writes files.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from wayside.evidence.files import replace_file
from wayside.settings.table import Table
from wayside.text import json_text

_KEPT = 100
_STARTS = 2  # of a version on trial that ended without a verdict: it took the process with it


class HistoryError(Exception):
    """A version that is not there, or a trial that is under way; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version. `failed`: why it did not come up, or empty."""

    number: int
    digest: str
    kept_s: float
    failed: str = ""


class SiteTrial(Table):
    """`version` is on trial, `before` comes back when it fails. `needs_sink`: a sink was connected under `before`.

    `needs_remote`: it came from afar, so the gateway has to be within reach again.
    """

    version: int = Field(ge=1)
    before: int = Field(ge=1)
    needs_sink: bool = False
    needs_remote: bool = False
    starts: int = Field(0, ge=0)


class SiteHistory:
    """The history of the site file at `path`. OSError from any method: the folder cannot be read or written."""

    def __init__(self, path: Path):
        self._path = path
        self._folder = path.with_name(f"{path.name}.history")
        self._trial = self._folder / "trial.json"

    def versions(self) -> list[Version]:
        """From the oldest kept to the newest."""
        return [self._version(file) for file in sorted(self._folder.glob("[0-9]*.toml"))]

    def next_number(self) -> int:
        """The number that another file would get from `put_on_trial`, which keeps the one in force first."""
        newest_first = sorted(self._folder.glob("[0-9]*.toml"), reverse=True)
        newest = int(newest_first[0].stem) if newest_first else 0
        good = next((file for file in newest_first if not file.with_suffix(".failed").exists()), None)
        is_kept = good is not None and good.read_bytes() == self._path.read_bytes()
        return newest + (1 if is_kept else 2)

    def read(self, number: int) -> bytes:
        """The version's bytes; HistoryError when it is not kept."""
        try:
            return self._file(number).read_bytes()
        except FileNotFoundError:
            raise HistoryError(f"version {number} is not kept; `wayside config history` names those that are") from None

    def keep(self, data: bytes) -> Version:
        """Keep `data` as the newest version, unless it is the newest good one already."""
        versions = self.versions()
        good = [version for version in versions if not version.failed]
        if good and good[-1].digest == _digest(data):
            return good[-1]
        number = versions[-1].number + 1 if versions else 1
        self._make_folder()
        self._write(self._file(number), data)
        for old in versions[: max(0, len(versions) + 1 - _KEPT)]:
            self._file(old.number).unlink()
            self._file(old.number).with_suffix(".failed").unlink(missing_ok=True)
        return self._version(self._file(number))

    def put_on_trial(self, data: bytes, *, needs_sink: bool, needs_remote: bool = False) -> Version:
        """Make `data` the site file, on trial; HistoryError while another version is."""
        if self.trial():
            raise HistoryError("a version is on trial already; wait for its verdict: wayside config history")
        before = self.keep(self._path.read_bytes())
        version = self.keep(data)
        numbers = {"version": version.number, "before": before.number}
        self._write_trial(SiteTrial(**numbers, needs_sink=needs_sink, needs_remote=needs_remote))
        self._write(self._path, data)
        return version

    def trial(self) -> SiteTrial | None:
        """The trial under way; a void one, whose version is not the site file, is none."""
        try:
            trial = SiteTrial.model_validate(json_text.read(self._trial.read_bytes()))
            current = self._path.read_bytes()
            return trial if self.read(trial.version) == current else None
        except (FileNotFoundError, HistoryError, ValueError, TypeError):
            return None

    def start_trial(self) -> SiteTrial | None:
        """As `trial`, and counts a start of its version; one that has ended the process too often has failed."""
        trial = self.trial()
        if trial and trial.starts >= _STARTS:
            self.fail(trial, f"the gateway ended {trial.starts} times before it was up")
            return None
        if trial:
            self._write_trial(trial.model_copy(update={"starts": trial.starts + 1}))
        return trial

    def interrupt(self, trial: SiteTrial) -> None:
        """The gateway was stopped before there was a verdict: that start does not count."""
        self._write_trial(trial)

    def accept(self) -> None:
        """The version on trial has come up."""
        self._trial.unlink(missing_ok=True)

    def fail(self, trial: SiteTrial, why: str) -> None:
        """The version on trial has not come up: the one before it is the site file again."""
        self._write(self._file(trial.version).with_suffix(".failed"), why.encode())
        self._write(self._path, self.read(trial.before))
        self._trial.unlink(missing_ok=True)

    def current(self) -> str:
        """The SHA-256 of the site file, in hexadecimal: what the log's configuration entry holds."""
        return _digest(self._path.read_bytes())

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:04}.toml"

    def _version(self, file: Path) -> Version:
        failed = ""
        with suppress(FileNotFoundError):
            failed = file.with_suffix(".failed").read_text()
        return Version(int(file.stem), _digest(file.read_bytes()), file.stat().st_mtime, failed)

    def _write_trial(self, trial: SiteTrial) -> None:
        self._write(self._trial, trial.model_dump_json().encode())

    def _make_folder(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir()
            self._give(self._folder)

    def _write(self, path: Path, data: bytes) -> None:
        replace_file(path, data, prepare=self._give)

    def _give(self, path: Path) -> None:
        """To the site file's owner: what root writes here, the service must be able to replace."""
        if os.geteuid() == 0:
            owner = self._path.stat()
            os.chown(path, owner.st_uid, owner.st_gid)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
