"""The power fails while the real image writes its flash: littlefs, counters, journal, at any operation from a boot on.

By default at three points, in a campaign at eight; `--cuts N` tries N: twelve places in each operation, one operation
after the other. The first of a boot are the counters', those after them the journal's.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from wayside_hil.emulator import FlashWork, Reset
from wayside_hil.wayside.meter_node import MeterNode, configuration

# Into an operation, in ns: a page is programmed in 0.4 ms, a block erased in 45 ms.
_US = (0, 20, 100, 200, 300, 390, 700, 1_000, 5_000, 15_000, 30_000, 44_900)
AFTER_NS = tuple(1_000 * after or 1 for after in _US)
FEW = ((0, 0), (1, 5), (2, 1), (3, 11), (5, 2), (7, 0), (9, 10), (14, 4))


def points(count: int) -> list[tuple[int, int]]:
    """(operations before, place in the next one)."""
    return [divmod(number, len(AFTER_NS)) for number in range(count)]


@pytest.mark.campaign
def test_no_cut_costs_a_pack_that_was_acknowledged_or_makes_a_second_history(
    image: Path, request: pytest.FixtureRequest, share: Callable[[int, int], int]
) -> None:
    wanted = points(request.config.getoption("--cuts")) or FEW[: share(3, len(FEW))]
    with MeterNode(image) as node:
        node.provision(configuration(poll_ms=200, report_ms=200))
        node.start()
        node.packs(2)
        inside = sum(cut(node, skip, AFTER_NS[place]) for skip, place in wanted)
        boot = max(boot for boot, _ in node.gateway.packs)
        node.world.until(lambda: any(number > boot for number, _ in node.gateway.packs), "a pack after the last cut")
        node.gateway.check_chain()
        print(f"{len(wanted)} cuts, {inside} of them inside an operation; {len(node.gateway.packs)} packs in one chain")
        assert inside >= len(wanted) // 3


def cut(node: MeterNode, skip: int, after_ns: int) -> bool:
    """Have the power fail and come back; whether that was inside an operation. A board that lives gets to the next."""
    node.board.cut_power_in_flash(skip, after_ns)
    node.world.events.clear()
    node.world.until(
        lambda: any(isinstance(event, Reset) and event.cause == "off" for event in node.world.events),
        f"the cut {after_ns} ns into operation {skip}",
        120_000_000_000,
    )
    node.gateway.check_chain()
    node.board.restore_power()
    node.world.step()
    return any(isinstance(event, FlashWork) and event.cut for event in node.world.events)
