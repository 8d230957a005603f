"""The one judge of a log's entries: whose packs count, what is missing of each device, what the log says is lost.

The verifier, a receiver and settlement ask this code, so that none of them is laxer than another. It takes each entry
once, in whatever order; what it says is worth as much as the proof that the entries are in the log.
"""

import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from wayside_wire.counter import ROLLOVER
from wayside_wire.modbus_counts import REPLACED, UNWATCHED
from wayside_wire.pack import SYNCED, key_id

from wayside.evidence import EvidenceError
from wayside.evidence.chain import Added, Chain, ChainGap
from wayside.evidence.entry import Entry
from wayside.evidence.finding import SHOWN, utc
from wayside.evidence.heads import StreamHead
from wayside.evidence.intervals import IntervalSet
from wayside.evidence.keyring import Keyring, Registration
from wayside.evidence.kinds import (
    NOT_CERTAIN,
    NOT_RECORDED,
    REGISTERED,
    KeyBody,
    OverloadBody,
    PackBody,
    RetentionBody,
    UnknownBody,
)
from wayside.evidence.kinds import DeviceBody as DeviceEvent
from wayside.evidence.kinds import GapBody as GapEntry
from wayside.evidence.look import PackFacts
from wayside.evidence.stream import device_of

_SAID = re.compile(r"from (\S+ to \S+) nothing of it was recorded", re.ASCII)
COMPLETE, INCOMPLETE, OPEN = "COMPLETE", "INCOMPLETE", "OPEN"
ANY = "*"
_NEW_COUNTS = (REPLACED, UNWATCHED, ROLLOVER)


class Why(NamedTuple):
    """Why a settlement's stretch ends. is_new_count: another count may begin there, so that a lower register is no fall
    and shows nothing of those before it."""

    text: str
    is_new_count: bool = False

    def __str__(self) -> str:
        return self.text


class Completeness(NamedTuple):
    """state: COMPLETE, INCOMPLETE or OPEN; missing: losses that nobody named; named: those that the log names itself;
    open: sides that are not proven; text: all of it in words; unrecorded: when the gateway did not run, by its word."""

    state: str
    missing: tuple[str, ...]
    named: tuple[str, ...]
    open: tuple[str, ...]
    text: str
    unrecorded: tuple[str, ...] = ()


@dataclass(slots=True)
class DeviceAccount:
    """What came of one device. Places of entries are indexes in the log."""

    name: str
    remember: int | None = None
    chains: dict[bytes, Chain] = field(default_factory=dict)  # by key id, in the order of their first packs
    numbers: IntervalSet = field(default_factory=IntervalSet)  # of the stream's entries
    counted: dict[bytes, "array[int]"] = field(default_factory=dict)  # by key id, the packs that count; if remembered
    packs: int = 0
    readings: int = 0
    bad: int = 0
    unattested: int = 0  # reports that were heard and never signed
    attested: Counter[str] = field(default_factory=Counter)
    keys: dict[bytes, Registration] = field(default_factory=dict)  # those of packs that count, as they were then
    last_by: dict[bytes, int] = field(default_factory=dict)  # by key id, the last pack that counts
    quality: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    repeated: int = 0
    losses: list[str] = field(default_factory=list)  # overloads and reports that were never signed, by their entries
    unrecorded: list[str] = field(default_factory=list)  # from when to when the gateway did not run
    erased: list[tuple[int, int, int, str]] = field(default_factory=list)  # index, first, end, cause
    breaks: list[tuple[int, Why]] = field(default_factory=list)  # what ends a settlement's stretch, by its entry
    unknown: list[int] = field(default_factory=list)  # entries of a later version, which may say anything

    def chain(self, kid: bytes) -> Chain:
        return self.chains.setdefault(kid, Chain(self.remember))

    def completeness(self, head: StreamHead | None, earlier: str = "") -> Completeness:
        """What is missing of the device's stream; `head`: the stream's, proven, or None where it is not.

        earlier: the logs of the site before this one, in words; empty where there are none.
        """
        missing = [f"{each}" for each in self._gaps()]
        named = [f"{each}" for chain in self.chains.values() for each in chain.named()]
        named += [each for chain in self.chains.values() for each in chain.outside()]
        opened, erased = self._sides(head)
        if earlier:
            opened.append(f"beginning: what it had in {earlier} is not in this file")
        for kid, chain in self.chains.items():
            before = chain.before_first()
            if before is None:
                continue
            if before.causes:
                named.append(str(before))
            elif self.numbers.first == 0 and kid == next(iter(self.chains)):
                missing.append(f"{before}, and no entry names it")
            elif self.numbers.first == 0:
                missing.append(f"{before} of key {kid.hex()}, and no entry names it")
        named += erased + self.losses
        spans = [chain.span() for chain in self.chains.values() if chain.first is not None]
        many = f", by {len(spans)} keys" if len(spans) > 1 else ""
        where = f"packs {'; '.join(spans)}{many}" if spans else "no packs"
        # What does not count is no pack of the device: nothing is whole that holds it.
        refused = len(self.problems) + len(self.revoked)
        why = [f"missing {', '.join(missing[:SHOWN])}"] if missing else []
        if refused:
            why.append(f"{refused} packs do not count")
        lost = missing or refused or named or not self.packs
        state = INCOMPLETE if lost else OPEN if opened else COMPLETE
        if named:
            why.append(f"named by the log: {', '.join(named[:SHOWN])}")
        if opened:
            why.append(f"OPEN at its {' and at its '.join(opened)}")
        if self.unrecorded:
            why.append(f"not recorded: {', '.join(self.unrecorded[:SHOWN])}" + _more(self.unrecorded))
        text = "; ".join([f"{state}: {where}", *why])
        return Completeness(state, tuple(missing), tuple(named), tuple(opened), text, tuple(self.unrecorded))

    def _gaps(self) -> list[ChainGap]:
        return [gap for chain in self.chains.values() for gap in chain.gaps()]

    def _sides(self, head: StreamHead | None) -> tuple[list[str], list[str]]:
        """(sides that are not proven, what the log says is erased)."""
        opened, erased = [], []
        first, end = self.numbers.first or 0, self.numbers.end
        if self.unknown:
            opened.append(
                f"middle: {len(self.unknown)} entries are of kinds that are not known here, from entry "
                f"{min(self.unknown)} on"
            )
        gone = IntervalSet()
        for index, begin, until, cause in self.erased:
            erased.append(f"numbers {f'{begin} to' if begin else 'up to'} {until - 1} erased ({cause}, entry {index})")
            gone.add(begin, until)
        if first or not end:
            why = "erased" if end and gone.covers(0, first) else "not in this file"
            opened.append(f"beginning: entries 0 to {first - 1} of its stream are {why}" if first else "beginning")
        for hole_first, hole_end in self.numbers.holes():
            opened.append(f"middle: entries {hole_first} to {hole_end - 1} of its stream are not in this file")
        if head is None:
            opened.append("end: how many entries its stream has is not proven here")
        elif end < head.count:
            opened.append(f"end: entries {end} to {head.count - 1} of its stream are not in this file")
        return opened, erased


def _more(found: list[str]) -> str:
    return f" and {len(found) - SHOWN} times more" if len(found) > SHOWN else ""


class EntryJudge:
    """`keyring` and `devices` say what came of the entries so far."""

    def __init__(self, pins: Mapping[str, Collection[bytes]] | None = None, remember: int | None = None) -> None:
        """pins: key ids by device ("*": any), where the reader accepts no other, whatever the log says.

        remember: of how many packs of a device the hash is kept; None: of all.
        """
        self.keyring = Keyring()
        self.devices: dict[str, DeviceAccount] = {}
        self._pins = pins or {}
        self.key_breaks: dict[str, list[tuple[int, Why]]] = {}
        """By device, key entries that concern it: (index, what it says)."""
        self.keys_of: dict[str, dict[bytes, None]] = {}
        """By device, the ids of all keys that were ever to sign for it."""
        self._remember = remember

    def device(self, name: str) -> DeviceAccount:
        known = self.devices.get(name)
        if known is None:
            known = self.devices[name] = DeviceAccount(name, self._remember)
        return known

    def take_key(self, index: int, key: KeyBody) -> None:
        """EvidenceError: the log must not say that. Packs behind it that were taken before stay as they were judged."""
        self.keyring.take(index, key)
        kid: bytes = key_id(key.public)
        known = self.keyring.get(kid, index)
        if not _only_certified(key, known):
            for name in {*key.devices, *(known.devices if known else ())}:
                why = Why(f"entry {index}: key {kid.hex()} {key.event}", is_new_count=True)
                self.key_breaks.setdefault(name, []).append((index, why))
        for name in key.devices if key.event == REGISTERED else ():
            self.keys_of.setdefault(name, {})[kid] = None

    def take(self, index: int, entry: Entry, facts: PackFacts | str | None = None) -> bool:
        """Take in any entry but a key's; facts: of a pack, or why it fails. Whether it is a pack that counts."""
        name = device_of(entry.stream)
        if name is None:
            return False
        device, body = self.device(name), entry.body
        device.numbers.add(entry.number, entry.number + 1)
        if isinstance(body, PackBody):
            return self._take_pack(index, device, body.attested, facts)
        if isinstance(body, GapEntry):
            device.chain(body.kid).losses.name(body.boot, body.first, body.last, f"entry {index}: {body.cause}")
            device.breaks.append((index, Why(f"entry {index} names a loss: {body.cause}")))
        elif isinstance(body, OverloadBody):
            text = f"entry {index}: {body.reports} reports gave way ({body.policy})"
            device.losses.append(text)
            device.breaks.append((index, Why(text)))
        elif isinstance(body, RetentionBody) and not body.origin:
            device.erased.append((index, body.first, body.end, body.cause))
        elif isinstance(body, RetentionBody):
            numbers = f"{body.first} to {body.end - 1} of {body.origin}"
            device.losses.append(f"entry {index}: numbers {numbers} erased ({body.cause})")
        elif isinstance(body, DeviceEvent):
            self._take_event(index, device, entry, body)
        elif isinstance(body, UnknownBody):
            device.unknown.append(index)
            device.breaks.append((index, Why(f"entry {index} is of a kind that is not known here")))
        return False

    def _take_event(self, index: int, device: DeviceAccount, entry: Entry, body: DeviceEvent) -> None:
        if body.unattested:  # whatever the event is called
            device.unattested += body.unattested
            device.losses.append(f"entry {index}: {body.unattested} reports that the device never signed")
        if body.event != NOT_RECORDED or body.last_good_ms is None or body.unattested:
            why = Why(f"entry {index}: {body.event}, {body.text}", body.event in _NEW_COUNTS)
            device.breaks.append((index, why))
            return
        # Said again by a clock that is right, the end is before the entry; the text has it.
        told = _SAID.match(body.text)
        times = told[1] if told else f"{utc(body.last_good_ms)} to {utc(entry.logged_at_ms)}"
        doubt = body.text.partition(NOT_CERTAIN)[2]
        if not doubt and entry.time_quality != SYNCED:
            doubt = "at the end the clock was not synchronised"
        device.unrecorded.append(f"{times} (entry {index}{f', not certain: {doubt}' if doubt else ''})")

    def _take_pack(self, index: int, device: DeviceAccount, attested: str, facts: PackFacts | str | None) -> bool:
        device.packs += 1
        if not isinstance(facts, PackFacts):
            device.problems.append(f"entry {index}: {facts}")
            return False
        try:
            key = self.allowed(index, device.name, attested, facts)
        except EvidenceError as error:
            known = self.keyring.get(facts.kid, index)
            late = known is not None and known.until is not None
            (device.revoked if late else device.problems).append(f"entry {index}: {error}")
            return False
        place = (facts.boot, facts.sequence)
        added = device.chain(facts.kid).add(place, facts.hash, facts.previous)
        if added is Added.REPEATED:
            device.repeated += 1
            return False
        if added is not Added.NEW:
            device.problems.append(f"entry {index}: pack {facts.boot}/{facts.sequence} {added.value}")
            return False
        device.keys[facts.kid] = key
        device.last_by[facts.kid] = max(index, device.last_by.get(facts.kid, index))
        if self._remember is None:
            device.counted.setdefault(facts.kid, array("Q")).append(index)
        device.attested[attested] += 1
        device.quality[facts.time_quality] += 1
        device.readings += facts.readings
        device.bad += facts.bad
        return True

    def allowed(self, index: int, device: str, attested: str, facts: PackFacts) -> Registration:
        """The key of a pack at `index`; EvidenceError says why it does not count there."""
        pinned = self._pins.get(device, self._pins.get(ANY))
        if pinned is not None and facts.kid not in pinned:
            raise EvidenceError(f"key {facts.kid.hex()} is not the one that was given for {device}")
        key = self.keyring.check(facts.kid, device, attested, index)
        if facts.device != device:
            raise EvidenceError(f"is a pack of {facts.device}")
        return key


def _only_certified(key: KeyBody, known: Registration | None) -> bool:
    """Whether an entry says what was said of the key before, and at most has more certificates: nothing has changed."""
    if known is None or known.until is not None or key.event != REGISTERED:
        return False
    same = frozenset(key.devices) == known.devices and tuple(sorted((key.profiles or {}).items())) == known.profiles
    return same and (key.holder, key.assurance) == (known.holder, known.assurance)


class Numbering:
    """Whether the entries of a log are numbered as they must be: in each stream 0, 1, 2 ... in the order of the log.

    Feed it ascending indexes. Who signed a log in which this does not hold has signed a lie: `problems` prove it.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.skipped = 0
        self._last: dict[str, tuple[int, int]] = {}  # stream -> (index, number) of its last entry so far
        self._whole_since = 0  # all indexes from here on have been fed
        self._next = 0
        self._ends: dict[int, str | None] = {}  # indexes where heads say that a stream ends -> whose entry is there

    def begin(self, heads: Iterable[StreamHead], size: int) -> None:
        """Go on behind a checkpoint of `size` entries, whose heads are all known."""
        self._last = {head.stream: (head.last, head.count - 1) for head in heads}
        self._next = size

    def take(self, index: int, stream: str, number: int) -> None:
        if index != self._next:
            self._whole_since = index
        self._next = index + 1
        before = self._last.get(stream)
        if before is None:
            wrong = number != 0 if not self._whole_since else number > index
        else:
            step = number - before[1]
            wrong = step != 1 if before[0] >= self._whole_since else not 1 <= step <= index - before[0]
        if wrong and len(self.problems) < SHOWN:
            then = f"after number {before[1]} in entry {before[0]}" if before else "as the first of its stream"
            self.problems.append(f"entry {index} has number {number} of {stream} {then}")
        self._last[stream] = (index, number)
        if index in self._ends:
            self._ends[index] = stream

    def skip(self, index: int) -> None:
        """The entry at `index` is out of form: nobody knows its stream."""
        self.skipped += 1
        self._next = self._whole_since = index + 1

    def expect(self, heads: Iterable[StreamHead]) -> None:
        """Before anything is fed: the heads that check() will be asked of."""
        self._ends = {head.last: None for head in heads}

    def check(self, head: StreamHead, end: int) -> None:
        """Note it as a problem when a proven head contradicts the entries that were fed. `end`: the log's size."""
        last = self._last.get(head.stream)
        there = self._ends.get(head.last)
        if last is None:
            wrong = head.count < 1 or not head.count - 1 <= head.last < end
            known = "none of its entries is here"
        else:
            index, number = last
            # Each of the entries behind it has an index of its own.
            behind, room = head.count - 1 - number, head.last - index
            wrong = not (0 <= behind <= room < end - index and (behind > 0 or room == 0))
            known = f"entry {index} has number {number} of it"
        if there not in (None, head.stream):
            wrong, known = True, f"entry {head.last} is one of {there}"
        if wrong:
            says = f"{head.count} entries, the last at {head.last}"
            self.problems.append(f"the head of {head.stream} says {says}; {known}")

    def heads(self) -> list[StreamHead]:
        """The heads of all streams; of a log of which every entry was fed."""
        return [StreamHead(stream, number + 1, index) for stream, (index, number) in self._last.items()]
