"""That a gateway ended without stopping, which only the next start can say: what waited in its memory is lost.

While the disk refuses, events, outcomes of commands and steps of the clock wait as reports do. Of the reports of a
device "not recorded" tells (`unrecorded`); of all the rest this, for the gateway itself.
"""

from contextlib import suppress

from wayside.evidence import EvidenceError
from wayside.evidence.entry import beginning, encode_unplaced
from wayside.evidence.finding import utc
from wayside.evidence.kinds import NOT_CERTAIN, CommandBody
from wayside.evidence.stream import GATEWAY
from wayside.log import Append, Log
from wayside.runtime.clock import Clock
from wayside.values.reading import TimeQuality

CUT_OFF = "cut off"
# What the log keeps beside the cursors: 1 from a start on to an end that lost nothing; after an end that may have lost
# something the number of entries that were there then, and 1.
_RUNS = "gateway/runs"


def note_end(log: Log) -> None:
    """Before anybody else writes into the log: where the gateway before was cut off, its last entry is the last one."""
    if log.cursor(_RUNS) == 1:
        log.set_cursor(_RUNS, 1 + log.size)


def cut_off(log: Log, clock: Clock) -> list[Append]:
    """The entry that says so, where the gateway before this one was cut off."""
    size = log.cursor(_RUNS) - 1
    if size < 0:
        return []
    now_ms, qualities = clock.utc_ms(), [clock.time_quality()]
    since_ms = now_ms
    for record in log.records(size - 1, 1) if size else ():
        with suppress(EvidenceError):
            _, since_ms, quality = beginning(record.entry)
            qualities.append(TimeQuality(quality))
    text = (
        f"the gateway before this start did not end in order (a kill, a power cut, a disk that took nothing): what"
        f" waited in its memory from {utc(since_ms)} to {utc(now_ms)}, if anything did, is lost: events of devices,"
        " outcomes of commands, steps of the clock"
    )
    if any(each != TimeQuality.SYNCED for each in qualities) or since_ms > now_ms:
        text += f"{NOT_CERTAIN}the clock was not synchronised"
    body = CommandBody("gateway", "gateway", CUT_OFF, text)
    return [Append(GATEWAY, encode_unplaced(now_ms, clock.time_quality(), body))]


def note_running(log: Log, is_running: bool) -> None:
    """LogError when the log cannot be written."""
    log.set_cursor(_RUNS, int(is_running))
