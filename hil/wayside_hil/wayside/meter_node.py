"""A node of the board RP2040_METER: provisioned over its console, a meter on its line, a gateway on its link."""

import json
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from wayside import profiles
from wayside.flash.console import RawRepl
from wayside.lab.plant import Sdm630
from wayside.profiles.node import for_node
from wayside_wire import link

from ..emulator import Emulator
from ..rs485 import Rs485Line
from ..second_master import SecondMaster
from ..supply import Supply
from ..world import World
from .console import NodeRepl
from .gateway import KEY, LinkGateway
from .modbus_line import meters, request

# boards/RP2040_METER/wiring.md
LINK_UART, BUS_UART, ENABLE_PIN = 0, 1, 6
_AGAIN_NS = 1_100_000_000
_TRIES = 10
CHANNELS = ("voltage_l1", "power_active", "energy_active_import")


def configuration(**changes: Any) -> dict[str, Any]:
    """A node with one SDM630, polled twice a second; `changes` go to the meter or to the top of the file."""
    profile = for_node(profiles.load("eastron-sdm630"), CHANNELS)
    meter = {"device": "meter-1", "port": "rs485", "unit": 1, "poll_ms": 500, "report_ms": 1000, "profile": profile}
    meter |= {"timeout_ms": 500, "quiet_ms": 1000}
    config: dict[str, Any] = {"node": "node-1", "state": "/state", "link": {"port": "link"}}
    config["gateway"] = KEY.public.hex()
    for key, value in changes.items():
        (meter if key in meter else config)[key] = value
    return config | {"meters": [meter]}


def provision(repl: RawRepl, config: dict[str, Any]) -> bytes:
    """Write the configuration and have the key made; the public one."""
    repl.write_file("/node.json", json.dumps(config, separators=(",", ":")).encode())
    code = "from wayside_node.__main__ import main\nmain(['--config','/node.json','--public-key'])"
    return bytes.fromhex(repl.run(code).strip())


# Flash and public key, by what the board was made of and its configuration.
_provisioned: dict[tuple[tuple[bytes, int], str], tuple[bytes, bytes]] = {}
_MOST_PROVISIONED = 8  # of 2 MiB each


class MeterNode:
    """The bench with one node on it."""

    def __init__(self, image: Path, flash: Path | None = None, seed: int = 1):
        self.board = Emulator(image, flash, seed=seed)
        self._made_of = (sha256(self.board.flash.read_bytes()).digest(), seed)
        self.meter = Sdm630(clock=lambda: self.board.now / 1e9)
        self.line = Rs485Line(self.board, BUS_UART, ENABLE_PIN, meters({1: self.meter}))
        self.gateway = LinkGateway(self.board, LINK_UART)
        self.second_master = SecondMaster(self.line, Random(seed), request())
        self.supply = Supply(self.board)
        self.crystal = self.board.set_crystal
        self.world = World(self.board, self.line, self.gateway, self.second_master, self.supply)
        self.repl = NodeRepl(self.world)

    def provision(self, config: dict[str, Any], *, stays_at_prompt: bool = False) -> None:
        """As a technician does: write the configuration over the console, have the key made, note the public one.

        The same for the same image, seed and configuration, and ten seconds of a processor: so a process does it once,
        and other fresh boards get the flash that came of it. Call start() behind it.
        stays_at_prompt: it is done on this board in any case, which is at its raw REPL then, and runs no application.
        """
        key = (self._made_of, json.dumps(config, sort_keys=True))
        is_fresh = self.board.is_fresh
        if is_fresh and key in _provisioned and not stays_at_prompt:
            content, public = _provisioned[key]
            self.board.exchange_flash(content)
            self.gateway.enrol(public, config)
            return
        self.repl.wait(b">>> ")
        self.repl.enter()
        self.gateway.enrol(provision(self.repl, config), config)
        if is_fresh:
            _provisioned[key] = (self.board.flash.read_bytes(), self.gateway.public)
            while len(_provisioned) > _MOST_PROVISIONED:
                del _provisioned[next(iter(_provisioned))]

    def start(self) -> int:
        """Switch the board off and on; returns when it came on, in ns."""
        self.board.cut_power()
        self.board.restore_power(self.board.now + 100_000_000)
        self.world.run_for(100_000_000)
        return self.world.now

    def cut_power(self) -> None:
        """Until start()."""
        self.board.cut_power()

    def packs(self, count: int, patience_ns: int = 30_000_000_000) -> int:
        """Go on until the gateway has this many; returns the time."""
        return self.world.until(lambda: len(self.gateway.packs) >= count, f"{count} packs", patience_ns)

    def command(self, raw: bytes, number: int) -> link.CommandAnswer:
        """The node's answer to a signed command. It is sent again while none comes: the node is deaf while it writes
        to flash, and what is longer than its UART's FIFO is lost."""

        def answers() -> list[link.CommandAnswer]:
            return [
                each for each in self.gateway.others if isinstance(each, link.CommandAnswer) and each.number == number
            ]

        for _ in range(_TRIES):
            self.gateway.send(link.CommandMessage(raw))
            end = self.world.now + _AGAIN_NS
            while self.world.now < end:
                self.world.step()
                if answers():
                    return answers()[0]
        raise AssertionError(f"no answer to command {number} after {_TRIES} tries")

    def close(self) -> None:
        self.board.close()

    def __enter__(self) -> "MeterNode":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
