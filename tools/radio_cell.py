"""A simulated LoRa cell: nodes that do not hear each other on one channel, frame by frame, against the theory of ALOHA.

Two frames that overlap at all are both lost, which is the worst case: in the air the stronger one often survives. No
downlink, no repetition.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

Frame = tuple[int, int]
"""(start, end) in microseconds."""


@dataclass(frozen=True, slots=True)
class Cell:
    """jitter_permille: each period is varied by as much of itself, either way; start_s: nodes begin within so long."""

    nodes: int
    period_s: int
    report_us: int
    head_us: int
    reports_per_head: int
    jitter_permille: int
    start_s: float


def frames(cell: Cell, hours: float, chance: random.Random) -> list[Frame]:
    """All frames of all nodes, sorted by start."""
    made = []
    period_us = cell.period_s * 1_000_000
    spread = period_us * cell.jitter_permille // 1000
    for _ in range(cell.nodes):
        at = int(chance.random() * cell.start_s * 1e6)
        # When the power comes back all count from the same report; jitter alone spreads the heads as well.
        count = 0
        while at < hours * 3600e6:
            made.append((at, at + cell.report_us))
            count += 1
            if count % cell.reports_per_head == 0:
                begin = at + cell.report_us
                made.append((begin, begin + cell.head_us))
            at += period_us + (chance.randint(-spread, spread) if spread else 0)
    return sorted(made)


def survivors(sent: Sequence[Frame]) -> int:
    """How many frames overlap no other."""
    count = 0
    latest = -1  # end of all frames before this one
    for place, (start, end) in enumerate(sent):
        following = sent[place + 1][0] if place + 1 < len(sent) else end
        count += start >= latest and following >= end
        latest = max(latest, end)
    return count


def delivered(cell: Cell, hours: float, chance: random.Random) -> float:
    sent = frames(cell, hours, chance)
    return survivors(sent) / len(sent)


def theory(cell: Cell) -> float:
    """Pure ALOHA with two lengths of frames: for each, that no frame of another node begins too near (Poisson)."""
    others = cell.nodes - 1
    rates = {cell.report_us: 1.0, cell.head_us: 1.0 / cell.reports_per_head}
    survive = 0.0
    for own, weight in rates.items():
        load = sum(rate * (own + other) for other, rate in rates.items()) / (cell.period_s * 1e6)
        survive += weight * math.exp(-others * load)
    return survive / sum(rates.values())
