"""Lines that speak without end, in the real VM: everything else goes on, and the node is well again without a start.

What others met: a master that reads a babbling line for ever (pymodbus 2960), reads that never end while characters
trickle (micropython 4743), a poll that takes longer than a watchdog waits (taixia 21).
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from bench_vm import Bench, Node, bench
from waiting import until
from wayside.lab.plant.cable import raw_pty
from wayside_wire.pack import BAD

DICE = Random(7)
BABBLE = {
    "zeros": bytes(1024),
    "noise": DICE.randbytes(1024),
    "short frames": b"\x01\x00" * 512,
    "a computer that starts": b"[    0.000000] Booting Linux on physical CPU 0x0\r\n" * 20,
}


@asynccontextmanager
async def babbling(handle: int, data: bytes) -> AsyncIterator[None]:
    """As much of this as the line takes, again and again."""

    async def babble() -> None:
        while True:
            with suppress(BlockingIOError):
                os.write(handle, data)
            await asyncio.sleep(0.001)

    task = asyncio.create_task(babble())
    try:
        yield
    finally:
        task.cancel()


async def well(b: Bench, node: Node) -> None:
    await b.packs(len(b.gateway.packs) + 5)
    await node.kill()
    b.gateway.check_chain()
    assert {boot for boot, _ in b.gateway.packs} == {1}, "it has started again"


@pytest.mark.parametrize("kind", BABBLE)
def test_on_the_link_it_costs_no_poll_and_no_pack(micropython: Path, tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            await node.start()
            await b.packs(2)
            os.set_blocking(b.gateway._handle, False)
            async with babbling(b.gateway._handle, BABBLE[kind]):
                before = b.stored()
                await until(lambda: b.stored() > before + 2000, "packs in flash meanwhile")
            await asyncio.sleep(0.2)
            await well(b, node)

    asyncio.run(main())


def test_on_a_bus_it_is_bad_readings_that_reach_the_gateway(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            with raw_pty() as (handle, port):
                node = await b.node(port=port)
                os.set_blocking(handle, False)
                async with babbling(handle, BABBLE["noise"]):
                    await node.start()

                    def reasons() -> set[str]:
                        return {each.reason for pack, _ in b.gateway.packs.values() for each in pack.readings}

                    await until(lambda: "line never silent" in reasons(), "word that the line is never silent")
                assert all(r.quality == BAD for pack, _ in b.gateway.packs.values() for r in pack.readings)
                await well(b, node)

    asyncio.run(main())
