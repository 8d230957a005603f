"""What each of the daemon's tasks owes, and by what it is seen to move: the knowledge behind the watchdog.

Everything that waits for the log's thread is excused while that thread is in a call to the disk: a slow disk makes the
gateway slow, and a restart would only make it slower. The thread itself is given up after ten minutes in one call.
"""

from collections.abc import Callable, Iterator

from wayside.daemon.backlog import Backlog
from wayside.daemon.journal_feed import JournalFeed
from wayside.daemon.status import Parts
from wayside.daemon.watchdog import Pulse
from wayside.intake.commit import Committer
from wayside.intake.expiry import Expiry
from wayside.intake.journal import ClockWatch
from wayside.north.forward import Forwarder
from wayside.south.modbus import Bus
from wayside.south.nodes import NodeLink

_LOOP_S = 60.0  # for what takes milliseconds when it works
_OUTSIDE_S = 240.0  # for what waits for others, each wait with a timeout of its own: polls, brokers, witnesses
_DISK_S = 600.0


def pulses(parts: Parts, monotonic: Callable[[], float]) -> list[Pulse]:
    """The pulses of the daemon's parts; `monotonic` is the buses' clock."""
    return list(_pulses(parts, monotonic))


def _pulses(parts: Parts, monotonic: Callable[[], float]) -> Iterator[Pulse]:
    committer, intake = parts.committer, parts.intake
    yield Pulse("log thread", lambda: committer.calls, lambda: committer.in_call, _DISK_S)
    yield Pulse(
        "commits",
        lambda: (committer.calls, committer.groups, committer.failures),
        lambda: committer.waiting and not committer.in_call,
        _LOOP_S,
    )
    yield Pulse(
        "intake",
        lambda: (committer.calls, committer.groups, committer.failures, intake.counters["packs"]),
        lambda: intake.waiting and not committer.in_call,
        _LOOP_S,
    )
    for watch in parts.running.of(ClockWatch):
        yield _clock(watch, committer)
    for expiry in parts.running.of(Expiry):
        yield _retention(expiry, committer)
    for link in parts.links:
        yield _link(link)
    for bus in parts.buses:
        yield _bus(bus, monotonic)
    for forwarder in parts.forwarders:
        yield _sink(forwarder, committer)
    for backlog in parts.backlogs:
        yield _backlog(backlog)
    for journal in parts.journals:
        yield _journal(journal, committer)


def _clock(watch: ClockWatch, committer: Committer) -> Pulse:
    return Pulse("clock", lambda: watch.looks, lambda: not committer.in_call, _LOOP_S)


def _retention(expiry: Expiry, committer: Committer) -> Pulse:
    return Pulse("retention", lambda: expiry.passes, lambda: not committer.in_call, _OUTSIDE_S)


def _link(link: NodeLink) -> Pulse:
    # Even when the node is silent the link goes round once a minute, to send it the time.
    return Pulse(f"node {link.name}", lambda: link.turns, lambda: True, _OUTSIDE_S)


def _bus(bus: Bus, monotonic: Callable[[], float]) -> Pulse:
    return Pulse(f"bus {bus.name}", lambda: bus.turns, lambda: bus.overdue(monotonic()), _OUTSIDE_S)


def _sink(forwarder: Forwarder, committer: Committer) -> Pulse:
    status = forwarder.status
    return Pulse(
        f"sink {forwarder.name}",
        lambda: (status.delivered, status.failures, status.dead_letters, forwarder.lag(0)),
        lambda: forwarder.lag(committer.size) > 0 and not committer.in_call,
        _OUTSIDE_S,
    )


def _backlog(backlog: Backlog) -> Pulse:
    return Pulse(f"backlog {backlog.name}", lambda: backlog.moved, lambda: backlog.lag > 0, _DISK_S)


def _journal(journal: JournalFeed, committer: Committer) -> Pulse:
    return Pulse(
        f"journal {journal.name}",
        lambda: (journal.turns, journal.taken),
        lambda: not committer.in_call,
        _OUTSIDE_S,
    )
