"""A report as sinks get it: what one pack in the log says, typed. In which form it goes out is each sink's affair."""

from collections.abc import Iterable
from typing import NamedTuple

from wayside_wire import WireError, pack
from wayside_wire.pack import Reading

from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import PackBody
from wayside.net.far_side import Rejected
from wayside.values.reading import TimeQuality

from .sink import SinkRecord


class Report(NamedTuple):
    """origin, entry_index: where it stands in which log, which tells a repetition; attested: "device" or "gateway".

    device, boot, sequence: the pack's identity. logged_at_ms: when it came into the log, ms since 1970 UTC; None where
    the gateway did not know the time.

    readings: at least one. The fields of a reading (wayside.values.reading.Reading) are `channel`, `unit` (SenML),
    `mantissa` and `exponent` (the value is mantissa * 10**exponent; mantissa is None when there is no value), `quality`
    (GOOD, UNCERTAIN or BAD), `reason` (text, of a bad reading only; else "") and `time_ms`: ms since 1970 UTC when
    `time_quality` is SYNCED or HOLDOVER, ms since the start of boot number `boot` when it is UNSYNCED.
    """

    origin: str
    entry_index: int
    attested: str
    device: str
    boot: int
    sequence: int
    time_quality: TimeQuality
    readings: tuple[Reading, ...]
    logged_at_ms: int | None

    @property
    def delay_s(self) -> float:
        """How long after its newest reading it came into the log; 0 where nobody knows.

        Both times are the gateway's, or come from it (decision 0012).
        """
        if self.logged_at_ms is None or self.time_quality is TimeQuality.UNSYNCED:
            return 0.0
        newest_ms: int = max(reading.time_ms for reading in self.readings)
        return max(0, self.logged_at_ms - newest_ms) / 1000


def reports(origin: str, records: Iterable[SinkRecord]) -> list[Report]:
    """The reports in those entries of the log `origin` that hold a pack; no other kind of entry has one.

    Rejected when one cannot be read: a later version may have written it.
    """
    found = []
    for record in records:
        try:
            entry = decode_entry(record.entry)
            body = entry.body
            if not isinstance(body, PackBody):
                continue
            # The log holds only packs whose signature was checked on the way in, and gives out only what it holds.
            opened, _ = pack.open_pack(body.raw, lambda kid, message, signature: True)
        except (EvidenceError, WireError) as error:
            raise Rejected(f"an entry that this version cannot read: {error}") from None
        device, boot, sequence, quality, _, readings = opened
        logged_at_ms = None if entry.time_quality == TimeQuality.UNSYNCED else entry.logged_at_ms
        report = Report(
            origin, record.index, body.attested, device, boot, sequence, TimeQuality(quality), readings, logged_at_ms
        )
        found.append(report)
    return found
