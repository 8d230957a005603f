"""The safe core of a site's energy: a pure function (state, snapshot, requests, time) -> (set-points, reasons).

The signatures that others may count on:

    Limit(direction, watts, phases, source, priority, valid_until_ms, failsafe_watts, failsafe_for_ms)   limits.py
    Asset(name, kind, phases, low_w, high_w, default_w, ...), Site(phases, assets, parties, ...)         assets.py
    Request(asset, watts, source, priority, until_ms, how, phases, var), Snapshot(grid, seen, heard)     cycle.py
    decide(site, state, snapshot, Requests(wanted, limits, withdrawn), Now(ms, utc_ms))
        -> (state, tuple of SetPoint, tuple of Reason)
"""

from typing import NamedTuple

from wayside.control.energy import limits
from wayside.control.energy.assets import Site
from wayside.control.energy.cycle import Now, Reason, Requests, SetPoint, Snapshot


class State(NamedTuple):
    """All that the core remembers from one cycle to the next."""

    ms: int
    parties: tuple[limits.Memory, ...]


def begin(site: Site, now: Now) -> State:
    """How a site starts: nobody has been heard, nothing was told."""
    return State(now.ms, tuple(limits.begin(party, now.ms) for party in site.parties))


def decide(
    site: Site, state: State, snapshot: Snapshot, requests: Requests, now: Now
) -> tuple[State, tuple[SetPoint, ...], tuple[Reason, ...]]:
    """One cycle, a second."""
    raise NotImplementedError
