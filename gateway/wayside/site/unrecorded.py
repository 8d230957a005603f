"""From when to when nothing of a device was recorded: what only the next start can say, and says first.

Between a meter's answer and the commit of its report a kill -9 or a power cut loses polls that no sequence number
misses, for they never had one. The last reading in the log and the time of the start are around all of them (decision
0110). Where the clock was not right, the entry says so, and another one follows when it is.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import NamedTuple

from wayside_wire import WireError
from wayside_wire.pack import UNSYNCED, open_pack

from wayside.evidence import EvidenceError
from wayside.evidence.entry import Entry, decode_entry, encode_unplaced
from wayside.evidence.finding import utc
from wayside.evidence.kinds import NOT_CERTAIN, NOT_RECORDED, DeviceBody, PackBody
from wayside.evidence.stream import device_stream
from wayside.log import Append, LogError, LogReader
from wayside.log.reader import epochs
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import Pulse
from wayside.values.reading import TimeQuality

_LOOK_EVERY_S = 1.0
_BEGIN = "at the begin the clock was not synchronised"
_NEWEST = 64  # entries of a stream among which its last pack is looked for


class Silence(NamedTuple):
    """Nothing of the device was recorded from `since_ms` on to the time `ended_s` of the clock that never jumps.

    doubt: why that begin is not certain, "" where it is.
    """

    device: str
    since_ms: int
    doubt: str
    ended_s: float

    def entry(self, clock: Clock) -> Append:
        """The entry that says it, with the time of its end as the clock has that by now.

        Said later, the entry's own time is later than that: what stands between was logged in between.
        """
        now_ms, quality = clock.utc_ms(), clock.time_quality()
        until_ms = now_ms - int((clock.monotonic() - self.ended_s) * 1000)
        text = f"from {utc(self.since_ms)} to {utc(until_ms)} nothing of it was recorded"
        text += "; what was read in that time is lost"
        doubts = [self.doubt] if self.doubt else []
        if quality != TimeQuality.SYNCED:
            doubts.append("at the end the clock was not synchronised")
        elif until_ms < self.since_ms:
            doubts.append("the clock was ahead at the begin")
        if doubts:
            text += NOT_CERTAIN + ", ".join(doubts)
        body = DeviceBody(NOT_RECORDED, text, self.since_ms)
        return Append(device_stream(self.device), encode_unplaced(now_ms, quality, body))


class Corrections:
    """Says again of times that nothing was recorded, once the clock is right, how long they were.

    keep(entry): into the log.
    """

    def __init__(self, clock: Clock, keep: Callable[[Append], object]):
        self._clock = clock
        self._keep = keep
        self._open: list[Silence] = []
        self._looks = 0

    def said(self, silences: Iterable[Silence]) -> None:
        """These were said just now; with a clock that was not synchronised they wait for the right time."""
        if self._clock.time_quality() != TimeQuality.SYNCED:
            self._open += silences

    def pulse(self, name: str) -> Pulse:
        """Of run(), as the task `name`."""
        return Pulse(name, lambda: self._looks)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._looks += 1
            if self._open and self._clock.time_quality() == TimeQuality.SYNCED:
                settled, self._open = self._open, []
                for silence in settled:
                    self._keep(silence.entry(self._clock))


def unrecorded(log: LogReader, devices: Iterable[str], clock: Clock, started_ms: int = 0) -> list[Silence]:
    """Of each of `devices`, from its last reading in the log on; `log`: the newest epoch.

    Of a device without any, from the start before this one on, `started_ms`; 0 where there was none.
    """
    found = []
    for device in devices:
        last = _last_of(log, device)
        since_ms, doubt = _last_reading(last) if last else (started_ms, "")
        if since_ms:
            found.append(Silence(device, since_ms, doubt, clock.monotonic()))
    return found


def _last_of(log: LogReader, device: str) -> Entry | None:
    """What cannot be read stops no start: nothing is known then."""
    try:
        return next((each for reader in _with_earlier(log) if (each := _last_entry(reader, device))), None)
    except LogError:
        return None


def _with_earlier(log: LogReader) -> Iterator[LogReader]:
    yield log
    for epoch in sorted((each for each in epochs(log.folder) if each < log.epoch), reverse=True):
        try:
            with closing(LogReader(log.folder, epoch=epoch)) as reader:
                yield reader
        except LogError:
            continue


def _newest_indexes(log: LogReader, stream: str) -> list[int]:
    """None where the disk does not give them: what cannot be read of one device keeps no gateway from starting."""
    try:
        count = log.stored(stream)[1]
        return log.indexes_of(stream, max(0, count - _NEWEST), count)
    except LogError:
        return []


def _last_entry(log: LogReader, device: str) -> Entry | None:
    """The device's newest pack that is not erased, or else what else there is of it."""
    stream = device_stream(device)
    newest = None
    for index in reversed(_newest_indexes(log, stream)):
        [record] = log.records(index, 1)
        if record.damaged:
            continue  # of an earlier one the time is longer, and around what is lost all the same
        if not record.entry:
            break
        try:
            entry = decode_entry(record.entry)
        except EvidenceError:
            continue  # spoilt, or of a later version
        if isinstance(entry.body, PackBody):
            return entry
        newest = newest or entry
    return newest


def _last_reading(entry: Entry) -> tuple[int, str]:
    """(ms since 1970, why it is not certain)"""
    time_ms, quality = entry.logged_at_ms, entry.time_quality
    if isinstance(entry.body, DeviceBody) and entry.body.event == NOT_RECORDED and entry.body.last_good_ms is not None:
        doubt = entry.body.text.partition(NOT_CERTAIN)[2]
        return entry.body.last_good_ms, _BEGIN if _BEGIN in doubt else ""
    if isinstance(entry.body, PackBody):
        with suppress(WireError):
            pack, _ = open_pack(entry.body.raw, lambda *_: True)
            if pack.time_quality != UNSYNCED:
                time_ms, quality = max(reading.time_ms for reading in pack.readings), pack.time_quality
    return time_ms, "" if quality == TimeQuality.SYNCED else _BEGIN
