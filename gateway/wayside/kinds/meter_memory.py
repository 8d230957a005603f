"""What the log knows of polled meters from before this start: serial numbers and last counts.

A serial number is noted with the event that tells of it, see serial_note(). Last counts stand in the device's last
packs: where one of its counters had no good value lately, it is looked for further back. What they are counts of is
noted with them: the site file may mean another meter by the same name since (docs/decisions/0117).
"""

from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from wayside_wire import WireError, pack
from wayside_wire.counter import is_held_back
from wayside_wire.modbus_counts import belonging, is_counter

from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import GATEWAY_ATTESTED, DeviceBody, PackBody
from wayside.evidence.stream import device_stream
from wayside.log import LogError, LogReader
from wayside.log.reader import epochs
from wayside.net.endpoint import Endpoint, SerialEndpoint
from wayside.runtime.clock import Clock
from wayside.south.modbus.device import DeviceSettings, EventKind, Known
from wayside.values.reading import Quality, Reading, TimeQuality

_EPOCHS = 3  # of the log, the newest ones
_LOOK_BACK = 60  # entries of a device's stream ...
_LOOK_FAR_BACK = 600  # ... where a counter's last count is not among them
ELSEWHERE = "counts anew: another unit, part, endpoint, profile or transformer ratio than before"
_NEW_COUNTS = (EventKind.REPLACED, EventKind.RESET, EventKind.ROLLOVER, EventKind.UNWATCHED)


def serial_note(device: str) -> str:
    """Under which name the log keeps the registers of a device's serial number."""
    return f"serial {device}"


def place_note(device: str) -> str:
    """Under which name the log keeps what a device's counts are counts of: the bytes of a CountsPlace."""
    return f"place {device}"


class CountsPlace(NamedTuple):
    """What a device's counts are counts of. line: of its endpoint; counts: see modbus_counts.belonging."""

    line: bytes
    counts: bytes

    @classmethod
    def of(cls, endpoint: Endpoint, settings: DeviceSettings) -> "CountsPlace":
        line = endpoint.path if isinstance(endpoint, SerialEndpoint) else f"{endpoint.host}:{endpoint.port}"
        profile = settings.profile
        counts = belonging(settings.unit, profile.part, profile.name, profile.fields.values())
        return cls(sha256(line.encode()).digest()[:8], counts)

    @property
    def note(self) -> bytes:
        return self.line + self.counts

    def remembers(self, before: bytes | None, known: Known, has_number: bool) -> Known:
        """Of what was `known` where the note was `before`, what holds here.

        has_number: whether the device is asked for a serial number. At the end of another line that says whether it is
        the same meter; at another unit it does not: the devices behind one gateway may have one number.
        """
        if before == self.note or not any(map(is_counter, known.counts)):
            return known
        if has_number and before and before[8:] == self.counts:
            return known._replace(at_ms=None)
        return Known(None, {name: count for name, count in known.counts.items() if not is_counter(name)}, None)


class Placed:
    """Notes a device's place with the first report in which it has counted."""

    def __init__(self, device: str, place: CountsPlace):
        self._notes = {place_note(device): place.note}

    def with_report(self, readings: Sequence[Reading]) -> dict[str, bytes]:
        """The notes that go with these readings."""
        if not any(reading.quality == Quality.GOOD and is_counter(reading.channel) for reading in readings):
            return {}
        notes, self._notes = self._notes, {}
        return notes


class LoggedMeterMemory:
    """Looks once, at the start of a bus, at the newest epochs of the log in `folder` that tell of its devices."""

    def __init__(self, folder: Path, clock: Clock):
        self._folder = folder
        self._clock = clock

    def known(self, devices: Sequence[str]) -> dict[str, tuple[bytes | None, Known]]:
        """Of each of the devices that the log has something of, with the note of its CountsPlace. A log that cannot be
        read knows nothing."""
        found: dict[str, tuple[bytes | None, Known]] = {}
        for epoch in sorted(epochs(self._folder), reverse=True)[:_EPOCHS]:
            try:
                with closing(LogReader(self._folder, epoch=epoch)) as log:
                    for device in devices:
                        place, known = found.get(device) or (log.note(place_note(device)), self._of(log, device))
                        if known and known.serial is None:
                            known = known._replace(serial=log.note(serial_note(device)))
                        if known:
                            found[device] = place, known
            except LogError:
                continue
        return found

    def _of(self, log: LogReader, device: str) -> Known | None:
        stream = device_stream(device)
        if not any(head.stream == stream for head in log.streams()):
            return None
        counts: dict[str, tuple[int, int]] = {}
        lacking: set[str] = set()  # counters that had no good value since
        doubted: set[str] = set()
        at_ms: int | None = None
        is_found = False
        for looked, record in enumerate(log.newest(stream, _LOOK_FAR_BACK)):
            if looked >= _LOOK_BACK and not lacking:
                break
            try:
                body = decode_entry(record.entry).body
                if isinstance(body, DeviceBody) and body.event in _NEW_COUNTS:
                    break
                if not isinstance(body, PackBody) or body.attested != GATEWAY_ATTESTED:
                    continue
                opened: pack.Pack = pack.open_pack(body.raw, lambda *_: True)[0]
            except (EvidenceError, WireError):
                continue  # erased, or of a later version
            good = [reading for reading in opened.readings if reading.quality == Quality.GOOD]
            for reading in good:
                counts.setdefault(reading.channel, (reading.mantissa, reading.exponent))
            for reading in opened.readings:
                if is_counter(reading.channel) and reading.channel not in counts:
                    lacking.add(reading.channel)
                    if is_held_back(reading.reason):
                        doubted.add(reading.channel)
            lacking -= counts.keys()
            if good and not is_found:
                is_found = True
                at_ms = self._at(opened.time_quality, max(reading.time_ms for reading in good))
        return Known(None, counts, at_ms, frozenset(doubted))

    def _at(self, quality: int, time_ms: int) -> int | None:
        """A wall time on the monotonic clock, in ms; None where one of the two clocks was or is not set."""
        if TimeQuality.UNSYNCED in (quality, self._clock.time_quality()):
            return None
        ago_ms = self._clock.utc_ms() - time_ms
        return round(self._clock.monotonic() * 1000) - ago_ms if ago_ms >= 0 else None
