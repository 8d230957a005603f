"""The `[remote]`: the broker by which operators reach the gateway."""

from wayside.kinds.core import Core
from wayside.net.mqtt.session import LARGEST_RECEIVED
from wayside.parts.part import Part, Uplink
from wayside.remote.link import RemoteLink
from wayside.remote.messages import MAX_MESSAGE
from wayside.remote.table import RemoteTable


def make(settings: RemoteTable, core: Core) -> Part:
    """SiteFileError: a file of secrets cannot be used."""
    certificates = core.clients.certificates(settings.title(), settings)
    largest = MAX_MESSAGE + LARGEST_RECEIVED
    connect = core.clients.session(settings.url, settings, certificates, "", largest)
    link = RemoteLink(core.site, connect, core.inbox)
    uplink = Uplink("remote", lambda: link.is_connected, lambda: link.last_error, brings_operators=True)
    return Part({"remote": link.run}, (link,), (link.pulse(),), (certificates,), uplinks=(uplink,))
