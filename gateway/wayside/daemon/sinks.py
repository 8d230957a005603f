"""What a `[[sink]]` asks for: its forwarder, and what the epochs that have ended owe it. Between `north` and `log`."""

from functools import partial

from wayside.daemon.backlog import Backlog
from wayside.daemon.core import Core
from wayside.daemon.log_view import LogView
from wayside.log.reader import newest_epoch
from wayside.north import sinks
from wayside.north.about import SinkAbout
from wayside.north.forward import Forwarder
from wayside.north.sink_table import Sink
from wayside.part import Part


def make(settings: Sink, core: Core) -> Part:
    """OSError or ConfigError: a certificate or a file of secrets cannot be used."""
    kind, committer, clients = sinks.load(settings.kind), core.committer, core.clients
    certificates = clients.certificates(settings.title(), settings)
    tls = clients.tls(settings, certificates) if settings.has_tls else None
    password = clients.password(settings)
    devices = core.devices if settings.announces() else {}
    far_side = sinks.FarSide(settings.url, settings.username, password, tls, devices)
    log, view = core.state / "log", LogView(core.opened.log.origin, committer)
    forwarder = Forwarder(settings.name, kind.make(far_side, view), view)
    backlog = Backlog(settings.name, log, newest_epoch(log), partial(kind.make_late, far_side))
    works = {settings.title(): forwarder.run, f"backlog {settings.name}": backlog.run}
    about = SinkAbout(forwarder, lambda: committer.size, lambda: backlog.lag)
    pulse = forwarder.pulse(lambda: committer.size).unless(lambda: committer.in_call)
    return Part(works, (about, backlog), (pulse, backlog.pulse()), (forwarder, certificates))
