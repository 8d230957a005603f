"""The power fails while the real image writes its flash: littlefs, counters and journal, at any operation of a boot.

By default a few points; WAYSIDE_CUTS=N tries N of them (three places in each operation, one operation after the other).
"""

import os
from pathlib import Path

from hil.emulator import FlashWork, Reset
from hil.meter_node import MeterNode, configuration

MS = 1_000_000
# Into an operation: at its begin, in an erase or late in a program of several pages, late in an erase.
AFTER_NS = (1, MS, 40 * MS)
FEW = ((0, 1), (1, 1), (2, 0), (3, 2), (5, 1), (7, 0), (9, 2))


def points() -> list[tuple[int, int]]:
    """(operations before, place in the next one)."""
    count = int(os.environ.get("WAYSIDE_CUTS", "0"))
    return [divmod(number, len(AFTER_NS)) for number in range(count)] or list(FEW)


def test_no_cut_costs_a_pack_that_was_acknowledged_or_makes_a_second_history(image: Path) -> None:
    with MeterNode(image) as node:
        node.provision(configuration())
        node.start()
        node.packs(2)
        for skip, place in points():
            node.board.cut_power_in_flash(skip, AFTER_NS[place])
            node.start()
            before = len(node.world.events)

            def off(before: int = before) -> bool:
                return any(isinstance(event, Reset) and event.cause == "off" for event in node.world.events[before:])

            node.world.until(off, f"the cut in operation {skip}")
            boot = max(boot for boot, _ in node.gateway.packs)
            node.board.restore_power()

            def lives(boot: int = boot) -> bool:
                return any(number > boot for number, _ in node.gateway.packs)

            node.world.until(lives, f"a pack after the cut at {AFTER_NS[place]} ns in operation {skip}")
            node.gateway.check_chain()
        cuts = [event for event in node.world.events if isinstance(event, FlashWork) and event.cut]
        assert len(cuts) >= len(points()) // 3
