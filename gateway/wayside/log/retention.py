"""Retention by age and by size, per stream: old entries go, their hashes stay, every other proof stays valid.

The log says first what it is going to erase, then it is erased: power may go in between, then the next pass does the
rest and says so once more. Where to go on is remembered by name, so a pass does not begin at the first entry ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wayside_wire.pack import SYNCED

from wayside.evidence.bundle import GATEWAY_STREAM
from wayside.evidence.entry import Kind, decode_entry, encode_entry, retention_body

from .log import Append, Log
from .store import Record

_AT_ONCE = 4096  # entries that one pass erases per stream at most, so that live data does not wait


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a stream's entries are kept. None: without that limit."""

    max_age_ms: int | None = None
    max_bytes: int | None = None


def expire(log: Log, policies: Mapping[str, Policy], now_ms: int, time_quality: int, sinks: Iterable[str] = ()) -> int:
    """One pass over the streams; how many entries were erased. LogError when the disk refuses.

    Age counts only while the clock is synchronised: a clock that is a year ahead must not erase a year. And it waits
    for `sinks`: what one of them has not delivered goes only when the size forces it, and the log says so.
    """
    erased = 0
    delivered = min((log.cursor(sink) for sink in sinks), default=log.size)
    for stream, policy in policies.items():
        if stream == GATEWAY_STREAM:
            continue
        name = f"retention/{stream}"
        first = log.cursor(name)
        oldest = log.oldest(stream, first, log.erasable, _AT_ONCE)
        by_age = 0
        if policy.max_age_ms and time_quality == SYNCED:
            by_age = _expired([each for each in oldest if each.index < delivered], now_ms - policy.max_age_ms)
        by_size = _surplus(oldest, log.stored_bytes(stream, first) - policy.max_bytes) if policy.max_bytes else 0
        count = max(by_age, by_size)
        if not count:
            continue
        begin, end = oldest[0].index, oldest[count - 1].index + 1
        cause = "age" if by_age >= by_size else "size" if end <= delivered else "size, undelivered"
        body = retention_body(stream, begin, end, cause)
        log.append([Append(GATEWAY_STREAM, encode_entry(Kind.RETENTION, now_ms, time_quality, body))])
        erased += log.erase(stream, begin, end)
        log.set_cursor(name, end)
    return erased


def _expired(oldest: list[Record], before_ms: int) -> int:
    """How many of the oldest were logged before; up to the first that was not, whatever the clock did after it."""
    for count, record in enumerate(oldest):
        if decode_entry(record.entry).logged_at_ms >= before_ms:
            return count
    return len(oldest)


def _surplus(oldest: list[Record], surplus: int) -> int:
    """How many of the oldest it takes to free `surplus` bytes."""
    count = 0
    while surplus > 0 and count < len(oldest):
        surplus -= len(oldest[count].entry)
        count += 1
    return count
