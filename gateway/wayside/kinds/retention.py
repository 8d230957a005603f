"""How long the log keeps what: all `[[retention]]` and the log's share of the disk, in one part of every gateway."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from wayside.evidence.stream import device_stream, journal_stream
from wayside.intake.expiry import Expiry, Share
from wayside.intake.table import RetentionTable
from wayside.kinds.core import Core
from wayside.log.retention import RetentionPolicy
from wayside.north.sink_table import SinkTable
from wayside.parts.part import Part
from wayside.site.config import SiteFile

_EVERY_S = 60.0
_DAY_MS = 86_400_000
_MEGABYTE = 1_000_000


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Depends on the sinks, too: what they have not delivered is kept. On all streams where they share the disk."""
    streams = {name: device_stream(name) for name in site.expected()}
    streams |= {name: journal_stream(name) for name in site.journals()}
    policies = {streams[name]: _policy(each) for each in site.of(RetentionTable) for name in each.devices}
    percent, sinks = site.limits.disk_percent, [sink.name for sink in site.of(SinkTable)]
    yield "retention", (policies, sinks, percent, [*streams.values()] if percent else [])


def make(
    policies: Mapping[str, RetentionPolicy],
    sinks: Sequence[str],
    percent: int | None,
    streams: Sequence[str],
    core: Core,
) -> Part:
    """`policies`: by stream; `streams`: those that share `percent` of the disk."""
    share = Share(streams, partial(_disk_bytes, core.state, percent)) if percent else None
    expiry = Expiry(core.committer, core.clock, policies, sinks, _EVERY_S, share, core.belief)
    return Part({"retention": expiry.run}, (), (expiry.pulse(),), (expiry,))


def _policy(settings: RetentionTable) -> RetentionPolicy:
    max_bytes = settings.megabytes * _MEGABYTE if settings.megabytes else None
    return RetentionPolicy(settings.days * _DAY_MS if settings.days else None, max_bytes)


def _disk_bytes(folder: Path, percent: int) -> int:
    """So much of the file system that holds `folder`."""
    system = os.statvfs(folder)
    return system.f_blocks * system.f_frsize * percent // 100
