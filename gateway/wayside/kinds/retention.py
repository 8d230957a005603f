"""How long the log keeps what: all `[[retention]]` and the log's share of the disk, in one part of every gateway."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from wayside.config import SiteFile
from wayside.evidence.stream import device_stream, journal_stream
from wayside.intake.expiry import Expiry, Share
from wayside.intake.table import Retention
from wayside.kinds.core import Core
from wayside.log.retention import Policy
from wayside.north.sink_table import Sink
from wayside.part import Part

_EVERY_S = 60.0
_DAY_MS = 86_400_000
_MEGABYTE = 1_000_000


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Depends on the names of the streams and of the sinks, too: what they have not delivered is kept."""
    devices, journals = tuple(site.expected()), tuple(site.journals())
    sinks = tuple(sink.name for sink in site.of(Sink))
    yield "retention", (site.of(Retention), devices, journals, sinks, site.limits.disk_percent)


def make(
    tables: Sequence[Retention],
    devices: Sequence[str],
    journals: Sequence[str],
    sinks: Sequence[str],
    percent: int | None,
    core: Core,
) -> Part:
    streams = {name: device_stream(name) for name in devices} | {name: journal_stream(name) for name in journals}
    policies = {streams[name]: _policy(each) for each in tables for name in each.devices}
    share = Share([*streams.values()], partial(_disk_bytes, core.state, percent)) if percent else None
    expiry = Expiry(core.committer, core.clock, policies, sinks, _EVERY_S, share, core.belief)
    return Part({"retention": expiry.run}, (), (expiry.pulse(),), (expiry,))


def _policy(settings: Retention) -> Policy:
    max_bytes = settings.megabytes * _MEGABYTE if settings.megabytes else None
    return Policy(settings.days * _DAY_MS if settings.days else None, max_bytes)


def _disk_bytes(folder: Path, percent: int) -> int:
    """So much of the file system that holds `folder`."""
    system = os.statvfs(folder)
    return system.f_blocks * system.f_frsize * percent // 100
