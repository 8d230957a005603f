"""A board with as many meters as its rule allows works, can be given another such configuration, and refuses more."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wayside import profiles
from wayside.profiles.node import for_node
from wayside_hil.wayside.gateway import LinkGateway
from wayside_hil.wayside.meter_node import MeterNode, configuration
from wayside_hil.wayside.modbus_line import meters
from wayside_wire import cbor, command, link
from wayside_wire.pack import GOOD, Pack, key_id, open_pack, pack_hash

METERS = 4
S = 1_000_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # wayside_hil.wayside.gateway.KEY


def many(meters: int, **changes: Any) -> dict[str, Any]:
    """All 16 channels of an SDM630 each."""
    profile = for_node(profiles.load("eastron-sdm630"))
    usual = {"port": "rs485", "poll_ms": 2500, "report_ms": 5000, "profile": profile}
    rows = [{"device": f"meter-{unit}", "unit": unit, **usual} for unit in range(1, meters + 1)]
    return configuration() | {"meters": rows, **changes}


class ManyDevices(LinkGateway):
    """Takes packs of several devices; the last of each is in `last`."""

    last: dict[str, Pack]

    def _pack(self, message: link.PackMessage, start: int, end: int) -> None:
        pack, _ = open_pack(message.raw, lambda *_: True)
        self.last[pack.device] = pack
        self.send(link.Ack(pack.device, pack.boot, pack.sequence, pack_hash(message.raw)))


class Board:
    def __init__(self, node: MeterNode):
        self.node = node
        self.number = 0
        node.gateway.__class__ = ManyDevices
        self.last = node.gateway.last = {}  # type: ignore[attr-defined]

    def command(self, verb: str, *arguments: object) -> link.CommandAnswer:
        self.number += 1
        public = KEY.public_key().public_bytes_raw()
        wanted = command.Command(key_id(self.node.gateway.public), self.number, verb, list(arguments))
        return self.node.command(command.sign_command(wanted, key_id(public), KEY.sign), self.number)

    def give(self, config: dict[str, Any]) -> link.CommandAnswer:
        data = json.dumps(config, separators=(",", ":")).encode()
        for at in range(0, len(data), command.PIECE):
            assert self.command(command.CONFIG_WRITE, at, data[at : at + command.PIECE]).status == command.OK
        return self.command(command.CONFIG_USE, len(data), sha256(data).digest())

    def all_are_polled_and_acknowledged(self) -> None:
        self.last.clear()
        self.node.world.until(lambda: len(self.last) == METERS, "a pack of every meter", 60 * S)
        assert all(reading.quality == GOOD for pack in self.last.values() for reading in pack.readings)


@pytest.mark.campaign(minutes=3)
def test_the_most_that_is_allowed_works_and_one_more_is_refused(image: Path) -> None:
    with MeterNode(image) as node:
        node.line._answer = meters(dict.fromkeys(range(1, METERS + 1), node.meter))
        node.provision(many(METERS))
        board = Board(node)
        node.start()
        board.all_are_polled_and_acknowledged()
        board.all_are_polled_and_acknowledged()
        free = cbor.decode(board.command(command.INFO).data)[5]
        assert free > 246656 // 4, f"{free} bytes of heap are free"
        answer = board.give(many(METERS, holdover_ms=700_000))
        assert answer.status == command.OK, answer.data
        board.all_are_polled_and_acknowledged()
        answer = board.give(many(METERS + 1))
        assert answer.status == command.FAILED
        assert answer.data.decode().endswith(f"{METERS} such meters fit")
        counters = cbor.decode(board.command(command.COUNTERS).data)
        assert not [name for name in counters if name.startswith("restarts")], counters
        board.all_are_polled_and_acknowledged()
        print(f"{free} bytes free")
