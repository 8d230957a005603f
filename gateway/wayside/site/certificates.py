"""Which certificates the gateway's parts use, and until when: told in time, before a link stops working one night.

Also what is certain of the time while the clock may be wrong. Reads the log by protocol.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509

from wayside.evidence.entry import decode_entry
from wayside.net.mqtt.tls import not_after_ms
from wayside.parts.about import BAD, GOOD, WARNING, About, Family, Marked, Problem, Sheet
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import LOOP_S, Pulse
from wayside.values.reading import TimeQuality

_logger = logging.getLogger(__name__)

_DAY_MS = 86_400_000
_STAGES_DAYS = (0, 1, 7, 30)
_NOT_DUE = 1000
_EVERY_S = 3600.0
_NEWEST = 1024  # entries of the log that are looked at for the time of a clock that was right


class _Record(Protocol):
    @property
    def entry(self) -> bytes: ...


class _Log(Protocol):
    @property
    def size(self) -> int: ...

    def records(self, first: int, limit: int) -> Sequence[_Record]: ...


class KnownTime:
    """A time that has certainly passed: the last one at which a clock that was synchronised wrote into the log."""

    def __init__(self, clock: Clock, log: _Log):
        self._clock = clock
        first = max(0, log.size - _NEWEST)
        entries = [decode_entry(record.entry) for record in log.records(first, _NEWEST) if record.entry]
        right = [entry.logged_at_ms for entry in entries if entry.time_quality == TimeQuality.SYNCED]
        self._at_least_ms = max(right, default=0)

    def at_least_ms(self) -> int | None:
        """None while the clock is synchronised, and right."""
        if self._clock.time_quality() is TimeQuality.SYNCED:
            self._at_least_ms = max(self._at_least_ms, self._clock.utc_ms())
            return None
        return self._at_least_ms


class PartCertificates:
    """Those that one part uses: `files` by what they are ("client", "authority", "server"), and what it is shown."""

    def __init__(self, part: str, files: Mapping[str, Path]):
        self.part = part
        self._files = files
        self._read: dict[str, tuple[int, int | None]] = {}
        self._shown_ms: int | None = None

    def saw(self, certificate: x509.Certificate) -> None:
        """The far side's."""
        self._shown_ms = not_after_ms(certificate)

    def ends(self) -> Iterator[tuple[str, int]]:
        """(what it is, the end of its window in ms since 1970); of several in a file the first to end."""
        for what, path in self._files.items():
            if (end := self._end_of(what, path)) is not None:
                yield what, end
        if self._shown_ms is not None:
            yield "far side", self._shown_ms

    def _end_of(self, what: str, path: Path) -> int | None:
        """Read again when the file has changed: certificates are renewed. None for one that cannot be read."""
        try:
            changed = path.stat().st_mtime_ns
            if self._read.get(what, (None,))[0] != changed:
                found = x509.load_pem_x509_certificates(path.read_bytes())
                self._read[what] = (changed, min(map(not_after_ms, found)))
        except (OSError, ValueError):
            return None  # the part that needs it says so
        return self._read[what][1]


def told(all_certificates: Iterable[PartCertificates], now_ms: int, time_quality: TimeQuality) -> list[dict[str, Any]]:
    """For the status: part, what, not_after_ms and left_days, None while the clock may be wrong. First to end first."""
    is_right = time_quality is TimeQuality.SYNCED
    rows = [
        {
            "part": each.part,
            "what": what,
            "not_after_ms": end_ms,
            "left_days": (end_ms - now_ms) // _DAY_MS if is_right else None,
        }
        for each in all_certificates
        for what, end_ms in each.ends()
    ]
    return sorted(rows, key=lambda row: row["not_after_ms"])


class ExpiryWatch(About):
    """Warns 30, 7 and 1 days before a certificate ends, and when it has; once each."""

    def __init__(self, tell: Callable[[], list[dict[str, Any]]], every_s: float = _EVERY_S):
        """`tell`: as `told`."""
        super().__init__("certificates")
        self._tell = tell
        self._every_s = every_s
        self._warned: dict[tuple[str, str, int], int] = {}
        self._looks = 0

    def status(self) -> list[dict[str, Any]]:
        return self._tell()

    def problems(self) -> Iterator[Problem]:
        for row in self._tell():
            if is_due(row):
                yield Problem(BAD if row["left_days"] < 7 else WARNING, sentence(row))

    def lines(self) -> Iterator[str]:
        return map(sentence, self._tell())

    def sheets(self) -> Iterator[Sheet]:
        rows = self._tell()
        if rows:
            heads = ("part", "certificate", "ends", "days left")
            yield Sheet("Certificates", heads, [_row(row) for row in rows])

    def metrics(self) -> Iterator[Family]:
        told = self._tell()
        ends = [({"part": row["part"], "certificate": row["what"]}, row["not_after_ms"] // 1000) for row in told]
        yield Family("wayside_certificate_not_after_timestamp_seconds", "gauge", "When a certificate ends.", ends)

    def pulse(self, name: str) -> Pulse:
        """Of run(), as the task `name`."""
        return Pulse(name, lambda: self._looks, within_s=self._every_s + LOOP_S)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._looks += 1
            self.look()
            await asyncio.sleep(self._every_s)

    def look(self) -> None:
        now: dict[tuple[str, str, int], int] = {}
        for row in self._tell():
            key = (row["part"], row["what"], row["not_after_ms"])
            stage = _stage(row["left_days"])
            now[key] = stage
            if stage < self._warned.get(key, _NOT_DUE):
                _logger.warning("%s", sentence(row))
        self._warned = now


def _stage(left_days: int | None) -> int:
    """The number of days of the warning that is due: 30, 7, 1, 0 when it has ended, _NOT_DUE for none."""
    if left_days is None:
        return _NOT_DUE
    return next((days for days in _STAGES_DAYS if left_days < days), _NOT_DUE)


def is_due(row: dict[str, Any]) -> bool:
    """Whether somebody should look after the certificate."""
    return _stage(row["left_days"]) < _NOT_DUE


def _end(row: dict[str, Any]) -> str:
    return datetime.fromtimestamp(row["not_after_ms"] / 1000, UTC).isoformat(timespec="minutes").replace("+00:00", "Z")


def _row(row: dict[str, Any]) -> tuple[str, str, str, Marked]:
    left = row["left_days"]
    days = Marked("not known" if left is None else str(left), WARNING if left is None or is_due(row) else GOOD)
    return row["part"], row["what"], _end(row), days


def sentence(row: dict[str, Any]) -> str:
    """What a row of `told` says, for people."""
    end = _end(row)
    whose = f"certificate of {row['part']} ({row['what']})"
    left = row["left_days"]
    if left is None:
        return f"{whose} ends {end}; the clock is not synchronised"
    return f"{whose} ended {end}" if left < 0 else f"{whose} ends {end}, in {left} days"
