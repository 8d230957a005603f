"""A `[[node]]`: the link to a board, over a serial port or a broker's topics. Between `south`, `north` and `intake`."""

from functools import partial

from wayside.intake.intake import NodeSource
from wayside.kinds.core import Core
from wayside.net.endpoint import BrokerPlace
from wayside.net.far_side import FarSideError
from wayside.net.frame_port import OpenPort
from wayside.net.mqtt.session import LARGEST_RECEIVED
from wayside.net.serial_port import open_port
from wayside.parts.part import Part
from wayside.runtime.rate import Rate
from wayside.runtime.supervise import Work
from wayside.south.mqtt_line import MqttLine
from wayside.south.node_about import NodeAbout
from wayside.south.node_table import NodeTable
from wayside.south.nodes import NodeLink, Parties


def make(settings: NodeTable, core: Core) -> Part:
    """SiteFileError: a file of secrets cannot be used."""
    name, title = settings.name, settings.title()
    source = NodeSource(name, frozenset(settings.devices), rate=Rate(settings.packs_per_hour))
    works: dict[str, Work] = {}
    open_line: OpenPort = open_port
    topics: MqttLine | None = None
    certificates = core.clients.certificates(title, settings)
    if isinstance(settings.port, BrokerPlace):
        client_id = f"{core.site}/{name}"
        connect = core.clients.session(settings.port, settings, certificates, client_id, LARGEST_RECEIVED)
        topics = MqttLine(f"wayside/{core.site}/nodes/{name}", connect, FarSideError)
        works[f"mqtt {name}"], open_line = topics.run, topics.open
    parties = Parties(core.opened.identity, partial(core.door.public_key_of, name))
    accept, give_up = partial(core.intake.accept, source=source), partial(core.intake.give_up, source=source)
    link = NodeLink(name, settings.port_text, settings.baud, accept, core.clock, parties, open_line, give_up)
    if topics:
        topics.counters = link.counters
    pulses = [link.pulse(), *(topics.pulse(work) for work in works if topics)]
    about = NodeAbout(link, core.clock)
    return Part(works | {title: link.run}, (about,), tuple(pulses), (link, certificates), lines=(link,))
