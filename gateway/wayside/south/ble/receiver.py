"""BTHome beacons: whose advertisement it is, whether it was heard before, and what it says.

An encrypted one counts once: its counter may not fall, and two of one counter are two only when they say different
things, as firmware does whose values do not fit one advertisement. Counter and contents are on disk before a value is
told, so that nothing can be played again across a reboot. What is in the clear may come from anybody.

A counter that starts anew is a new battery, or a recording that somebody plays: no receiver can tell. It is named in
the log and in the status, and taken only after somebody has said so (`accept`; decision 0113).
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wayside_wire import WireError, bthome
from wayside_wire.pack import BAD, GOOD

from wayside.parts.part import BeginningError
from wayside.runtime.clock import Clock
from wayside.south.ble.scanner import Advert, uuid16
from wayside.south.lora.store import LoraStore
from wayside.values.reading import Reading

_SERVICE = uuid16(bthome.UUID16)
_REFUSED = 3  # different authentic ones in a row that were refused, before that is told: one is a late repetition
_NOTE_EVERY_S = 3600.0  # in the log at most: whoever plays recordings fills no disk
_MOST_CONTENTS = 16  # of one counter
_MOST_SEEN = 256  # of those that are refused

Report = Callable[[str, Sequence[Reading]], None]
Note = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class BleSender:
    """A sensor that advertises. key: 16 bytes; None: it sends in the clear, and anybody may speak for it."""

    device: str
    key: bytes | None


class RefusedBeginning(NamedTuple):
    """What was authentic and refused since something was taken: the first counter, the newest, and how many differ.

    seen: digests of them: a recording that is played between moves nothing.
    """

    first: int
    last: int
    heard: int
    seen: frozenset[bytes]

    @property
    def is_one(self) -> bool:
        return self.heard >= _REFUSED


@dataclass(slots=True)
class _Heard:
    """What is known of one beacon. last: its counter, or packet id in the clear; said: contents under it."""

    beacon: BleSender
    address: bytes
    last: int
    said: set[bytes]
    beginning: RefusedBeginning | None = None
    noted_s: float = float("-inf")
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def number(self) -> int:
        """By which the store knows it."""
        return int.from_bytes(self.address, "big")


class BleReceiver:
    """Sensors by address. `strangers`: advertisements of nobody in the site file."""

    def __init__(self, beacons: Mapping[str, BleSender], store: LoraStore, clock: Clock, report: Report, note: Note):
        """note(device, text): a counter has started anew."""
        self.strangers = 0
        self._store = store
        self._clock = clock
        self._report = report
        self._note = note
        last, said = store.last(), store.said()
        self._heard = {}
        for address, beacon in beacons.items():
            raw = bytes.fromhex(address.replace(":", ""))
            number = int.from_bytes(raw, "big") if beacon.key else -1  # of what is in the clear nothing is kept
            self._heard[address.upper()] = _Heard(beacon, raw, last.get(number, -1), said.get(number, set()))

    def take(self, advert: Advert) -> None:
        """One advertisement. Nothing in it raises."""
        data = advert.services.get(_SERVICE)
        heard = self._heard.get(advert.address.upper())
        if data is None or heard is None:
            self.strangers += 1
            return
        try:
            plain = data if heard.beacon.key is None else self._open(heard, heard.beacon.key, data)
            if plain is None:
                return
            packet, found = bthome.decode(plain)
        except WireError:
            heard.counts["malformed or not authentic"] += 1
            return
        if packet is not None and heard.beacon.key is None and not _is_new_packet(heard, packet, plain):
            return
        if not found:
            heard.counts["nothing to report"] += 1  # an event, or objects that nobody here knows
        else:
            heard.counts["reports"] += 1
            now = self._clock.utc_ms()
            self._report(heard.beacon.device, [_reading(row, now) for row in found])

    def status(self) -> dict[str, dict[str, Any]]:
        """For each device what came and what was wrong with it, and "restarted": what its counter does, or nothing."""
        return {
            heard.beacon.device: {
                "counts": dict(heard.counts),
                "restarted": _told(heard) if heard.beginning and heard.beginning.is_one else "",
            }
            for heard in self._heard.values()
        }

    def accept(self, device: str) -> str:
        """Take the new beginning of a device's counter; what was done, in words. BeginningError when there is none.

        Advertisements recorded from before are below the counter that now counts, or can be played once more.
        """
        heard = next((each for each in self._heard.values() if each.beacon.device == device), None)
        if heard is None or not (heard.beginning and heard.beginning.is_one):
            raise BeginningError(f"the counter of {device} has not started anew")
        before, now = heard.last, heard.beginning.last
        if now == before:
            raise BeginningError(f"the counter of {device} stands still: give it firmware that counts, or no key")
        try:
            self._store.take_said(heard.number, now, b"")
        except sqlite3.Error as error:
            raise BeginningError(f"the disk refuses: {error}") from None
        heard.last, heard.said, heard.beginning = now, {b""}, None
        heard.counts["beginnings accepted"] += 1
        return f"counts from {now} on, no more from {before}"

    def _open(self, heard: _Heard, key: bytes, data: bytes) -> bytes | None:
        """Plain service data; None for what is not news."""
        if not bthome.is_encrypted(data):
            heard.counts["not encrypted"] += 1  # somebody else speaks for it
            return None
        counter, opened = bthome.open_sealed(data, key, heard.address)
        plain = bytes(opened)
        content = _digest(plain)
        if counter < heard.last:
            heard.counts["older counter"] += 1
            self._note_refused(heard, counter, content)
            return None
        said = heard.said if counter == heard.last else set()
        if content in said or (counter == heard.last and not said):  # contents were not always kept
            heard.counts["repeated"] += 1
            return None
        if len(said) >= _MOST_CONTENTS:
            heard.counts["too many of one counter"] += 1
            self._note_refused(heard, counter, content)
            return None
        try:
            self._store.take_said(heard.number, counter, content)
        except sqlite3.Error:
            heard.counts["disk refuses"] += 1  # what is not durable might be played again
            return None
        if said:
            heard.counts["same counter, other content"] += 1
        heard.last, heard.said, heard.beginning = counter, said | {content}, None
        return plain

    def _note_refused(self, heard: _Heard, counter: int, content: bytes) -> None:
        digest = _digest(counter.to_bytes(4, "big") + content)
        one = heard.beginning or RefusedBeginning(counter, counter, 0, frozenset())
        if digest in one.seen:
            return  # heard again
        seen = one.seen | {digest} if len(one.seen) < _MOST_SEEN else frozenset((digest,))
        heard.beginning = RefusedBeginning(one.first, counter, one.heard + 1, seen)
        now = self._clock.monotonic()
        if heard.beginning.heard == _REFUSED and now - heard.noted_s >= _NOTE_EVERY_S:
            heard.noted_s = now
            self._note(heard.beacon.device, _told(heard))


def _told(heard: _Heard) -> str:
    if heard.beginning and heard.beginning.last == heard.last:
        return f"stands still at {heard.last}: nothing more of it is taken, a recording would look the same"
    first = heard.beginning.first if heard.beginning else 0
    return f"counts from {first}, after {heard.last}: a new battery, or a recording; nothing of it is taken"


def _is_new_packet(heard: _Heard, packet: int, plain: bytes) -> bool:
    """Whether a packet in the clear is not the one before once more."""
    content = _digest(plain)
    said = heard.said if packet == heard.last else set()
    if content in said:
        heard.counts["repeated"] += 1
        return False
    if said:
        heard.counts["same counter, other content"] += 1
    heard.last = packet
    heard.said = said | {content} if len(said) < _MOST_CONTENTS else {content}
    return True


def _digest(plain: bytes) -> bytes:
    return hashlib.sha256(plain).digest()[:16]


def _reading(row: tuple[str, str, int | None, int], time_ms: int) -> Reading:
    name, unit, value, exponent = row
    if value is None:
        return Reading(name, unit, None, 0, BAD, "out of range", time_ms)
    return Reading(name, unit, value, exponent, GOOD, "", time_ms)
