"""A meter is exchanged while the node in the real VM is off: its signed packs say that a new count begins."""

import asyncio
from pathlib import Path

from bench_vm import Bench, Node, bench
from waiting import until
from wayside_wire.aggregate import NEW_COUNT
from wayside_wire.pack import BAD, Reading

KWH_MWS = 3_600_000_000
IMPORT = 0x48
DIFFERENCE = "energy_active_import.diff"


async def first_differences(b: Bench, node: Node, boot: int) -> list[Reading]:
    """The differences in the first packs of a boot: run the node until three of them have one."""
    await node.start()

    def found() -> list[Reading]:
        packs = [b.gateway.packs[place][0] for place in b.gateway.order if place[0] == boot]
        return [each for pack in packs for each in pack.readings if each.channel == DIFFERENCE]

    await until(lambda: len(found()) >= 3, f"differences of boot {boot}")
    await node.kill()
    b.gateway.check_chain()
    return found()


def test_an_exchange_over_a_power_cut(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            # The meter is this process: where it stands still for longer than the node waits, polls are given up, and
            # the meter is left alone ever longer.
            node = await b.node(timeout_ms=5000)
            assert all(each.quality != BAD for each in await first_differences(b, node, 1))
            # The same meter again: nothing begins anew.
            assert all(each.quality != BAD for each in await first_differences(b, node, 2))
            b.meter.serial += 1
            before = b.meter.read(4, IMPORT, 2)
            b.meter.import_mws[0] += 5_000 * KWH_MWS
            await until(lambda: b.meter.read(4, IMPORT, 2) != before, "the new meter's registers")
            first, *others = await first_differences(b, node, 3)
            assert first.reason == f"{NEW_COUNT}: meter replaced, another serial number"
            assert all(each.quality != BAD and each.mantissa < 36_000 for each in others)
            assert "replaced energy_active_import: the old meter's last count" in node.said
            assert all(each.quality != BAD for each in await first_differences(b, node, 4))

    asyncio.run(main())


def test_a_bus_that_is_down_has_bad_readings_at_every_report_and_good_ones_once_it_is_there(
    micropython: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            adapter = tmp_path / "adapter"
            node = await b.node(port=str(adapter), report_ms=1000)
            await node.start()
            # Started again after 0.5 s, 1 s, 2 s ... 30 s: as many starts would take two minutes.
            await b.packs(8)
            packs = [b.gateway.packs[place][0] for place in b.gateway.order]
            assert all(each.reason.startswith("bus down: OSError") for pack in packs for each in pack.readings)
            assert all(pack.readings for pack in packs)
            assert node.said.count("task bus") < len(packs)
            adapter.symlink_to(b.bus_port)

            def found() -> list[Reading]:
                packs = [b.gateway.packs[place][0] for place in b.gateway.order]
                return [each for pack in packs for each in pack.readings if each.quality != BAD]

            await until(lambda: bool(found()), "a good reading")
            await node.kill()
            b.gateway.check_chain()

    asyncio.run(main())
