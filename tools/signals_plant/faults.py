"""Detectors that break as they do on the road, by name and seed: what the cabinet reads in place of what drives there.

  dead      never occupied             stuck     always occupied
  chatter   changes by itself, by chance too seldom to be called erratic
  doubled   each vehicle counts twice  late      30 s behind
  crossed   two loops are wired to each other's inputs
  blinded   all detectors of one approach see nothing, or are covered, for an hour: a camera in the low sun
  ripped    a loop dies while roadworks tear it out, and comes back with the new surface
  mixed     dead or stuck, each by chance

`blinded` and `ripped` begin some minutes after the start; the others are there from the first second on.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from wayside.control.signals.junction import TICKS_PER_S

from signals_plant.network import Signals

KINDS = ("dead", "stuck", "chatter", "doubled", "late", "crossed", "blinded", "ripped", "mixed")
_LATE_S = 30
_BLIND_S = 3600
_ROADWORKS_S = 1200
_TEARING_S = 20
_BEGIN_S = (180, 420)
_CHATTER = (0.2, 0.04)
"""Changes per tick: 120 a minute, which is erratic, and 24, which is not."""
_SECOND_PULSE = (2, 4)
"""A counted vehicle is seen again from so many ticks after it left until so many."""

Read = Callable[[float, Mapping[str, bytes]], bytes]
"""(seconds since the start, of each detector the ten samples of this second) -> the samples that the cabinet reads."""


def one(kind: str, signals: Signals, seed: int) -> dict[str, Read]:
    """One detector of the junction in fault, another with each seed; `crossed` takes two, `blinded` an approach."""
    names = sorted(each.name for each in signals.detectors)
    return _broken(kind, signals, [names[seed % len(names)]], _chance(kind, signals, seed))


def some(kind: str, signals: Signals, seed: int, share: float) -> dict[str, Read]:
    """A share of the junction's detectors in fault."""
    names = sorted(each.name for each in signals.detectors)
    chance = _chance(kind, signals, seed)
    return _broken(kind, signals, chance.sample(names, round(share * len(names))), chance)


def _chance(kind: str, signals: Signals, seed: int) -> random.Random:
    return random.Random(f"{kind} {seed} {signals.name}")


def _broken(kind: str, signals: Signals, names: Sequence[str], chance: random.Random) -> dict[str, Read]:
    if kind == "crossed":
        others = [each.name for each in signals.detectors if each.name not in names]
        pairs = [(name, chance.choice(others)) for name in names]
        return {a: _other(b) for a, b in pairs} | {b: _other(a) for a, b in pairs}
    if kind == "blinded":
        return {name: read for each in _approaches(signals, names) for name, read in _blinded(each, chance).items()}
    return {name: _single(kind, name, chance) for name in names}


def _approaches(signals: Signals, names: Sequence[str]) -> list[list[str]]:
    """The detectors of the approaches to which these belong, as many as that takes; at least one approach."""
    all_ = [[*each.advance, *(lane.stop for lane in each.lanes)] for each in signals.approaches]
    wanted = max(len(names), 1)
    found: list[list[str]] = []
    for each in sorted(all_, key=lambda own: -len(set(own) & set(names))):
        if not found or sum(map(len, found)) + len(each) <= wanted:
            found.append(each)
    return found


def _blinded(names: Sequence[str], chance: random.Random) -> dict[str, Read]:
    begin_s, value = chance.randint(*_BEGIN_S), chance.random() < 0.5

    def read(name: str) -> Read:
        return lambda now_s, seen: _held(value) if begin_s <= now_s < begin_s + _BLIND_S else seen[name]

    return {name: read(name) for name in names}


def _held(value: bool) -> bytes:
    return bytes([value]) * TICKS_PER_S


def _other(name: str) -> Read:
    return lambda _, seen: seen[name]


def _single(kind: str, name: str, chance: random.Random) -> Read:
    own = random.Random(chance.random())
    if kind == "mixed":
        kind = own.choice(("dead", "stuck"))
    if kind in ("dead", "stuck"):
        return lambda *_: _held(kind == "stuck")
    if kind == "chatter":
        return _chatter(name, own)
    if kind == "doubled":
        return _doubled(name)
    if kind == "late":
        return _late(name)
    return _ripped(name, own)


def _chatter(name: str, own: random.Random) -> Read:
    changes, flipped = own.choice(_CHATTER), False

    def read(_: float, seen: Mapping[str, bytes]) -> bytes:
        nonlocal flipped
        samples = bytearray(TICKS_PER_S)
        for tick, sample in enumerate(seen[name]):
            flipped ^= own.random() < changes
            samples[tick] = sample ^ flipped
        return bytes(samples)

    return read


def _doubled(name: str) -> Read:
    left = TICKS_PER_S  # ticks since it became free

    def read(_: float, seen: Mapping[str, bytes]) -> bytes:
        nonlocal left
        samples = bytearray(TICKS_PER_S)
        for tick, sample in enumerate(seen[name]):
            left = 0 if sample else left + 1
            samples[tick] = sample or _SECOND_PULSE[0] <= left < _SECOND_PULSE[1]
        return bytes(samples)

    return read


def _late(name: str) -> Read:
    on_the_way = deque([_held(False)] * _LATE_S)

    def read(_: float, seen: Mapping[str, bytes]) -> bytes:
        on_the_way.append(seen[name])
        return on_the_way.popleft()

    return read


def _ripped(name: str, own: random.Random) -> Read:
    begin_s = own.randint(*_BEGIN_S)

    def read(now_s: float, seen: Mapping[str, bytes]) -> bytes:
        if begin_s <= now_s < begin_s + _TEARING_S:
            return bytes(own.randint(0, 1) for _ in range(TICKS_PER_S))
        return _held(False) if begin_s <= now_s < begin_s + _ROADWORKS_S else seen[name]

    return read
