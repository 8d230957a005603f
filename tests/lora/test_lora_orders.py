"""Configurations for nodes on the air at the gateway: what people write, what is sent, what the log says of it."""

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from wayside.daemon.commander import Commander, CommandError
from wayside.evidence.kinds import CommandBody
from wayside.runtime.clock import SystemClock
from wayside.south.lora.node import AirNode
from wayside.south.lora.orders import Orders
from wayside.south.lora.settings import NodeSettingsError, parse, text_of
from wayside.south.lora.store import LoraStore
from wayside.trust.keys import SoftwareKey
from wayside_wire import cbor, command, pack
from wayside_wire import lora_config as wire
from wayside_wire.lora_report import AirProfile, ReportChannel

PROFILE = AirProfile(
    [ReportChannel("pm2.5", "ug/m3", -1), ReportChannel("co2", "ppm", 0), ReportChannel("pulses", "l", 1)]
)
WHOLE = {"report_s": 60, "sign_every": 4, "sf": 9, "trial": 5, "channels": ["co2", "pm2.5"], "thresholds": {"co2": 50}}


def test_what_people_write_is_what_they_read() -> None:
    payload = parse(json.dumps(WHOLE).encode(), PROFILE, 7)
    config = wire.decode_config(PROFILE, payload)
    assert config == wire.AirConfig(7, 5, 60, 4, 9, ["pm2.5", "co2"], {"co2": 50})
    read = json.loads(text_of(payload, PROFILE))
    assert read == WHOLE | {"channels": ["pm2.5", "co2"]}
    assert parse(json.dumps(read).encode(), PROFILE, 7) == payload
    assert wire.decode_config(PROFILE, parse(b"{}", PROFILE, 1)).trial == 8


def test_thresholds_are_exact() -> None:
    def steps(text: str) -> dict[str, int]:
        thresholds = wire.decode_config(PROFILE, parse(b'{"thresholds": %s}' % text.encode(), PROFILE, 1)).thresholds
        assert thresholds is not None
        return dict(thresholds)

    assert steps('{"pm2.5": 0.3, "pulses": 20}') == {"pm2.5": 3, "pulses": 2}
    assert steps('{"pm2.5": "12.5"}') == {"pm2.5": 125}
    payload = parse(b'{"thresholds": {"pm2.5": 0.3, "pulses": 20}}', PROFILE, 1)
    assert json.loads(text_of(payload, PROFILE))["thresholds"] == {"pm2.5": "0.3", "pulses": 20}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[1]", "write an object"),
        ('{"report_ms": 5}', "unknown key report_ms"),
        ('{"sf": true}', "sf: write a whole number"),
        ('{"sf": 9.0}', "sf: write a whole number"),
        ('{"sf": 13}', "sf is 7 to 12"),
        ('{"report_s": 0}', "report_s is 1 to 86400"),
        ('{"trial": 0}', "trial is 1 to 255"),
        ('{"channels": []}', "one or more of pm2.5, co2, pulses"),
        ('{"channels": ["no2"]}', "one or more of"),
        ('{"channels": [["co2"]]}', "one or more of"),
        ('{"thresholds": {"no2": 1}}', "names of pm2.5"),
        ('{"thresholds": {"pm2.5": 0.25}}', "a multiple of 0.1 ug/m3"),
        ('{"thresholds": {"pulses": 15}}', "a multiple of 10 l"),
        ('{"thresholds": {"co2": "x"}}', "a multiple of 1 ppm"),
        ('{"thresholds": {"co2": "nan"}}', "a multiple of"),
        ('{"thresholds": {"co2": -1}}', "a multiple of"),
        ('{"channels": ["co2"], "thresholds": {"pm2.5": 1}}', "for a channel that is reported"),
        ('{"thresholds": {"co2": 1e30}}', "fits in 64 bits"),
    ],
)
def test_what_is_no_configuration(text: str, said: str) -> None:
    with pytest.raises(NodeSettingsError, match=said):
        parse(text.encode(), PROFILE, 1)


class Site:
    """A gateway with one node on the air; `log` are the command entries."""

    def __init__(self, folder: Path):
        self.store = LoraStore(folder / "lora.db")
        self.log: list[tuple[Any, ...]] = []
        self.key = SoftwareKey(bytes(range(32)))
        self.start()

    def start(self) -> None:
        self.orders = Orders(self.store, self.record)
        self.node = AirNode("air-node", 3, PROFILE, self.orders, lambda: None, lambda: 0)
        self.commander = Commander(lambda: [self.node], self.key, lambda name: bytes(8), SystemClock(), self.enter)

    async def record(self, name: str, outcome: str, raw: bytes) -> None:
        self.log.append((name, "node", outcome, raw))

    async def enter(self, body: CommandBody) -> None:
        self.log.append((body.target, body.origin, body.outcome, body.raw))

    def give(self, verb: str, *arguments: object) -> Any:
        return cbor.decode(asyncio.run(self.commander.give("air-node", verb, arguments, "user anna")))

    def configure(self, wanted: dict[str, Any]) -> Any:
        text = json.dumps(wanted).encode()
        self.give(command.CONFIG_WRITE, 0, text[:1])
        self.give(command.CONFIG_WRITE, 1, text[1:])
        return self.give(command.CONFIG_USE, len(text), hashlib.sha256(text).digest())

    def hear(self, **changes: Any) -> None:
        status = wire.AirStatus(1, 0, b"", 0, wire.NONE, 0, 0, 0)._replace(**changes)
        asyncio.run(self.orders.heard(3, "air-node", status, wire.encode_status(status)))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_an_order_and_its_acknowledgement_are_entries_with_version_and_hash(site: Site) -> None:
    with pytest.raises(CommandError, match="has not said yet"):
        site.give(command.CONFIG_READ, 0)
    site.hear()
    assert site.give(command.CONFIG_READ, 0)[2] == b"{}"
    assert "version 1 waits" in site.configure(WHOLE)
    payload = site.orders.due(3)
    digest = wire.digest_of(payload)
    name, origin, outcome, raw = site.log[0]
    assert (name, origin) == ("air-node", "user anna") and outcome.endswith(f"SHA-256 begins {digest.hex()}")
    signed = command.open_command(raw, lambda kid, message, signature: kid == pack.key_id(site.key.public))
    assert signed.verb == command.CONFIG_USE
    site.hear(tried=1, outcome=wire.TRYING)
    assert site.orders.due(3) == b"" and len(site.log) == 1
    assert site.node.configuration == "its own file, tries version 1"
    site.hear(version=1, digest=digest, tried=1, outcome=wire.KEPT)
    assert site.log[1:] == [("air-node", "node", f"version 1 is in force, SHA-256 begins {digest.hex()}", raw)]
    assert json.loads(site.give(command.CONFIG_READ, 0)[2]) == json.loads(text_of(payload, PROFILE))
    site.hear(version=1, digest=digest, tried=1, outcome=wire.KEPT)
    assert len(site.log) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tried": 1, "outcome": wire.ROLLED_BACK}, "tried and rolled back"),
        ({"tried": 1, "outcome": wire.REFUSED}, "was refused"),
        ({"version": 1, "digest": bytes(8), "tried": 1, "outcome": wire.KEPT}, "another version 1"),
        ({"version": 5, "digest": bytes(8), "tried": 9, "outcome": wire.ROLLED_BACK}, "the node knows version 9"),
    ],
)
def test_what_else_may_become_of_it(site: Site, changes: dict[str, Any], said: str) -> None:
    site.configure(WHOLE)
    site.hear(**changes)
    assert said in site.log[-1][2] and site.orders.due(3) == b""
    site.configure({})
    assert site.orders.of(3).version == max(changes["tried"], 1) + 1


def test_orders_survive_a_reboot_and_give_way_to_later_ones(site: Site) -> None:
    site.configure(WHOLE)
    first = site.orders.due(3)
    site.start()
    assert site.orders.due(3) == first
    site.configure({"sf": 8})
    assert "version 1 replaced by version 2" in site.log[-2][2]
    # The node had the first already, and nobody heard it say so.
    site.hear(version=1, digest=wire.digest_of(first), tried=1, outcome=wire.KEPT)
    assert site.orders.due(3) and json.loads(site.give(command.CONFIG_READ, 0)[2])["report_s"] == 60
    site.hear(version=2, digest=wire.digest_of(site.orders.due(3)), tried=2, outcome=wire.KEPT)
    site.start()
    assert json.loads(site.give(command.CONFIG_READ, 0)[2]) == {"sf": 8, "trial": 8}
    site.hear(tried=2, outcome=wire.REFUSED)
    assert "back to its own file" in site.log[-1][2]


def test_a_gateway_that_lost_its_store_goes_on_above(site: Site, tmp_path: Path) -> None:
    site.hear(version=7, digest=bytes(8), tried=9, outcome=wire.ROLLED_BACK)
    with pytest.raises(CommandError, match="is not known here"):
        site.give(command.CONFIG_READ, 0)
    site.configure({})
    assert site.orders.of(3).version == 10


def test_what_a_node_on_the_air_cannot_do(site: Site) -> None:
    with pytest.raises(CommandError, match="cannot do reboot"):
        site.give(command.REBOOT)
    with pytest.raises(CommandError, match="write it again from 0"):
        site.give(command.CONFIG_USE, 3, bytes(32))
    with pytest.raises(CommandError, match="begin again at 0"):
        site.give(command.CONFIG_WRITE, 5, b"x")
    with pytest.raises(CommandError, match="at most 4096"):
        for offset in range(0, 4097, command.PIECE):
            site.give(command.CONFIG_WRITE, offset, bytes(command.PIECE))
    with pytest.raises(CommandError, match="unknown key"):
        site.configure({"report_ms": 1})
    assert site.give(command.COUNTERS) == {}
    site.hear(unsent=4, busy=1)
    assert site.give(command.COUNTERS)["frames without airtime"] == 4
    [told] = site.commander.nodes()
    assert (told["name"], told["board"], told["boot"], told["silent_s"]) == ("air-node", "LoRa", 1, None)
    assert told["connected"] and told["counts"]["channel busy"] == 1


def test_what_is_not_durable_is_not_believed(site: Site) -> None:
    site.configure({})
    site.store.close()
    with pytest.raises(sqlite3.Error):
        site.hear(tried=1, outcome=wire.ROLLED_BACK)
    assert site.orders.told(3) is None and site.orders.due(3)
    with pytest.raises(CommandError, match="the disk refuses"):
        site.configure({"sf": 9})
    assert site.orders.of(3).version == 1
