"""What a `[[sink]]` asks for: its forwarder, and what the epochs that have ended owe it. Between `north` and `log`."""

from collections.abc import Iterator, Mapping
from functools import partial

from wayside.kinds.backlog import Backlog
from wayside.kinds.core import Core
from wayside.kinds.log_view import LogView
from wayside.log.reader import newest_epoch
from wayside.north import sinks
from wayside.north.about import SinkAbout
from wayside.north.forward import Forwarder
from wayside.north.sink_table import SinkTable
from wayside.parts.part import Part, Uplink
from wayside.site.config import SiteFile
from wayside.values.expected import Expected


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[SinkTable, Mapping[str, Expected]]]]:
    """One that announces the site's devices depends on them."""
    for settings in site.of(SinkTable):
        yield settings.title(), (settings, site.expected() if settings.announces() else {})


def make(settings: SinkTable, devices: Mapping[str, Expected], core: Core) -> Part:
    """OSError or SiteFileError: a certificate or a file of secrets cannot be used."""
    kind, committer, clients = sinks.load(settings.kind), core.committer, core.clients
    certificates = clients.certificates(settings.title(), settings)
    tls = clients.tls(settings, certificates) if settings.has_tls else None
    password = clients.password(settings)
    far_side = sinks.FarSide(settings.url, settings.username, password, tls, settings.parsed, devices)
    log, view = core.state / "log", LogView(core.opened.log.origin, committer)
    with sinks.FILES.blamed(settings.kind, OSError):
        sink = kind.make(far_side, view)
    forwarder = Forwarder(settings.name, sink, view)
    backlog = Backlog(settings.name, log, newest_epoch(log), partial(kind.make_late, far_side))
    works = {settings.title(): forwarder.run, f"backlog {settings.name}": backlog.run}
    about = SinkAbout(forwarder, lambda: committer.size, lambda: backlog.lag)
    pulse = forwarder.pulse(lambda: committer.size).unless(lambda: committer.in_call)
    status = forwarder.status
    uplink = Uplink(settings.name, lambda: status.connected, lambda: status.last_error, forwarder.lag)
    return Part(works, (about, backlog), (pulse, backlog.pulse()), (forwarder, certificates), uplinks=(uplink,))
