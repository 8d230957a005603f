"""What was decided, computed again from the log: each decision holds all that went into it.

The core is pure, so its own code is the reader of its log: what comes out has to be what the entry says, bit for bit.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wayside.control.energy import core, record
from wayside.control.energy.assets import SiteAssets
from wayside.control.energy.cycle import Reason, SetPoint
from wayside.control.energy.record import CONTROLLER, HEARTBEAT_MS, EnergyCycle
from wayside.evidence import EvidenceError, kinds
from wayside.evidence.entry import Entry


class LoggedCycle(NamedTuple):
    """A cycle that was logged. left_out: changes between the entry before and this one that were too many to log.
    age_ms: how long before the time that was asked for it was."""

    utc_ms: int
    cycle: EnergyCycle
    points: tuple[SetPoint, ...]
    reasons: tuple[Reason, ...]
    left_out: int
    age_ms: int = 0


def replay(site: SiteAssets, entries: Iterable[Entry], begin_ms: int, end_ms: int) -> Iterator[LoggedCycle]:
    """Every logged cycle from `begin_ms` to before `end_ms` (UTC); EvidenceError where one was another site's, or does
    not come to what was told."""
    for body, logged_at_ms in _decisions(entries):
        if begin_ms <= logged_at_ms < end_ms:
            yield again(site, body, logged_at_ms)


def again(site: SiteAssets, decision: kinds.DecisionBody, utc_ms: int) -> LoggedCycle:
    """One decision computed again; EvidenceError."""
    inputs = decision.inputs or {}
    if inputs.get("site") != record.site_hash(site):
        raise EvidenceError("it was decided for another site file; name the one that was in force")
    try:
        cycle = record.cycle_of(inputs)
        told = record.points_of(inputs)
        left_out = int(inputs.get("left_out", 0))
        _, points, reasons = core.decide(site, *cycle)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise EvidenceError("the decision cannot be read; another version of the software wrote it") from None
    if points != told:
        raise EvidenceError("the decision does not follow from what it holds; another version of the software decided")
    return LoggedCycle(utc_ms, cycle, points, reasons, left_out)


def at(site: SiteAssets, entries: Iterable[Entry], utc_ms: int) -> LoggedCycle | None:
    """The decision that was in force at a time; None: none is known of the minute before."""
    found: tuple[kinds.DecisionBody, int] | None = None
    for decision in _decisions(entries):
        if decision[1] <= utc_ms:
            found = decision
    if found is None or utc_ms - found[1] > 2 * HEARTBEAT_MS:
        return None
    return again(site, *found)._replace(age_ms=utc_ms - found[1])


def _decisions(entries: Iterable[Entry]) -> Iterator[tuple[kinds.DecisionBody, int]]:
    """Those of this controller, each with the time at which it was logged (UTC ms)."""
    for entry in entries:
        if isinstance(entry.body, kinds.DecisionBody) and entry.body.controller == CONTROLLER:
            yield entry.body, entry.logged_at_ms
