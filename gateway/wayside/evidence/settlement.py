"""Energy settlement: what a meter's registers say, recomputed from the packs of a bundle that the judge has counted.

Whose packs count, what is missing and what the log says of the device is the judge's word (judge.py); nothing of it is
judged again here. Registers are summed along stretches, last minus first, exact. A stretch ends wherever the evidence
does not prove that one register of one meter went on: docs/verify.md has the list. What a register shows over such a
break is named with its reasons and is not counted. What two keys read at the same time, by the log or by their clocks,
is counted once at most.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

from wayside_wire import WireError, pack
from wayside_wire.aggregate import DIFFERENCE, NEW_COUNT, is_other_count

from wayside.evidence import EvidenceError
from wayside.evidence.bundle import Bundle
from wayside.evidence.entry import Entry, decode_entry
from wayside.evidence.judge import DeviceAccount, EntryJudge, Why
from wayside.evidence.kinds import DEVICE_ATTESTED, DeviceBody, PackBody
from wayside.evidence.spans import Span, Spans
from wayside.evidence.stream import KEYS, device_stream

J_PER_KWH = 3_600_000
CHANNELS = ("energy_active_import", "energy_active_export")
UNIT = "J"
_NO_TIME = 2**63 - 1
_EVENTS, _PACKS = "events", "packs by other keys"


@dataclass(frozen=True, slots=True)
class EnergyRegister:
    """A good reading of an energy register: the pack it stands in, its own time and value.

    index: of the pack's entry; time_ms: ms since 1970 by the pack's source, None when its clock was not synchronised.
    """

    kid: bytes
    attested: str
    boot: int
    sequence: int
    index: int
    time_ms: int | None
    joules: Fraction


@dataclass(frozen=True, slots=True)
class RegisterStretch:
    """Registers of one meter by one key, each proven to follow the one before; `unused`: readings between that were
    bad or uncertain."""

    channel: str
    first: EnergyRegister
    last: EnergyRegister
    registers: int
    unused: int

    @property
    def joules(self) -> Fraction:
        return self.last.joules - self.first.joules


@dataclass(frozen=True, slots=True)
class Break:
    """Between two stretches: the last register of one, the first of the next, and why nothing is counted over it."""

    channel: str
    after: EnergyRegister
    before: EnergyRegister
    reasons: tuple[str, ...]

    @property
    def joules(self) -> Fraction:
        """What the registers differ by over the break; not counted, for it may be another meter's."""
        return self.before.joules - self.after.joules


@dataclass(frozen=True, slots=True)
class EnergyAccount:
    """One channel: stretches in order, and the breaks between them, one fewer."""

    channel: str
    stretches: tuple[RegisterStretch, ...]
    breaks: tuple[Break, ...]

    @property
    def joules(self) -> Fraction:
        return sum((each.joules for each in self.stretches), Fraction())


@dataclass(frozen=True, slots=True)
class Settlement:
    """What there is to settle of a device. `problems`: readings that should have been registers and cannot be."""

    device: str
    accounts: tuple[EnergyAccount, ...] = ()
    problems: tuple[str, ...] = ()


def settle(bundle: Bundle, judge: EntryJudge, device: str) -> Settlement:
    """The settlement of `device`. `judge` is that of a Verifier that ran over this bundle and found that it holds."""
    known = judge.devices.get(device)
    if known is None:
        return Settlement(device)
    walk = _Walk(bundle, judge, known)
    packs = list(walk.packs())
    problems = dict.fromkeys(text for each in packs for text in _wrong_units(each))
    accounts = tuple(made for channel in CHANNELS if (made := _account(channel, packs, walk)))
    return Settlement(device, accounts, tuple(problems))


class _Counted(NamedTuple):
    """A pack that counts, and why no stretch may cross from the one before it into this one."""

    entry: int
    kid: bytes
    attested: str
    opened: pack.Pack
    reasons: tuple[Why, ...]


def _wrong_units(each: _Counted) -> Iterator[str]:
    for reading in each.opened.readings:
        if reading.channel in CHANNELS and reading.unit != UNIT and reading.quality != pack.BAD:
            yield f"entry {each.entry}: {reading.channel} is in {reading.unit!r}, not in {UNIT}, and is not summed"


def _account(channel: str, packs: Sequence[_Counted], walk: "_Walk") -> EnergyAccount | None:
    course = _Course(channel, walk)
    difference = channel + DIFFERENCE
    for each in packs:
        course.reasons += each.reasons
        # A source may write them down in any order: what it read later comes later.
        readings = (reading for reading in each.opened.readings if reading.channel in (channel, difference))
        for reading in sorted(readings, key=_read_at):
            if reading.channel == difference:
                if reading.quality == pack.BAD and reading.reason.startswith(NEW_COUNT):
                    why = Why(f"entry {each.entry}: {reading.reason}", is_other_count(reading.reason))
                    course.reasons.append(why)
            elif reading.quality != pack.GOOD:
                course.unused += 1
            elif reading.unit != UNIT:
                course.reasons.append(Why(f"entry {each.entry} has the register in {reading.unit!r}"))
            else:
                course.take(_register(each, reading))
    return course.account()


class _Course:
    """One channel's registers in order, divided into stretches. `reasons`: why none crosses to the next register."""

    def __init__(self, channel: str, walk: "_Walk") -> None:
        self._walk = walk
        self.reasons: list[Why] = []
        self.unused = 0
        self._channel = channel
        self._run: list[EnergyRegister] = []  # the stretch so far; it never goes back
        self._stretches: list[RegisterStretch] = []
        self._breaks: list[Break] = []
        self._fell_from: EnergyRegister | None = None

    def take(self, found: EnergyRegister) -> None:
        if self._run:
            self.reasons += self._walk.between(self._run[-1], found)
            self._compare(found)
        if self._run and self.reasons:
            self._end(found, len(self._run))
        self.reasons = []
        self._run.append(found)

    def _compare(self, found: EnergyRegister) -> None:
        last = self._run[-1]
        is_new_count = any(why.is_new_count for why in self.reasons)
        if is_new_count:
            self._fell_from = None  # that was another one
        if found.joules < last.joules:
            below = bisect_right(self._run, found.joules, key=lambda each: each.joules)
            self.reasons.append(Why("the register went back"))
            if below and not is_new_count:
                # It goes on from where it was: what lay above was a spike, and nothing that flowed.
                above = len(self._run) - below
                self.reasons.append(Why(f"what was above it in {above} registers before is not believed"))
                self._end(found, below)
            elif not is_new_count and (self._fell_from is None or self._fell_from.joules < last.joules):
                self._fell_from = last
        elif self._fell_from and last.joules < self._fell_from.joules <= found.joules:
            # As a counter that says 0 for a while and then goes on: the way back is nothing that flowed, nor is what it
            # said meanwhile, unless that is more: then it had begun anew, and has grown as high again.
            self.reasons.append(Why("the register came back to what it had fallen from"))
            self._fell_from = None
            if found.joules - last.joules >= last.joules - self._run[0].joules:
                self._end(found, 1)

    def _end(self, found: EnergyRegister, count: int) -> None:
        """The stretch ends with the first `count` registers of the run; the next one begins with `found`."""
        kept = self._run[:count]
        unused = self.unused + len(self._run) - count
        self._stretches.append(RegisterStretch(self._channel, kept[0], kept[-1], count, unused))
        self._breaks.append(Break(self._channel, kept[-1], found, tuple(dict.fromkeys(map(str, self.reasons)))))
        self._run, self.unused, self.reasons = [], 0, []

    def account(self) -> EnergyAccount | None:
        if not self._run:
            return None
        last = RegisterStretch(self._channel, self._run[0], self._run[-1], len(self._run), self.unused)
        return EnergyAccount(self._channel, (*self._stretches, last), tuple(self._breaks))


def _read_at(reading: pack.Reading) -> int:
    time_ms: int = reading.time_ms
    return time_ms


def _register(each: _Counted, reading: pack.Reading) -> EnergyRegister:
    opened = each.opened
    joules = reading.mantissa * Fraction(10) ** reading.exponent
    time_ms = None if opened.time_quality == pack.UNSYNCED else reading.time_ms
    return EnergyRegister(each.kid, each.attested, opened.boot, opened.sequence, each.entry, time_ms, joules)


# --- the order of the packs, and what lies between ---


@dataclass(slots=True)
class _Generation:
    """The packs by one key in the order of their chain. `marks`: for each, the log position by which it was made.

    A pack was made before its successors were, so that is the least of its own index and all of theirs: one that came
    late stands where it belongs.
    """

    kid: bytes
    packs: list[tuple[int, PackBody, pack.Pack]]
    marks: list[int] = field(default_factory=list)
    known_before: dict[int, int] = field(default_factory=dict)  # by index of a pack without a time: the last one known
    times: list[int] = field(default_factory=list)  # of the readings whose source knew the time, ascending

    def __post_init__(self) -> None:
        self.packs.sort(key=lambda each: (each[2].boot, each[2].sequence))
        self.marks += list(accumulate((index for index, _, _ in reversed(self.packs)), min))[::-1]
        known = (opened for _, _, opened in self.packs if opened.time_quality != pack.UNSYNCED)
        self.times += sorted({_read_at(reading) for opened in known for reading in opened.readings})


class _Walk:
    """Goes through the packs of a device that count: by key, in the order in which the log began to count them."""

    def __init__(self, bundle: Bundle, judge: EntryJudge, device: DeviceAccount) -> None:
        self._device = device
        self._keyring = judge.keyring
        counted = {index for indexes in device.counted.values() for index in indexes}
        events = dict(device.breaks)
        stream = device_stream(device.name)
        packs: dict[int, PackBody] = {}
        by_keys = dict(judge.key_breaks.get(device.name, []))
        marks = [Span(index, index, why) for index, why in by_keys.items()]
        # With its first entry a key begins; what it read before that was of no other meter.
        begins = {self._keyring.told_at(kid)[0]: kid for kid in device.counted}
        timed: list[Span] = []
        untimed: list[tuple[int, Why]] = []
        self._certain: list[tuple[int, int]] = []  # (index, ms since 1970) of entries that a synchronised clock stamped
        before: Entry | None = None
        for index, (_, raw) in zip(bundle.indexes(), bundle.records, strict=True):
            if index in by_keys and (told := _entry(raw, KEYS)) and told.time_quality != pack.UNSYNCED:
                at_ms = told.logged_at_ms
                timed.append(Span(at_ms, at_ms, by_keys[index], begins.get(index, b"")))
            entry = _entry(raw, stream)
            if entry is None:
                continue
            if before and entry.number != before.number + 1:
                text = f"entries {before.number + 1} to {entry.number - 1} of its stream are not in this file"
                marks.append(Span(index, index, Why(text)))
            before = entry
            if index in counted and isinstance(entry.body, PackBody):
                packs[index] = entry.body
            if index in events:
                marks.append(Span(index, index, events[index]))
                if isinstance(entry.body, DeviceBody):
                    if entry.time_quality != pack.UNSYNCED:
                        timed.append(Span(entry.logged_at_ms, entry.logged_at_ms, events[index]))
                    else:
                        untimed.append((index, events[index]))
            if entry.time_quality == pack.SYNCED:
                self._certain.append((index, entry.logged_at_ms))
        self._marks = Spans(marks)
        self._events = Spans(timed)
        windows = ((*self._window(index), why) for index, why in untimed)
        # Where the clock went back the entry behind is the earlier one.
        self._untimed = Spans(Span(min(since, until), max(since, until), why) for since, until, why in windows)
        made = [
            _Generation(kid, [(index, packs[index], _opened(packs[index])) for index in indexes])
            for kid, indexes in device.counted.items()
        ]
        self._generations = {each.kid: each for each in sorted(made, key=lambda each: min(each.marks))}
        self._mark_of = {
            index: mark for each in made for (index, _, _), mark in zip(each.packs, each.marks, strict=True)
        }
        unsynced = [span for each in made for span in self._place_unsynced(each)]
        maybe = "may lie between: a time is not known"
        self._begun = Spans(Span(at, at, _packs_of(each, maybe), each.kid) for each in made for at in [min(each.marks)])
        self._logged = Spans(Span(at, at, _packs_of(each), each.kid) for each in made for at in each.marks)
        self._read = Spans(Span(at, at, _packs_of(each), each.kid) for each in made for at in each.times)
        self._unsynced = Spans(unsynced)

    def packs(self) -> Iterator[_Counted]:
        earlier: _Generation | None = None
        for generation in self._generations.values():
            gaps = self._gaps(generation.kid)
            since = self._keyring.told_at(generation.kid)[0]  # the mark below this pack's: late ones have a successor's
            for at, (index, body, opened) in enumerate(generation.packs):
                mark = generation.marks[at]
                reasons: list[Why] = []
                if at:
                    _, body_before, _ = generation.packs[at - 1]
                    if mark != generation.marks[at - 1]:
                        since = generation.marks[at - 1]
                    if body.attested != body_before.attested:
                        text = f"{body.attested}-attested after {body_before.attested}-attested"
                        reasons.append(Why(text, is_new_count=True))
                    reasons += gaps.get((opened.boot, opened.sequence), ())
                    reasons += self._in_the_log(since, mark)
                    reasons += self._logged.between(since, mark, _PACKS, generation.kid)
                elif earlier:
                    text = f"key {generation.kid.hex()} after key {earlier.kid.hex()}"
                    reasons.append(Why(text, is_new_count=True))
                    reasons += self._in_the_log(earlier.marks[-1], mark)
                yield _Counted(index, generation.kid, body.attested, opened, tuple(reasons))
            earlier = generation

    def _gaps(self, kid: bytes) -> dict[tuple[int, int], tuple[Why, ...]]:
        """By the pack behind it, what the judge knows to be missing."""
        chain = self._device.chains[kid]
        found: dict[tuple[int, int], tuple[Why, ...]] = {gap.before: (Why(f"missing {gap}"),) for gap in chain.named()}
        for gap in chain.gaps():
            found[gap.before] = (Why(f"missing {gap}, and no entry names it"),)
        return found

    def _window(self, index: int) -> tuple[int, int]:
        """Between which times the entry at `index` was written, by those that a synchronised clock stamped."""
        at = bisect_left(self._certain, (index, 0))
        later = self._certain[at][1] if at < len(self._certain) else _NO_TIME
        return (self._certain[at - 1][1] if at else -1), later

    def _place_unsynced(self, generation: _Generation) -> Iterator[Span]:
        """When packs were made that do not know it: a gateway's when they were logged, a node's behind one that did."""
        known_ms = -1
        why = _packs_of(generation, "may lie between: their time is not known")
        for index, body, opened in generation.packs:
            if opened.time_quality != pack.UNSYNCED:
                known_ms = max(known_ms, *map(_read_at, opened.readings))
                continue
            generation.known_before[index] = known_ms
            since, until = self._window(index)
            if body.attested != DEVICE_ATTESTED and since < until:
                yield Span(since + 1, until, why, generation.kid)

    def _in_the_log(self, since: int, mark: int) -> Iterator[Why]:
        """Why a stretch ends between two packs that were made in the part (since, mark] of the log."""
        return self._marks.between(since, mark, _EVENTS)

    def between(self, last: EnergyRegister, found: EnergyRegister) -> Iterator[Why]:
        """Why a stretch ends between two registers by one key, by their own times: one pack may hold several.

        What a node made before something happened, or while another key read the meter, may be logged behind it, and in
        order. A clock never joins what the log divides; here it may divide once more.
        """
        kid = found.kid
        if last.kid != kid:
            return
        if last.time_ms is None or found.time_ms is None:
            # A gateway logs what it polls at once. A node without a clock may have made this at any time before.
            if found.attested == DEVICE_ATTESTED:
                mark = self._mark_of[found.index]
                known_before = self._generations[kid].known_before
                since = min(known_before.get(each.index, _NO_TIME) for each in (last, found))
                maybe = ", which may lie between: a time is not known"
                until = self._window(mark)[1]
                yield from self._events.between(since, until, _EVENTS, kid, maybe)
                yield from self._untimed.between(since, until, _EVENTS, more=maybe)
                yield from self._begun.between(-1, mark - 1, _PACKS, kid)
            return
        first_ms, last_ms = sorted((last.time_ms, found.time_ms))
        first_ms -= first_ms == last_ms
        if found.attested == DEVICE_ATTESTED or last.index == found.index:
            yield from self._events.between(first_ms, last_ms, _EVENTS, kid)
            yield from self._untimed.between(first_ms, last_ms, _EVENTS, more=", at a time that is not known")
        lie_between = list(self._read.between(first_ms, last_ms, _PACKS, kid))
        yield from lie_between or self._unsynced.between(first_ms, last_ms, _PACKS, kid)


def _packs_of(generation: _Generation, what: str = "lie between") -> Why:
    return Why(f"packs by key {generation.kid.hex()} {what}")


def _entry(raw: bytes, stream: str) -> Entry | None:
    if stream.encode() not in raw:  # of most entries nothing else has to be known
        return None
    try:
        entry = decode_entry(raw)
    except EvidenceError:
        return None  # the verifier has said so
    return entry if entry.stream == stream else None


def _opened(body: PackBody) -> pack.Pack:
    try:
        opened: pack.Pack = pack.open_pack(body.raw, lambda *_: True)[0]  # the judge has counted it: it is signed
    except WireError as error:
        raise EvidenceError(f"a pack that counts cannot be read: {error}") from None
    return opened


def kwh(joules: Fraction) -> str:
    """The exact number of kWh: a decimal where it ends within nine digits, else a fraction."""
    value = joules / J_PER_KWH
    for digits in range(10):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            text = str(abs(int(scaled))).rjust(digits + 1, "0")
            sign = "-" if value < 0 else ""
            return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"
    return f"{value.numerator}/{value.denominator}"


def shown(joules: Fraction) -> str:
    """For people: the exact number of kWh where a decimal ends, else "about" and nine digits."""
    exact = kwh(joules)
    return f"about {kwh(round(joules / J_PER_KWH, 9) * J_PER_KWH)}" if "/" in exact else exact
