"""Want of airtime, on either end, is told: in `wayside status`, among the metrics, and as a problem."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from test_lora_receiver import KEY, NETWORK, PROFILE, Gateway, Node
from wayside.parts.picture import draw
from wayside.south.lora.about import Lora
from wayside.south.lora.node import AirNode
from wayside.south.lora.port import RadioLink
from wayside.web.metrics import exposition
from wayside_wire import lora, lora_config
from wayside_wire import lora_link as messages


class Site:
    """A radio board and one node, as the gateway shows them."""

    def __init__(self, gateway: Gateway):
        self.gateway = gateway
        link = RadioLink("mast", "", 0, gateway.receiver.hear)
        link.port.error = ""  # as if it were open
        unsigned = gateway.receiver._unsigned
        self.node = AirNode("air-node", 3, PROFILE, gateway.orders, lambda: None, lambda: unsigned.waiting(3))
        self.lora = Lora("mast", link, gateway.receiver, [self.node], gateway.store)

    def board(self, message: object) -> None:
        self.lora.link._take(messages.encode(message), Mock())

    def told(self) -> tuple[str, list[str], set[str]]:
        """The lines of `wayside status`, the problems, and the samples of the radios' metrics."""
        said = draw([self.lora], [], print)
        samples = set(exposition(said.families()).splitlines())
        return "\n".join(said.lines), [each.text for each in said.problems], samples


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Gateway(tmp_path, Node()))


def test_a_node_without_airtime(site: Site) -> None:
    said, found, _ = site.told()
    assert "configuration: not told; 0 reports wait" in said and not found
    status = lora_config.AirStatus(4, 0, b"", 0, lora_config.NONE, 9, 2, 0)
    session = lora.LoraSession(KEY, PROFILE.digest)
    header = lora.Header(lora.STATUS, True, NETWORK, 3, 0)
    assert site.gateway.hear(session.seal(header, lora_config.encode_status(status)))
    said, found, samples = site.told()
    assert "SHORT OF AIRTIME; since its start: 9 frames without airtime, 2 channel busy" in said
    assert found == ["air-node ran out of airtime since its start: send less, or at a lower spreading factor"]
    assert 'wayside_air_node_events_total{node="air-node",event="frames without airtime"} 9' in samples
    assert site.node.boot == 4
    site.gateway.reboot()
    again = Site(site.gateway)
    assert again.node.told["frames without airtime"] == 9  # what was told is kept


def test_a_board_without_airtime(site: Site) -> None:
    site.board(messages.RadioStatus(1, "UNIX", "x", 36_000_000, 36_000_000, {"airtime used up": 3}))
    site.board(messages.Sent(1, messages.NO_BUDGET, 0))
    site.board(messages.Sent(2, messages.DONE, 50_000))
    site.board(messages.Sent(3, messages.CHANNEL_BUSY, 0))
    said, found, samples = site.told()
    assert "100.0 % of its airtime used, SHORT OF AIRTIME" in said
    assert "1 answers not sent for want of airtime" in said and "1 answers sent" in said
    assert len(found) == 1 and found[0].startswith("radio mast ran out of airtime")
    assert 'wayside_radio_airtime_used_ratio{radio="mast"} 1.0' in samples
    assert 'wayside_radio_events_total{radio="mast",part="on_board",event="airtime used up"} 3' in samples


def test_reports_that_wait_for_a_signature(site: Site) -> None:
    site.gateway.hear(site.gateway.node.report(1_790_000_000, 1))
    said, _, samples = site.told()
    assert "1 reports wait for its signature" in said
    assert 'wayside_air_node_unsigned_reports{node="air-node"} 1' in samples
