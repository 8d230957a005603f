"""From when to when nothing of a device was recorded: what only the next start can say, and says first.

Between a meter's answer and the commit of its report a kill -9 or a power cut loses polls that no sequence number
misses, for they never had one. The last reading in the log and the time of the start are around all of them (decision
0110).
"""

from collections.abc import Iterable, Iterator
from contextlib import closing

from wayside_wire.pack import UNSYNCED, open_pack

from wayside.clock import Clock
from wayside.config import SiteFile
from wayside.evidence.entry import Entry, decode_entry, encode_unplaced
from wayside.evidence.finding import utc
from wayside.evidence.kinds import NOT_RECORDED, Device, Pack
from wayside.evidence.stream import device_stream
from wayside.log import Append, LogError, LogReader
from wayside.log.reader import epochs

_NEWEST = 64  # entries of a stream among which its last pack is looked for


def read_by_gateway(site: SiteFile) -> list[str]:
    """The devices that keep nothing themselves: what the gateway does not record of them, nobody has."""
    polled = [device.name for bus in site.bus for device in bus.device]
    return polled + [each for ble in site.ble for each in ble.devices()] + [each.device for each in site.adapter]


def unrecorded(log: LogReader, devices: Iterable[str], clock: Clock, started_ms: int = 0) -> list[Append]:
    """An entry for each of `devices`, from its last reading in the log on; `log`: the newest epoch.

    Of a device without any, from the start before this one on, `started_ms`; 0 where there was none.
    """
    now_ms = clock.utc_ms()
    found = []
    for device in devices:
        last = next((each for reader in _with_earlier(log) if (each := _last_entry(reader, device))), None)
        last_ms = _last_reading_ms(last) if last else started_ms
        if not last_ms:
            continue
        text = f"from {utc(last_ms)} to {utc(now_ms)} nothing of it was recorded; what was read in that time is lost"
        body = Device(NOT_RECORDED, text, last_ms)
        found.append(Append(device_stream(device), encode_unplaced(now_ms, clock.time_quality(), body)))
    return found


def _with_earlier(log: LogReader) -> Iterator[LogReader]:
    yield log
    for epoch in sorted((each for each in epochs(log.folder) if each < log.epoch), reverse=True):
        try:
            with closing(LogReader(log.folder, epoch=epoch)) as reader:
                yield reader
        except LogError:
            continue


def _last_entry(log: LogReader, device: str) -> Entry | None:
    """The device's newest pack that is not erased, or else what else there is of it."""
    stream = device_stream(device)
    count = log.stored(stream)[1]
    newest = None
    for index in reversed(log.indexes_of(stream, max(0, count - _NEWEST), count)):
        [record] = log.records(index, 1)
        if not record.entry:
            break
        entry = decode_entry(record.entry)
        if isinstance(entry.body, Pack):
            return entry
        newest = newest or entry
    return newest


def _last_reading_ms(entry: Entry) -> int:
    if isinstance(entry.body, Device) and entry.body.event == NOT_RECORDED and entry.body.last_good_ms is not None:
        return entry.body.last_good_ms
    if not isinstance(entry.body, Pack):
        return entry.logged_at_ms
    pack, _ = open_pack(entry.body.raw, lambda *_: True)
    if pack.time_quality == UNSYNCED:
        return entry.logged_at_ms
    last_ms: int = max(reading.time_ms for reading in pack.readings)
    return last_ms
