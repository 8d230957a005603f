"""Lines of the real image that speak without end: zeros, noise, wrong rates. The node goes on, and is well again."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from wayside_hil.emulator import Event, Reset
from wayside_hil.wayside.meter_node import BUS_UART, LINK_UART, MeterNode, configuration
from wayside_wire.pack import BAD

S = 1_000_000_000
PIECE = 16
MAKERS: dict[str, Callable[[Random], bytes]] = {
    "zeros": lambda dice: bytes(PIECE),
    "noise": lambda dice: dice.randbytes(PIECE),
    "frames": lambda dice: b"\x01\x00" * (PIECE // 2),
}


class Babbler:
    """Drives a UART of the board from end to end while it is `on`."""

    def __init__(self, node: MeterNode, uart: int, baud: int, make: Callable[[], bytes]):
        self.on = False
        self._node = node
        self._uart = uart
        self._baud = baud
        self._make = make
        self._free_at = 0

    def see(self, event: Event) -> None:
        """It does not listen."""

    def settle(self, now_ns: int) -> None:
        self._free_at = max(self._free_at, now_ns)
        while self.on and self._free_at < now_ns + 1_000_000:
            self._free_at = self._node.board.send_uart(self._uart, self._make(), self._baud, self._free_at)


def babble(image: Path, uart: int, baud: int, kind: str, span_ns: int) -> set[str]:
    """A node works, so much of this is on a line, the node works again; the reasons of bad readings meanwhile."""
    with MeterNode(image) as node:
        node.provision(configuration())
        dice = Random(3)
        line = Babbler(node, uart, baud, lambda: MAKERS[kind](dice))
        node.world.plugs.append(line)
        node.start()
        node.packs(2)
        began, before = len(node.world.events), len(node.gateway.packs)
        line.on = True
        node.world.run_for(span_ns)
        line.on = False

        def is_well() -> bool:
            packs = list(node.gateway.packs.values())
            return len(packs) > before + 2 and all(each.quality != BAD for each in packs[-1].pack.readings)

        node.world.until(is_well, "good readings again", 60 * S)
        assert not [event for event in node.world.events[began:] if isinstance(event, Reset)]
        node.gateway.check_chain()
        packs = list(node.gateway.packs.values())[before:]
        return {each.reason for arrived in packs for each in arrived.pack.readings if each.quality == BAD}


@pytest.mark.campaign
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("baud", [115200, 1_000_000])
def test_whatever_is_on_the_link_costs_no_reset_and_no_pack(image: Path, baud: int, kind: str) -> None:
    assert babble(image, LINK_UART, baud, kind, 4 * S) == set()


@pytest.mark.campaign
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("baud", [115200, 1_000_000])
def test_a_babbling_bus_is_bad_readings_and_costs_no_reset(image: Path, baud: int, kind: str) -> None:
    assert "line never silent" in babble(image, BUS_UART, baud, kind, 6 * S)
